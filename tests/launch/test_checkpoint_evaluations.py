"""Evaluations of saved checkpoints: what each place is handed, with commands that note what they were called with."""

import shlex

import pytest

from ratchet.launch.checkpoint_evaluations import EVALUATORS, Evaluations, Published, Target, evaluations_of
from ratchet.recipe import load_recipe
from ratchet.recipe.groups import Publish


def _recipe(root, folder, where, *overrides):
    more = (("output_dir", str(folder / "run")), ("publish.evaluate", where), *overrides)
    if where == "hf-jobs":
        more += (
            ("push_to_hub", "true"),
            ("hub_model_id", "me/model"),
            ("publish.source", "git+https://example.org/r"),
        )
    return load_recipe(root / "recipes/debug/grpo.yaml", more, environ={"WORLD_SIZE": "1"}, to_train=False)


def _program(folder, name, text, monkeypatch):
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / name).write_text(f"#!/bin/bash\n{text}\n")
    (folder / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder / "bin"), prepend=":")


def test_every_place_of_the_recipe_has_an_evaluator():
    choices = Publish.__dataclass_fields__["evaluate"].type.__args__
    assert set(EVALUATORS) == set(choices) - {"off"}


def test_nothing_is_evaluated_where_nothing_is_asked_for(root, tmp_path):
    assert evaluations_of(_recipe(root, tmp_path, "off"), None) is None


def test_a_slurm_job_has_the_recipes_options_and_publishes(root, tmp_path, monkeypatch, capsys):
    _program(tmp_path, "sbatch", f'echo "$*" > {tmp_path}/called; echo Submitted batch job 7', monkeypatch)
    recipe = _recipe(root, tmp_path, "slurm", ("publish.options", "[--gres=gpu:1]"))
    target = Target(recipe, Published("me/model", lambda revision: True))
    EVALUATORS["slurm"](target).start(2, tmp_path / "a model")
    script = target.result(2).with_suffix(".sbatch")
    assert (tmp_path / "called").read_text().split() == [str(script)]
    lines = script.read_text().splitlines()
    assert lines[:2] == ["#!/bin/bash", "#SBATCH --job-name=run-step-000002"]
    assert lines[3:5] == ["#SBATCH --gres=gpu:1", "set -euo pipefail"]
    assert shlex.split(lines[-2])[-2:] == ["--publish", "me/model@step-000002"]
    assert lines[-1] == f"rm -r '{tmp_path}/a model'"
    assert "step     2  Submitted batch job 7" in capsys.readouterr().out


def test_a_hub_job_is_submitted_by_the_launcher_of_hub_jobs(root, tmp_path):
    recipe = _recipe(root, tmp_path, "hf-jobs", ("publish.split", "test"))
    job = EVALUATORS["hf-jobs"](Target(recipe)).job("me/model", "step-000002")
    words = job.words()
    assert words[:3] == ["hf", "jobs", "run"]
    assert words[words.index("--flavor") + 1] == recipe.publish.flavor
    assert words[words.index("--secrets") + 1] == "HF_TOKEN"
    assert job.script == (
        "pip install --quiet 'ratchet-recipes @ git+https://example.org/r'"
        " && hf download me/model --revision step-000002 --local-dir model"
        " && python -m ratchet evaluate model/recipe.yaml --model model --split test --publish me/model@step-000002"
    )


@pytest.mark.parametrize("where", ["slurm", "hf-jobs"])
def test_an_evaluation_that_cannot_start_costs_a_warning_with_the_command(root, tmp_path, monkeypatch, capsys, where):
    monkeypatch.setenv("PATH", "/nowhere")
    evaluations = Evaluations(_recipe(root, tmp_path, where), "me/model", lambda revision: False)
    evaluations._add(2, tmp_path / "model")
    evaluations.close()
    said = capsys.readouterr().out
    assert "warning: step 2 could not be evaluated: " in said
    assert "-m ratchet evaluate" in said


def test_what_an_earlier_start_left_is_evaluated_here(root, tmp_path, monkeypatch, capsys):
    waiting = tmp_path / "run/_evaluating/step-000004"
    waiting.mkdir(parents=True)
    _program(tmp_path, "nice", "exit 3", monkeypatch)
    evaluations_of(_recipe(root, tmp_path, "local"), None).close()
    assert "warning: step 4 could not be evaluated: exit status 3" in capsys.readouterr().out
