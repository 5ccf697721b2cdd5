"""The task's settings: which rows it takes, and which it refuses."""

import json

import pytest
from published_dakota import translated

from ratchet.errors import UserError
from ratchet.tasks.dakota.task import Dakota


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ({"morphologie": {"exact": 1}}, "unknown kind morphologie"),
        ({"morphology": {"exakt": 1}}, "unknown component exakt"),
        ({"morphology": {"exact": -1}}, "at least 0"),
        ({"morphology": {"exact": 0.2, "chrf": 0.8}}, "at least half"),
        ({"morphology": 3}, "is a group"),
    ],
)
def test_wrong_weights_are_refused(weights, says):
    with pytest.raises(UserError, match=says):
        Dakota(source="generated", weights=weights)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (None, "data.source is missing"),
        ("/nowhere", "does not exist"),
        ("nothing", "neither a folder here"),
        (".", "has no grammar_tasks"),
    ],
)
def test_data_that_is_not_there_is_never_replaced(source, says, monkeypatch, tmp_path):
    monkeypatch.delenv("DAKOTA_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=says):
        Dakota(source=source).load("train")


def test_lines_that_are_no_rows_stop_unless_they_may_be_dropped(tmp_path):
    good = json.dumps(translated("hipi", "they came"))
    (tmp_path / "grammar_tasks_easy.jsonl").write_text(f'{good}\n{{"prompt": "x"\n\n{{"a": 1}}\n')
    with pytest.raises(
        UserError, match="(?s)2 of 3 rows are bad.*easy.jsonl:2: not a row: not JSON.*easy.jsonl:4: not a row"
    ):
        Dakota(source=str(tmp_path)).load("train")
    assert len(Dakota(source=str(tmp_path), bad_rows="drop").load("train").rows) == 1


def test_filters_take_only_what_they_name(dakota_folder):
    rows = Dakota(source=str(dakota_folder), kinds=["affix_insertion"], difficulties=["medium"]).load("train").rows
    assert {(row["kind"], row["difficulty"]) for row in rows} == {("affix_insertion", "medium")}


def test_unchecked_rows_come_only_where_asked_and_only_to_train(dakota_folder):
    task = Dakota(source=str(dakota_folder), unchecked=True)
    assert any(not row["checkable"] for row in task.load("train").rows)
    assert all(row["checkable"] for row in task.load("validation").rows)
