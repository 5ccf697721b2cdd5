"""What counts as a change between a checkpoint and the run that resumes from it."""

import json

import pytest

from ratchet.checkpoints.origin import code_of, differences, not_exact, origin
from ratchet.recipe import load_recipe

RECIPE = {"trainer": "grpo", "learning_rate": 1e-5, "evaluation": {"split": "test", "show": 3}, "output_dir": "out"}


def changes(before: dict, after: dict) -> list[str]:
    return list(differences({"recipe": before}, {"recipe": after}))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"learning_rate": 1e-4}, "recipe  learning_rate: 1e-05, now 0.0001"),
        ({"evaluation": {"split": "train", "show": 3}}, "recipe  evaluation.split: test, now train"),
        ({"max_steps": 5}, "recipe  max_steps: not set, now 5"),
    ],
    ids=["value", "inner value", "new key"],
)
def test_a_changed_value_is_named_with_both(change, line):
    assert changes(RECIPE, {**RECIPE, **change}) == [line]


@pytest.mark.parametrize(
    "change",
    [
        {"output_dir": "elsewhere"},
        {"evaluation": {"split": "test", "show": 5}},
        {"faults": {"hang_timeout": 5}},
        {"save_steps": 3},
        {"tracking": {"offline": True}},
    ],
    ids=str,
)
def test_what_computes_nothing_may_change(change):
    assert changes(RECIPE, {**RECIPE, **change}) == []


def test_code_is_compared_file_by_file():
    before, after = {"a.py": "1", "b.py": "2", "c.py": "3"}, {"b.py": "2", "c.py": "4", "d.py": "5"}
    assert list(differences({"code": before}, {"code": after})) == [
        "code    a.py is gone",
        "code    c.py was changed",
        "code    d.py is new",
    ]


def test_an_empty_manifest_differs_by_everything_and_raises_nothing():
    assert list(differences({"recipe": None, "code": None}, {"recipe": {"a": 1}})) == ["recipe  a: not set, now 1"]
    assert list(differences({}, {})) == []


def test_other_processes_and_versions_make_a_resume_inexact():
    recorded = {"processes": 1, "distributed": "no", "versions": {"trl": "1.15.0", "torch": "2.13.0"}}
    current = {"processes": 2, "distributed": "no", "versions": {"trl": "1.16.0", "torch": "2.13.0"}}
    assert list(not_exact(recorded, current)) == ["processes: 1 then, 2 now", "trl 1.15.0 then, 1.16.0 now"]
    assert list(not_exact(current, current)) == []


@pytest.fixture
def recipe(tmp_path):
    """A function that makes a recipe for a task."""

    def make(task: str):
        values = {
            "trainer": "grpo",
            "task": task,
            "data": {"source": "generated"},
            "model_name_or_path": "ratchet-tiny",
            "rewards": {"correctness": {"weight": 1.0}},
            "output_dir": str(tmp_path / "out"),
        }
        (tmp_path / "recipe.yaml").write_text(json.dumps(values))
        return load_recipe(tmp_path / "recipe.yaml", environ={}, to_train=False)

    return make


def test_the_code_of_a_run_is_that_which_decides_what_is_trained(recipe):
    files = code_of(recipe("aquarat"))
    assert {"tasks/aquarat/task.py", "rewards/scoring.py", "training/run.py", "models/load.py"} <= files.keys()
    assert not any(name.startswith(("hub", "reporting", "evaluation")) for name in files)


def test_the_file_of_a_task_of_ones_own_belongs_to_the_code(recipe, tmp_path):
    own = tmp_path / "own.py"
    own.write_text("from ratchet.tasks.aquarat.task import AquaRat\n\nclass Own(AquaRat):\n    name = 'own'\n")
    before = code_of(recipe(str(own)))
    own.write_text(own.read_text() + "# changed\n")
    assert {name for name, digest in code_of(recipe(str(own))).items() if before[name] != digest} == {"own.py"}


def test_an_origin_can_be_kept_as_json(recipe):
    made_from = origin(recipe("aquarat"))
    assert list(differences(json.loads(json.dumps(made_from)), made_from)) == []
