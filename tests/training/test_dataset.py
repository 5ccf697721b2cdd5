"""The rows that a run trains on: as the task made them, whatever the table between them does."""

import json

import pytest
from datasets import load_from_disk
from odd_rows_task import row

from ratchet.errors import UserError
from ratchet.models import chat_format, locate
from ratchet.recipe import load_recipe
from ratchet.tasks import Grade, Split
from ratchet.tasks.packing import unpack
from ratchet.training.dataset import write_rows


@pytest.fixture
def odd_rows(tmp_path, root):
    """A recipe for a task whose grader fails on a row that has changed."""
    (tmp_path / "odd_rows_task.py").write_text((root / "tests/odd_rows_task.py").read_text(encoding="utf-8"))
    (tmp_path / "odd_rows.yaml").write_text(
        f"extends: {root}/recipes/debug/grpo.yaml\ntask: odd_rows_task.py\naudit: off\nreport: off\ndiagnostics: off\n"
        "rewards: {correctness: {weight: 1.0}}\nevaluation: {after: false}\n"
        "per_device_train_batch_size: 80\nnum_generations: 2\nmax_completion_length: 4\nmax_steps: 1\n"
        "output_dir: out\n"
    )
    return "odd_rows.yaml"


def test_grade_gets_in_training_the_row_that_load_returned(script, tmp_path, odd_rows):
    script("scripts/grpo.py", odd_rows)  # one step over all forty rows; the task is a user's, so workers grade
    assert not (tmp_path / "out/faults").exists()
    assert json.loads((tmp_path / "out/result.json").read_text())["steps"] == 1


@pytest.fixture
def written(tmp_path, root, monkeypatch):
    """Writes the rows of the task, changed as a test wants, with the tiny model's tokenizer."""

    def write(change=None, messages=None):
        recipe = load_recipe(str(tmp_path / "odd_rows.yaml"), environ={})
        kind, load = type(recipe.task), type(recipe.task).load
        monkeypatch.setattr(kind, "grade", lambda task, completion, row: Grade(False, None))
        if change is not None:
            monkeypatch.setattr(
                kind, "load", lambda task, split: Split([change(row) for row in load(task, split).rows])
            )
        if messages is not None:
            monkeypatch.setattr(kind, "messages", messages)
        folder = tmp_path / "data"
        made = write_rows(recipe, chat_format(recipe.values, locate("ratchet-tiny")), None, folder)
        return made, load_from_disk(str(folder))

    return write


def test_the_table_holds_the_prompt_and_the_packed_row(odd_rows, written):
    _, table = written()
    assert table.column_names == ["prompt", "row"]
    assert repr([unpack(text) for text in table["row"]]) == repr([row("train", i) for i in range(40)])


def test_the_checksum_tells_rows_apart_that_differ_in_a_type(odd_rows, written):
    assert written()[0].sha256 != written(lambda row: {**row, "n": float(row["n"])})[0].sha256


@pytest.mark.parametrize("column", ["prompt", "completion_ids", "image", "trainer_state", "tools", "row"])
def test_a_row_may_have_columns_that_the_trainer_uses_itself(odd_rows, written, column):
    _, table = written(lambda row: {**row, column: 1})
    assert unpack(table[0]["row"])[column] == 1


def test_a_row_that_cannot_be_kept_is_named(odd_rows, written):
    with pytest.raises(UserError, match="row train-3, column level: .*object"):
        written(lambda row: {**row, "level": object() if row["id"] == "train-3" else 1})


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        (
            lambda task, row: [{"role": "user", "content": "hi", **({"name": "x"} if row["n"] > 9 else {})}],
            "row train-9",
        ),
        (
            lambda task, row: [{"role": "user", "content": "half a pair \ud800"}] if row["n"] > 9 else ASK,
            "row train-9",
        ),
        (lambda task, row: [{"role": "user", "content": row["n"]}] if row["n"] > 9 else ASK, "row train-9"),
        (lambda task, row: None if row["n"] > 9 else ASK, "row train-9"),
    ],
    ids=["ragged", "surrogate", "number", "nothing"],
)
def test_a_prompt_that_cannot_be_kept_is_refused_with_the_reason(odd_rows, written, messages, says):
    with pytest.raises(UserError, match=says):
        written(messages=messages)


ASK = [{"role": "user", "content": "Half?"}]
