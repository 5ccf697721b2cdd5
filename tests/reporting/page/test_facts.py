"""What a report says about a run: each sentence and number from the run's files alone."""

import json
import shutil

import pytest
from made_run import RECIPE, evaluation, make_run

from ratchet.record.records import Records
from ratchet.record.run_data import load
from ratchet.reporting.page.facts import gather


@pytest.fixture
def folder(tmp_path):
    return make_run(tmp_path / "run")


def facts(folder):
    return gather(load(folder))


def evaluated(folder, *entries):
    """Write these evaluations in place of the folder's own."""
    (folder / "diagnostics/evaluations.jsonl").unlink()
    for step, accuracy, right in entries:
        Records(folder).write("evaluations", **evaluation(step, accuracy, right))


def test_the_verdict_names_both_ends_the_test_and_the_baseline(folder):
    verdict = facts(folder).verdict
    assert verdict.startswith("Accuracy on 40 test rows went from 0.300 to 0.600 (McNemar p = ")
    assert verdict.endswith(", clearly above always giving the commonest answer (0.250).")


def test_an_interval_that_holds_the_baseline_is_not_clearly_above_it(folder):
    evaluated(folder, (0, 0.3, 12), (40, 0.3, 12))
    assert "not clearly above" in facts(folder).verdict


def test_evaluations_of_other_rows_are_not_tested_against_each_other(folder):
    evaluated(folder, (0, 0.3, 12), (40, 0.6, 24))
    path = folder / "diagnostics/evaluations.jsonl"
    path.write_text(path.read_text().replace('"row-39"', '"row-99"', 1))
    assert "McNemar" not in facts(folder).verdict


def test_one_evaluation_alone_is_told_as_it_is(folder):
    evaluated(folder, (0, 0.3, 12))
    assert facts(folder).verdict.startswith("0.300 of the 40 test answers are right")


def test_a_run_without_evaluations_says_so_and_where_it_stands(folder):
    (folder / "diagnostics/evaluations.jsonl").unlink()
    found = facts(folder)
    assert found.verdict == "The run is finished at step 40; nothing was evaluated." and found.results == []


def test_results_are_rows_with_intervals_and_baselines_without(folder):
    rows = {title: rest for title, *rest in facts(folder).results}
    assert rows["accuracy before training"] == ["0.300", "0.200 to 0.400", "40"]
    assert rows["pass@4 after 40 steps"][0] == "0.650"
    assert rows["always the commonest answer"] == ["0.250", "", ""] and rows["guessing"] == ["0.200", "", ""]


def test_an_evaluation_may_lack_samples(folder):
    path = folder / "diagnostics/evaluations.jsonl"
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**entry, "pass_at_k": None}) + "\n" for entry in entries))
    assert [title for title, *_ in facts(folder).results][:2] == [
        "accuracy before training",
        "accuracy after 40 steps",
    ]


def test_an_older_run_shows_the_results_that_it_kept(folder):
    (folder / "diagnostics/evaluations.jsonl").unlink()
    result = json.loads((folder / "result.json").read_text())
    result |= {"before": {"accuracy": 0.1, "low": 0.0, "high": 0.2, "n": 9}, "after": {"accuracy": "?"}}
    (folder / "result.json").write_text(json.dumps(result))
    assert facts(folder).results == [("accuracy before training", "0.100", "0.000 to 0.200", "9")]


def test_alarms_are_those_of_the_record_else_those_of_the_result(folder):
    assert facts(folder).alarms == ["collapse: one letter only"]
    (folder / "diagnostics/alarms.jsonl").write_text('{"step": 5, "text": "reward: too good"}\n')
    assert facts(folder).alarms == ["reward: too good"]
    (folder / "diagnostics/alarms.jsonl").unlink()
    assert facts(folder).alarms == ["collapse: one letter only"]


def test_seconds_are_means_times_steps_and_the_rest_is_no_steps(folder):
    found = facts(folder).seconds
    # 40 steps of 2 s and of 1 s; 100 s in all would leave nothing, so the phases are all there is.
    assert found == [("rollout", 80.0, pytest.approx(2 / 3)), ("training", 40.0, pytest.approx(1 / 3))]
    result = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**result, "seconds": 150}))
    assert facts(folder).seconds[-1] == ("start-up, evaluation, saving", 30.0, pytest.approx(0.2))


def test_a_time_that_is_no_time_gives_no_shares(folder):
    path = folder / "diagnostics/log.jsonl"
    path.write_text(path.read_text().replace('"time/rollout": 2.0', '"time/rollout": 1e308'))
    found = facts(folder)
    assert found.seconds == [] and "time" not in dict(found.totals)


def test_totals_are_of_the_whole_run(folder):
    totals = dict(facts(folder).totals)
    assert totals["optimiser steps"] == "40" and totals["tokens (prompts and completions)"] == "4,000"
    assert totals["peak memory of the fullest process"] == "1.50 GiB"


@pytest.mark.parametrize(("price", "cost"), [("3600", "120.00 EUR"), ("dear", None), ("true", None)])
def test_only_a_price_that_is_a_number_gives_a_cost(folder, price, cost):
    (folder / "recipe.yaml").write_text(f"{RECIPE}report: {{price_per_hour: {price}, currency: EUR}}\n")
    costs = [value for title, value in facts(folder).totals if title.startswith("cost")]
    assert costs == ([cost] if cost else [])


def test_the_audit_shows_the_best_of_each_kind(folder):
    found = facts(folder)
    assert found.audit_head == "400 answers of fixed policies to 20 training rows, before training (mode on)."
    assert found.audit == [
        ("the target", "right", "1.000", "1.000"),
        ("always A", "knows nothing", "0.200", "0.200"),
        ("all letters", "hack", "0.000", "0.000"),
    ]


@pytest.mark.parametrize(
    ("state", "shown"),
    [({"fails": True}, "fails"), ({"fails": False, "accepted": "on purpose"}, "accepted: on purpose"), ({}, "note")],
)
def test_a_finding_says_whether_it_fails(folder, state, shown):
    audit = json.loads((folder / "audit.json").read_text())
    audit["findings"] = [{"name": "hack-pays", "text": "0.4", "fails": False, **state}]
    (folder / "audit.json").write_text(json.dumps(audit))
    assert facts(folder).audit_findings == [f"hack-pays ({shown}): 0.4"]


@pytest.mark.parametrize(
    ("audit", "trainer", "head"),
    [
        ('{"mode": "off"}', "grpo", "Switched off"),
        (None, "sft", "supervised fine-tuning has no reward"),
        (None, "grpo", ""),
    ],
)
def test_a_run_without_an_audit_says_why(folder, audit, trainer, head):
    (folder / "audit.json").unlink()
    if audit:
        (folder / "audit.json").write_text(audit)
    (folder / "recipe.yaml").write_text(f"trainer: {trainer}\n")
    found = facts(folder)
    assert head in found.audit_head and bool(head) == bool(found.audit_head) and found.audit == []


def test_what_was_run_holds_command_data_and_machine(folder):
    about = facts(folder).about
    assert ("hardware", "2 cores, 16 GiB, x86_64, 2 x H100") in about
    assert ("training rows", f"1,000, SHA-256 {'f' * 64}") in about and ("", "two rows left out") in about
    assert ("versions", "torch 2.13.0, trl 1.16.0") in about and ("left out", "attn: nothing to see") in about


def test_what_is_not_known_of_a_run_is_left_out(folder):
    (folder / "run.json").unlink()
    assert [title for title, _ in facts(folder).about] == ["trainer", "task", "model", "status"]


def test_a_run_that_was_stopped_is_resumed_from_its_newest_checkpoint(tmp_path):
    folder = make_run(tmp_path / "a run", finished=False)
    for step in (5, 20, 10):
        (folder / f"checkpoint-{step}").mkdir()
        (folder / f"checkpoint-{step}/trainer_state.json").write_text("{}")
    what, words = facts(folder).commands[0]
    assert what == "resume from step 20" and f"--resume_from_checkpoint '{folder}/checkpoint-20'" in words


def test_commands_need_a_recipe_and_those_for_a_model_need_one(folder):
    names = [what for what, _ in facts(folder).commands]
    assert "evaluate it" in names and "publish it" in names
    (folder / "config.json").unlink()
    assert "evaluate it" not in [what for what, _ in facts(folder).commands]
    (folder / "recipe.yaml").unlink()
    assert facts(folder).commands == []


@pytest.mark.parametrize("trainer", ["[]", "{}", "3", "unheard-of", "null"])
def test_a_method_that_is_not_known_has_no_commands(folder, trainer):
    (folder / "recipe.yaml").write_text(f"trainer: {trainer}\n")
    found = facts(folder)
    assert found.commands == [] and found.audit


def test_the_folder_may_lie_anywhere(folder, tmp_path):
    moved = tmp_path / "moved; rm it"
    shutil.move(folder, moved)
    assert all(f"'{moved}'" in words for _, words in facts(moved).commands[:-1])
