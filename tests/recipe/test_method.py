"""A third method goes through every room by its own properties, and by no accident of another method's name."""

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from ratchet.audit.gate import audit_recipe
from ratchet.errors import UserError
from ratchet.hub.card import model_card
from ratchet.plan.page import page
from ratchet.plan.plan import Options, plan
from ratchet.recipe import load_recipe
from ratchet.recipe.method import GRPO, METHODS, SFT, method_of, recorded_method, register, trainers, trainers_that
from ratchet.record.run_data import RunData
from ratchet.reporting.page.facts import gather
from ratchet.tasks.packing import unpack

ROOT = Path(__file__).resolve().parents[2]
BASE = {"trainer": "echo", "task": "aquarat", "data": {"source": "generated"}, "model_name_or_path": "ratchet-tiny"}
RECIPE = {**BASE, "use_cpu": True, "bf16": False, "max_completion_length": 48, "max_steps": 4}


@pytest.fixture
def echo():
    """Samples completions and trains on them without a reward: neither SFT nor GRPO."""
    method = replace(
        GRPO,
        name="echo",
        title="echoing",
        trainer="EchoTrainer",
        module="echo_trainer",
        rewarded=False,
        audited=False,
    )
    yield register(method)
    del METHODS["echo"]


@pytest.fixture
def parrot():
    """Trains on targets and has no name that anything knows."""
    yield register(replace(SFT, name="parrot", title="parroting", trainer="ParrotTrainer", module="parrot_trainer"))
    del METHODS["parrot"]


def load(tmp_path, **values):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**RECIPE, "output_dir": str(tmp_path / "out"), **values}), encoding="utf-8")
    return load_recipe(path, environ={})


def test_no_trainers_name_is_compared_outside_of_the_methods():
    """Neither ``trainer == "grpo"`` nor a dictionary that maps names of trainers to what they differ in."""
    names = {"sft", "grpo", "async_grpo", "distill"}
    for path in (ROOT / "src").rglob("*.py"):
        if path.name in ("method.py", "limits.py"):  # limits has the choices of TRL's own configuration classes
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            parts = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
            parts = [*parts, *(e for part in parts for e in getattr(part, "elts", []))]
            parts = [*parts, *node.keys] if isinstance(node, ast.Dict) and len(node.keys) > 1 else parts
            found = {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}
            assert not found & names, f"{path.name}:{node.lineno} asks for {found & names}"


def test_a_recipe_can_name_it(echo, tmp_path):
    assert load(tmp_path).method is echo
    assert "echo" in trainers() and trainers_that("rewarded") == "trainer: grpo or distill"


def test_a_recipe_without_it_is_told_which_there_are(tmp_path):
    with pytest.raises(UserError, match="trainer must be sft or grpo or distill, it is 'echo'"):
        load(tmp_path)


def test_rewards_are_refused_where_there_are_none(echo, tmp_path):
    with pytest.raises(UserError, match="rewards are for trainer: grpo or distill; echo has none"):
        load(tmp_path, rewards={"correctness": {"weight": 1.0}})


def test_a_curriculum_needs_measured_answers(echo, tmp_path):
    with pytest.raises(UserError, match="curriculum is for trainer: grpo or distill; echo has no measured answers"):
        load(tmp_path, curriculum={"column": "correct", "stages": {"A": 0.5, "B": 0.5}})


def test_its_groups_of_completions_must_be_whole(echo, tmp_path):
    with pytest.raises(UserError, match="are not whole groups of num_generations: 7"):
        load(tmp_path, num_generations=7, per_device_train_batch_size=8)


def written(recipe, folder):
    """What training reads, and what became of the rows on the way."""
    from datasets import load_from_disk

    from ratchet.models import chat_format, locate
    from ratchet.training.dataset import write_rows

    chat = chat_format(recipe.values, locate("ratchet-tiny"))
    made = write_rows(recipe, chat, recipe.method.token_limit(recipe.get, 256), folder / "data")
    return made, load_from_disk(str(folder / "data"))


def test_one_that_samples_is_given_prompts_with_the_tasks_columns_and_no_audit(echo, tmp_path):
    made, rows = written(load(tmp_path), tmp_path)
    assert rows.column_names == ["prompt", "row"]
    assert {"question", "correct"} <= unpack(rows[0]["row"]).keys()
    assert made.audit == "" and not (tmp_path / "audit.json").exists()


def test_one_that_imitates_is_given_targets(parrot, tmp_path):
    values = {key: value for key, value in RECIPE.items() if key != "max_completion_length"}
    path = tmp_path / "parrot.yaml"
    path.write_text(yaml.safe_dump({**values, "trainer": "parrot"}), encoding="utf-8")
    _, rows = written(load_recipe(path, environ={}), tmp_path)
    assert {*rows.column_names} == {"prompt", "completion"}


def test_one_that_is_audited_passes_the_gate_first(echo, tmp_path):
    register(replace(echo, rewarded=True, audited=True))
    recipe = load(tmp_path, rewards={"correctness": {"weight": 1.0}}, audit={"margin": 0.6})
    made, _ = written(recipe, tmp_path)
    assert made.audit.startswith("passed")


def test_its_prompts_leave_room_for_completions(echo, tmp_path):
    recipe = load(tmp_path)
    assert recipe.completion_limit == 48 and echo.token_limit(recipe.get, 128) == 80


def test_its_arithmetic_is_in_the_plan(echo, tmp_path):
    recipe = load(tmp_path)
    found = plan(str(recipe.path), [], Options())
    assert set(found.work.seconds) == {*echo.phases, "start", "evaluation"}
    assert f"each step: {echo.each_step(recipe.batches)}" in page(found)
    assert "rollout" in found.memory.phases


def test_a_plan_of_one_that_imitates_has_no_rollouts(parrot, tmp_path):
    values = {key: value for key, value in RECIPE.items() if key != "max_completion_length"}
    path = tmp_path / "parrot.yaml"
    path.write_text(yaml.safe_dump({**values, "trainer": "parrot"}), encoding="utf-8")
    found = plan(str(path), [], Options())
    assert set(found.work.seconds) == {"training", "start", "evaluation"} and "rollout" not in found.memory.phases
    assert parrot.token_limit(load_recipe(path, environ={}).get, 128) == 128


def test_its_grader_is_audited_when_asked(echo, tmp_path):
    recipe = load(tmp_path)
    report = audit_recipe(recipe, recipe.task.load("validation").rows[:20])
    assert report.failed == [] and report.tally.lines


def test_its_card_names_the_trainer(echo, tmp_path):
    recipe = load(tmp_path)
    recipe.output_dir.mkdir()
    assert "EchoTrainer" in model_card(recipe, recipe.output_dir, {"steps": 4})


def test_its_report_says_that_it_has_no_reward(echo, tmp_path):
    run = RunData(tmp_path, recipe={"trainer": "echo"})
    assert gather(run).audit_head == "There was none: echoing has no reward."


def test_a_recorded_recipe_of_an_unknown_method_is_drawn_all_the_same(tmp_path):
    assert recorded_method({"trainer": "of-tomorrow"}) is None
    assert gather(RunData(tmp_path, recipe={"trainer": "of-tomorrow"})).audit_head == ""


def test_a_group_of_keys_selects_a_variant():
    assert method_of("grpo").name == "grpo" and method_of("grpo", ["asynchronous"]).name == "async_grpo"
    assert METHODS["async_grpo"].script == "grpo"


def test_every_method_has_its_script_and_its_module():
    for method in METHODS.values():
        assert (ROOT / f"scripts/{method.script}.py").is_file()
        assert (ROOT / "src" / f"{method.module.replace('.', '/')}.py").is_file()
        assert re.fullmatch(r"[\w.]+:\w+", method.config)
