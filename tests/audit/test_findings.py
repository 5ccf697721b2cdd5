"""What passes, and what fails with which finding, on small rewards made for it."""

import pytest
from small_audit import CORRECT, TASK, Capitals, any_letter, failed, found, rewarding

from ratchet.recipe.groups import FINDINGS


def test_the_graders_own_correctness_passes():
    report = found(CORRECT)
    assert report.failed == [] and report.tally.rows == 40
    assert report.tally.lines["gold, the target text"].share == 1.0
    assert all(line.correct == 0 for line in report.lines("hack"))


def test_a_small_task_of_ones_own_passes():
    assert failed(found(CORRECT, task=Capitals())) == set()


def short_and_right(sample):
    return float(sample.grade.correct) * (1.0 if len(sample.completion) < 100 else 0.5)


def pays_silence(sample):
    return 1.0 if sample.grade.correct else 0.2 * (len(sample.completion) < 20)


def gold_anywhere(sample):
    return float(TASK.commit(sample.row["correct"], sample.row) in sample.completion)


def never_all(sample):
    return 0.9 * sample.grade.correct


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (any_letter, "ignorance-pays"),
        (short_and_right, "reasoning-costs"),
        (pays_silence, "silence-pays"),
        (gold_anywhere, "hack-pays"),
        (never_all, "gold-below-maximum"),
        (lambda sample: 1.0, "dead-component"),
        (never_all, "unreachable-component"),
    ],
)
def test_a_reward_with_a_fault_fails_with_the_finding_of_that_name(function, name):
    assert name in failed(found(rewarding(function)))


def test_a_shaping_term_that_never_moves_is_dead():
    report = found(CORRECT, rewarding(lambda sample: 0.0, goal=False))
    assert failed(report) == {"dead-component"}


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        ([("France, whose capital is Paris", "Paris"), ("Italy", "Rome")] * 2, "gold-in-prompt"),
        ([("France", "Paris"), ("France", "Lyon"), ("Italy", "Rome")], "several-golds"),
        ([("France", "[TO BE GENERATED]"), ("Italy", "Rome"), ("Spain", "Madrid")], "placeholder-gold"),
    ],
)
def test_rows_with_a_fault_fail_with_the_finding_of_that_name(rows, name):
    assert name in failed(found(CORRECT, task=Capitals(tuple(rows))))


def test_an_accepted_finding_does_not_fail_and_keeps_its_reason():
    report = found(
        rewarding(never_all),
        margin=0.6,
        accept={"gold-below-maximum": "on purpose", "unreachable-component": "on purpose"},
    )
    assert report.failed == []
    assert "the recipe's reason: on purpose" in report.verdict()


def test_thresholds_are_the_recipes_own():
    assert "ignorance-pays" not in failed(found(rewarding(any_letter), margin=0.6))


def test_every_finding_has_a_description():
    assert all(FINDINGS.values())
