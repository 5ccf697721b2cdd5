"""Several tasks in one recipe: shares, rewards of each, what is refused."""

import json
import math

import pytest
import yaml

from ratchet.audit.gate import audits
from ratchet.errors import UserError
from ratchet.evaluation.evaluate import evaluate, rows_to_evaluate
from ratchet.inference.completion import Completion
from ratchet.recipe import load_recipe
from ratchet.rewards.scoring import ScoringRequest, score
from ratchet.tasks import load_split

SUMS = [{"question": f"What is {a} plus {b}?", "answer": a + b} for a in range(10) for b in range(6)]
WORDS = [{"prompt": f"Spell {w} backwards.", "answer": w[::-1]} for w in ("abcd", "acbe", "bdfa", "cgha", "dbea") * 1]
COMMON = {"trainer": "grpo", "model_name_or_path": "ratchet-tiny", "rewards": {"correctness": {"weight": 1.0}}}
WHOLE = {"validation_share": 0, "test_share": 0}


@pytest.fixture
def recipe(tmp_path):
    """Writes two files of rows and a recipe over them, and loads it."""
    for name, rows in (("sums", SUMS), ("words", WORDS)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def make(sums=None, words=None, shares=WHOLE, **more):
        tasks = {
            "sums": {
                "task": "dataset",
                "data": {"source": "sums.jsonl", "grader": "number", **shares},
                **(sums or {}),
            },
            "words": {
                "task": "dataset",
                "data": {"source": "words.jsonl", "grader": "text", **shares},
                **(words or {}),
            },
        }
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"tasks": tasks, **COMMON, **more}), encoding="utf-8")
        return load_recipe(tmp_path / "mine.yaml", environ={})

    return make


def test_a_share_that_would_repeat_rows_without_end_is_refused(recipe):
    found = recipe(sums={"share": 1e6})
    with pytest.raises(UserError, match="would take each row of one part 83333 times"):
        load_split(found.task)


def counts(rows):
    return {name: sum(row["task"] == name for row in rows) for name in ("sums", "words")}


@pytest.mark.parametrize(
    ("shares", "wanted"),
    [((1, 1), {"sums": 60, "words": 60}), ((3, 1), {"sums": 60, "words": 20}), ((1, 20), {"sums": 60, "words": 1200})],
)
def test_training_rows_have_their_shares_and_none_is_lost(recipe, shares, wanted):
    found = recipe(sums={"share": shares[0]}, words={"share": shares[1]})
    rows = load_split(found.task).rows
    assert counts(rows) == wanted and len({row["id"] for row in rows}) == len(rows)
    assert {row["id"].partition("~")[0] for row in rows} == {f"sums/train-{i}" for i in range(60)} | {
        f"words/train-{i}" for i in range(5)
    }


def test_every_row_is_asked_and_graded_by_its_own_task(recipe):
    task = recipe().task
    for row in load_split(task).rows[::17]:
        own = task.parts[row["task"]].task
        assert task.messages(row) == own.messages(row) and task.gold(row) == own.gold(row)
        assert task.grade(task.target(row), row).correct


def test_rewards_of_the_recipe_are_for_the_tasks_that_have_none_of_their_own(recipe):
    found = recipe(words={"rewards": {"score": {"weight": 2.0}}})
    assert [term.name for term in found.rewards] == ["correctness", "words/score"]
    rows = {row["task"]: row for row in load_split(found.task).rows}
    scored = {
        name: score(found.task, found.rewards, ScoringRequest(found.task.target(row), row)).rewards
        for name, row in rows.items()
    }
    assert scored["sums"][0] == 1.0 and math.isnan(scored["sums"][1])
    assert math.isnan(scored["words"][0]) and scored["words"][1] == 1.0


def test_each_task_is_audited_by_itself(recipe):
    found = recipe(words={"rewards": {"score": {"weight": 1.0}, "answer_format": {"weight": 0.3}}})
    sums, words = audits(found, load_split(found.task).rows)
    assert not sums.failed and "ignorance-pays" in {finding.name for finding in words.failed}


def test_accuracy_and_baseline_are_of_each_task_and_together(recipe):
    found = recipe(shares={"validation_share": 0.2, "test_share": 0.2})
    rows = rows_to_evaluate(found.task, found.evaluation)

    def generate(conversations, sampling):
        texts = [found.task.target(row) if row["task"] == "sums" else "no" for row in rows]
        return [[Completion(text, 3, False)] for text in texts], 1.0

    result = evaluate(found.task, rows, found.evaluation, 8, generate, "a model")
    n = counts(rows)
    parts = result.as_dict()["tasks"]
    assert parts["sums"]["accuracy"] == 1.0 and parts["words"]["accuracy"] == 0.0
    assert {name: part["n"] for name, part in parts.items()} == n
    assert result.accuracy.accuracy == n["sums"] / len(rows)
    assert result.majority * len(rows) == pytest.approx(sum(parts[name]["majority"] * n[name] for name in n))
    assert result.figures()["accuracy/sums"] == 1.0


def test_it_is_the_same_when_its_resolved_form_is_read(recipe, tmp_path):
    found = recipe(words={"rewards": {"score": {"weight": 2.0}}, "share": 0.5})
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/again.yaml").write_text(found.as_yaml(), encoding="utf-8")
    again = load_recipe(tmp_path / "elsewhere/again.yaml", environ={})
    assert load_split(again.task).rows == load_split(found.task).rows
    assert [term.name for term in again.rewards] == [term.name for term in found.rewards]


def test_tasks_may_be_classes_of_one_file(recipe, tmp_path):
    code = "from ratchet.tasks import Grade, Split, Task\n" + "".join(
        f"class {name}(Task):\n    name = '{name.lower()}'\n"
        f"    def load(self, split): return Split([{{'id': str(i), 'n': i}} for i in range(4)])\n"
        f"    def messages(self, row): return [{{'role': 'user', 'content': '{name} ' + row['id']}}]\n"
        "    def target(self, row): return row['id']\n    def gold(self, row): return row['id']\n"
        "    def grade(self, text, row): return Grade(text == row['id'], text)\n"
        for name in ("One", "Two")
    )
    (tmp_path / "mine.py").write_text(code)
    found = recipe(sums={"task": "mine.py:One", "data": {}}, words={"task": "mine.py:Two", "data": {}})
    rows = load_split(found.task).rows
    assert [found.task.messages(row)[0]["content"].split()[0] for row in rows] == ["One"] * 4 + ["Two"] * 4
    assert [path.name for path in found.own_files] == ["mine.py", "mine.py"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"task": "aquarat"}, "task and tasks exclude one another"),
        ({"data": {}}, "data and tasks exclude one another"),
        ({"sums": {"share": 0}}, "tasks.sums.share must be greater than 0"),
        ({"sums": {"task": "sums"}}, "task: there is no task 'sums'"),
        ({"sums": {"weight": 2}}, "unknown key tasks.sums.weight"),
        (
            {"sums": {"data": {"source": "sums.jsonl", "grader": "none"}}},
            "tasks.sums: data.grader: none gives no reward",
        ),
        ({"words": {"rewards": {"answer_format": {"weight": 1.0}}}}, "none of answer_format is a goal"),
        ({"words": {"rewards": {"nothing": {"weight": 1.0}}}}, "unknown key rewards.nothing"),
    ],
)
def test_what_does_not_go_together_is_said(recipe, more, said):
    with pytest.raises(UserError) as error:
        recipe(**more)
    assert said in str(error.value)


def test_a_recipe_that_names_one_task_inherits_no_mixture(recipe, tmp_path):
    recipe()
    (tmp_path / "one.yaml").write_text("extends: mine.yaml\ntask: aquarat\nrewards: {correctness: {weight: 1.0}}\n")
    assert load_recipe(tmp_path / "one.yaml", environ={}).task.name == "aquarat"
