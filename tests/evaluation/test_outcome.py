"""What result.json holds, by which evaluations a run made."""

from types import SimpleNamespace

import pytest

from ratchet.evaluation.evaluate import Answered, Result
from ratchet.evaluation.outcome import outcome


def recipe(before: bool = True):
    return SimpleNamespace(
        task=SimpleNamespace(name="aquarat"), trainer="grpo", evaluation=SimpleNamespace(before=before)
    )


def result(right: int, n: int = 4) -> Result:
    answered = [
        Answered(id=str(i), gold="A", answer="A", correct=i < right, completion="", tokens=1, truncated=False)
        for i in range(n)
    ]
    return Result("m", "t", "validation", answered, "AB", seconds=1.0, generated_tokens=n)


def test_before_and_after_have_interval_and_n():
    found = outcome([(0, result(1)), (5, result(2)), (10, result(3))], recipe(), 10, 12.34)
    assert (found["before"]["accuracy"], found["after"]["accuracy"], found["seconds"]) == (0.25, 0.75, 12.3)
    assert found["after"]["n"] == 4 and found["after"]["low"] < 0.75 < found["after"]["high"]
    assert (found["split"], found["majority"], found["chance"]) == ("validation", 1.0, 0.5)


def test_the_last_evaluation_of_the_last_step_counts():
    found = outcome([(10, result(1)), (10, result(2))], recipe(), 10, 1.0)
    assert found["after"]["accuracy"] == 0.5


@pytest.mark.parametrize(
    ("results", "asked", "steps", "there"),
    [
        ([], True, 10, set()),
        ([(5, result(1))], True, 10, set()),
        ([(0, result(1))], True, 10, {"before"}),
        ([(0, result(1))], False, 10, set()),
        ([(0, result(1))], True, 0, {"before"}),
    ],
    ids=["none", "in between", "before", "not asked for", "no step"],
)
def test_only_what_was_measured_is_reported(results, asked, steps, there):
    assert outcome(results, recipe(asked), steps, 1.0).keys() & {"before", "after"} == there
