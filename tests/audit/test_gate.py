"""The audit at the start of a run: remembered, recorded, and stopping it."""

import json

import pytest
from small_audit import ROOT

from ratchet.audit.gate import code_files, gate
from ratchet.errors import UserError
from ratchet.recipe import load_recipe
from ratchet.tasks import load_split


@pytest.fixture
def debug(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def load(*overrides):
        return load_recipe(ROOT / "recipes/debug/grpo.yaml", overrides)

    return load


def test_an_outcome_depends_on_the_code_of_every_folder_that_grades_and_rewards():
    names = {path.relative_to(ROOT / "src/ratchet").as_posix() for path in code_files()}
    assert {"tasks/answers/choice.py", "tasks/dakota/grading.py", "rewards/functions.py", "audit/core.py"} <= names


def test_an_outcome_is_remembered_until_something_changes(debug, tmp_path, monkeypatch):
    rows = load_split(debug().task).rows
    first = gate(debug(), rows, tmp_path)
    kept = list((tmp_path / "cache").rglob("*.json"))
    assert len(kept) == 1 and json.loads((tmp_path / "audit.json").read_text())["passed"]
    monkeypatch.setattr("ratchet.audit.gate.audit_recipe", lambda *a: pytest.fail("audited again"))
    assert gate(debug(), rows, tmp_path) == f"{first}, remembered from an earlier start"
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    gate(debug(("rewards.correctness.weight", "2")), rows, tmp_path)
    gate(debug(), [{**row, "question": row["question"] + " "} for row in rows], tmp_path)
    assert len(list((tmp_path / "cache").rglob("*.json"))) == 3


def test_a_torn_memory_is_made_again(debug, tmp_path):
    rows = load_split(debug().task).rows
    gate(debug(), rows, tmp_path)
    (kept,) = (tmp_path / "cache").rglob("*.json")
    kept.write_text("{")
    assert "passed" in gate(debug(), rows, tmp_path)


@pytest.mark.parametrize(("mode", "says"), [("warn", "audit: warn"), ("off", "off")])
def test_what_the_user_chose_is_recorded(debug, tmp_path, mode, says):
    recipe = debug(("audit", mode), ("rewards.answer_format.weight", "0.99"))
    assert says in gate(recipe, load_split(recipe.task).rows, tmp_path)
    assert json.loads((tmp_path / "audit.json").read_text())["mode"] == mode


def test_a_failing_reward_stops_with_the_table_and_what_to_do(debug, tmp_path):
    recipe = debug(("rewards.answer_format.weight", "0.99"))
    with pytest.raises(UserError, match=r"(?s)policy +reward.*ignorance-pays.*ratchet audit .*--audit warn"):
        gate(recipe, load_split(recipe.task).rows, tmp_path)


def test_a_task_file_without_grade_is_named(tmp_path):
    source = (ROOT / "docs/legacy/dakota_as_published.py").read_text()
    (tmp_path / "half.py").write_text(source[: source.index("    def grade")])
    (tmp_path / "half.yaml").write_text(
        "trainer: grpo\nmodel_name_or_path: ratchet-tiny\ntask: half.py\ndata: {source: x}\n"
        "rewards: {correctness: {weight: 1.0}}\n"
    )
    with pytest.raises(UserError, match="DakotaAsPublished does not define grade"):
        load_recipe(tmp_path / "half.yaml")
