"""The table of all evaluations, from files as runs and evaluations leave them."""

import json
from pathlib import Path

import pytest

from ratchet.errors import UserError
from ratchet.evaluation.results import as_dicts, results, table

SHARE = {"accuracy": 0.5, "low": 0.3, "high": 0.7, "n": 20}
ENTRY = {**SHARE, "model": "outputs/demo", "task": "aquarat", "split": "test", "majority": 0.25, "command": "evaluate"}


def write(path: Path, entry) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entry))
    return path


def test_an_evaluation_is_a_row_with_interval_baseline_and_command(tmp_path):
    write(tmp_path / "evaluation-aquarat-test.json", ENTRY)
    head, rule, row = table(results([tmp_path])).splitlines()
    assert head.startswith("| model") and set(rule) <= set("|-")
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["outputs/demo", "", "aquarat", "test", "0.500 [0.300, 0.700] (n = 20)", "0.250", "`evaluate`"]


def test_columns_are_as_wide_as_their_longest_cell(tmp_path):
    write(tmp_path / "evaluation-a.json", ENTRY)
    write(tmp_path / "evaluation-b.json", {**ENTRY, "model": "a much longer name", "majority": None})
    lines = table(results([tmp_path])).splitlines()
    assert len({line[: line.rindex("|", 0, -1)].rindex("|") for line in lines}) == 1


def test_a_runs_own_evaluations_carry_its_command(tmp_path):
    write(tmp_path / "run/run.json", {"command": "train"})
    write(tmp_path / "run/diagnostics/evaluations.jsonl", {**ENTRY, "step": 7})
    (one,) = results([tmp_path])
    assert (one.model, one.step, one.command) == (str(tmp_path / "run"), 7, "train")


@pytest.mark.parametrize("model", ["out/checkpoint-12", "out/_evaluating/step-000012", "out/checkpoint-12/"])
def test_a_checkpoint_counts_to_its_run(tmp_path, model):
    write(tmp_path / "evaluation-a.json", {**ENTRY, "model": model, "step": 12})
    (one,) = results([tmp_path])
    assert (one.model, one.step) == ("out", 12)


def test_the_tasks_of_one_lighteval_file_are_rows_of_their_own(tmp_path):
    tasks = {"aquarat": SHARE, "aquarat_letters": {**SHARE, "accuracy": 0.4}, "broken": 3}
    write(tmp_path / "lighteval-aquarat-test.json", {"model": "m", "command": "c", "split": "test", "tasks": tasks})
    assert [(one.task, one.accuracy) for one in results([tmp_path])] == [
        ("lighteval aquarat", 0.5),
        ("lighteval aquarat_letters", 0.4),
    ]


@pytest.mark.parametrize("entry", [[], "text", None, {}, {"accuracy": 0.5}, {**ENTRY, "n": "many"}])
def test_a_file_that_is_no_evaluation_is_passed_over(tmp_path, entry):
    write(tmp_path / "evaluation-of-something-else.json", entry)
    write(tmp_path / "lighteval-of-something-else.json", entry)
    write(tmp_path / "evaluation-a.json", ENTRY)
    assert len(results([tmp_path])) == 1


def test_a_folder_that_is_given_twice_counts_once(tmp_path):
    write(tmp_path / "inner/evaluation-a.json", ENTRY)
    assert len(results([tmp_path, tmp_path / "inner"])) == 1


def test_rows_are_in_the_order_of_their_steps(tmp_path):
    for step in (100, 20, 3):
        write(tmp_path / f"evaluation-{step}.json", {**ENTRY, "step": step})
    assert [one["step"] for one in as_dicts(results([tmp_path]))] == [3, 20, 100]


def test_what_is_not_there_is_an_error(tmp_path):
    with pytest.raises(UserError, match="there is no folder"):
        results([tmp_path / "nowhere"])
    with pytest.raises(UserError, match="was evaluated"):
        results([tmp_path])
