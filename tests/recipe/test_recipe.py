"""Recipes: precedence, strictness, and messages that say where and what to do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ratchet.errors import UserError
from ratchet.recipe import load_recipe, show

ROOT = Path(__file__).resolve().parents[2]
MINIMAL = {
    "trainer": "grpo",
    "model_name_or_path": "ratchet-tiny",
    "task": "aquarat",
    "data": {"source": "generated"},
    "rewards": {"correctness": {"weight": 1.0}},
}


def write(tmp_path, text="", name="r.yaml", **values):
    path = tmp_path / name
    path.write_text(yaml.safe_dump({**MINIMAL, **values}, sort_keys=False) + text, encoding="utf-8")
    return path


def message(path, overrides=(), environ=None, trainer=None):
    with pytest.raises(UserError) as error:
        load_recipe(path, overrides, environ or {}, trainer)
    return str(error.value)


def test_the_command_line_beats_the_recipe_beats_what_it_extends_beats_the_environment(tmp_path):
    base = write(tmp_path, name="base.yaml", seed=2, beta=0.2, max_steps=22)
    (tmp_path / "over.yaml").write_text("extends: base.yaml\nbeta: 0.3\nmax_steps: 33\n")
    environ = {"RATCHET_SEED": "1", "RATCHET_BETA": "0.1", "RATCHET_MAX_STEPS": "11", "RATCHET_LOGGING_STEPS": "7"}
    recipe = load_recipe(tmp_path / "over.yaml", [("max_steps", "44")], environ)
    assert base.is_file()
    assert [recipe.get(key) for key in ("max_steps", "beta", "seed", "logging_steps", "num_generations")] == [
        44,
        0.3,
        2,
        7,
        8,
    ]


def test_extends_merges_groups_key_by_key_over_several_levels(tmp_path):
    write(tmp_path, name="a.yaml", data={"source": "generated", "seed": 1, "generated": {"train": 10, "test": 20}})
    (tmp_path / "b.yaml").write_text("extends: a.yaml\ndata: {generated: {train: 30}}\n")
    (tmp_path / "c.yaml").write_text("extends: b.yaml\ndata: {seed: 5}\n")
    task = load_recipe(tmp_path / "c.yaml", environ={}).task
    assert (task.source, task.seed, task.generated.train, task.generated.test) == ("generated", 5, 30, 20)


def test_a_circle_of_extends_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    assert "a.yaml -> b.yaml -> a.yaml" in message(tmp_path / "a.yaml")


def test_an_inherited_reward_can_be_taken_away(tmp_path):
    write(tmp_path, name="a.yaml", rewards={"correctness": {"weight": 1.0}, "overlong": {"weight": 0.1}})
    (tmp_path / "b.yaml").write_text("extends: a.yaml\nrewards: {overlong: null}\n")
    assert [term.name for term in load_recipe(tmp_path / "b.yaml", environ={}).rewards] == ["correctness"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lerning_rate: 1\n", "r.yaml:9: unknown key lerning_rate; did you mean learning_rate?"),
        ("evaluation: {splt: test}\n", "unknown key evaluation.splt; did you mean evaluation.split?"),
        ("split: test\n", "it belongs under evaluation:"),
        ("warmup_ratio: 0.1\n", "warmup_ratio is no longer a key; use warmup_steps"),
        ("max_prompt_length: 9\n", "max_prompt_length is no longer a key"),
        ("torch_dtype: bfloat16\n", "use dtype"),
        ("overwrite_output_dir: true\n", "overwrite_output_dir is no longer a key"),
        ("max_seq_length: 9\n", "use max_length"),
        ("use_liger_kernel: true\n", "use_kernels"),
        ("gradient_checkpointing: true\n", "use activation_checkpointing"),
        ("num_generations: 4.5\n", "r.yaml:9: num_generations must be an integer; it is 4.5"),
        ("loss_type: foo\n", "loss_type must be one of grpo, dapo"),
        ("dtype: foo\n", "dtype must be one of auto, bfloat16"),
        ("scale_rewards: maybe\n", "scale_rewards must be one of group, batch, none, true, false"),
        ("bf16: maybe\n", "bf16 must be true or false"),
        ("learning_rate: null\n", "learning_rate must be a number"),
        ("learning_rate: -1e-6\n", "learning_rate must be greater than 0"),
        ("learning_rate: fast\n", "learning_rate must be a number; it is fast"),
        ("max_steps: 10.5\n", "max_steps must be an integer"),
        ("save_steps: 10.5\n", "save_steps must be a whole number of steps"),
        ("num_generations: 1\n", "must be at least 2"),
        ("output_dir: [a]\n", "output_dir must be text"),
        ("max_steps: 3\nmax_steps: 4\n", "r.yaml:10: max_steps is given twice, first at"),
        ("hub_token: hf_abcdefghijklmnopqrstuvwxyz\n", "looks like a secret"),
        ("run_name: hf_abcdefghijklmnopqrstuvwxyz\n", "looks like a secret"),
        ("load_in_4bit: true\n", "add use_peft: true"),
        ("per_device_train_batch_size: 30\n", "per_device_train_batch_size: 24 or 32"),
        ("trainer: [\n", "not valid YAML"),
    ],
)
def test_a_wrong_recipe_is_told_where_and_what_to_do(tmp_path, text, says):
    assert says in message(write(tmp_path, text))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"rewards": {"corectness": {"weight": 1}}}, "did you mean rewards.correctness?"),
        ({"rewards": {"correctness": {"weight": 1}, "overlong": {"cash": 3}}}, "did you mean rewards.overlong.cache?"),
        ({"rewards": {"correctness": {"weight": 1}, "overlong": {"weight": 2.0}}}, "lower the shaping weights"),
        ({"rewards": {"correctness": {"weight": 0}}}, "must be greater than 0"),
        ({"rewards": None}, "rewards is missing"),
        ({"data": {"sede": 3}}, "did you mean data.seed?"),
        ({"data": {"generated": {"trian": 3}}}, "did you mean data.generated.train?"),
        ({"task": "aquarats"}, "there is no task 'aquarats'"),
        ({"task": "mine.py"}, "mine.py does not exist"),
        ({"trainer": "ppo"}, "trainer must be sft or grpo"),
        ({"model_name_or_path": None}, "model_name_or_path"),
    ],
)
def test_wrong_groups_are_told_too(tmp_path, values, says):
    assert says in message(write(tmp_path, **values))


def test_all_findings_come_at_once(tmp_path):
    text = message(write(tmp_path, "num_generations: 4.5\nloss_type: foo\nlerning_rate: 1\n"))
    assert "3 findings" in text
    assert all(key in text for key in ("num_generations", "loss_type", "lerning_rate"))


def test_a_secret_is_never_printed(tmp_path):
    assert "hf_abc" not in message(write(tmp_path, "run_name: hf_abcdefghijklmnopqrstuvwxyz\nlerning_rate: 1\n"))


def test_numbers_such_as_1e_6_are_numbers_everywhere(tmp_path):
    path = write(tmp_path, "learning_rate: 1e-6\nmodel_init_kwargs: {x: 2e-3}\n")
    values = load_recipe(path, [("adam_epsilon", "1e-9")], {}).values
    assert (values["learning_rate"], values["adam_epsilon"], values["model_init_kwargs"]) == (1e-6, 1e-9, {"x": 2e-3})


def test_save_strategy_no_is_the_word_and_not_false(tmp_path):
    assert load_recipe(write(tmp_path, "save_strategy: no\n"), environ={}).values["save_strategy"] == "no"


def test_the_right_script_is_named(tmp_path):
    assert "is for scripts/grpo.py" in message(write(tmp_path), trainer="sft")


def test_the_arithmetic_is_that_of_the_processes_that_run(tmp_path):
    path = write(tmp_path, per_device_train_batch_size=2, num_generations=8)
    assert "not whole groups" in message(path, environ={"WORLD_SIZE": "2"})
    assert load_recipe(path, environ={"WORLD_SIZE": "4"}).batches.completions_per_step == 8


def test_an_unknown_environment_variable_of_ours_is_an_error(tmp_path):
    assert "environment RATCHET_SEDE: unknown key sede; did you mean seed?" in message(
        write(tmp_path), environ={"RATCHET_SEDE": "3"}
    )


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"ACCELERATE_MIXED_PRECISION": "bf16", "ACCELERATE_USE_DEEPSPEED": "true"}, "mixed_precision: bf16"),
        ({"ACCELERATE_MIXED_PRECISION": "fp16"}, "mixed_precision: fp16"),
        ({"ACCELERATE_USE_FSDP": "true"}, "FSDP does not run on CPUs"),
        ({"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_USE_CPU": "true"}, "quietly gives plain DDP"),
    ],
)
def test_an_accelerate_file_that_contradicts_the_recipe_is_refused(tmp_path, environ, says):
    assert says in message(write(tmp_path, use_cpu=True, bf16=False), environ=environ)


def test_the_resolved_recipe_can_be_run_as_it_is(tmp_path):
    recipe = load_recipe(ROOT / "recipes/aquarat/small_scale.yaml", [("learning_rate", "3e-6")], {})
    again = tmp_path / "recipe.yaml"
    again.write_text(recipe.as_yaml(), encoding="utf-8")
    second = load_recipe(again, environ={})
    assert (second.values, second.task, second.rewards, second.evaluation) == (
        recipe.values,
        recipe.task,
        recipe.rewards,
        recipe.evaluation,
    )


def test_show_config_names_the_origin_of_every_value(tmp_path):
    shown = show(load_recipe(write(tmp_path, seed=5), [("beta", "0.1")], {"RATCHET_LOGGING_STEPS": "3"}))
    lines = {line.split(":")[0].strip(): line for line in shown.splitlines()}
    assert lines["seed"].endswith("r.yaml:9")
    assert lines["beta"].endswith("# --beta")
    assert lines["logging_steps"].endswith("# environment RATCHET_LOGGING_STEPS")
    assert lines["num_iterations"].endswith("# default")


def test_a_wrong_recipe_fails_before_torch_and_trl_are_imported(tmp_path):
    path = write(tmp_path, "lerning_rate: 1\n")
    code = f"""
import sys
sys.argv = ["grpo.py", {str(path)!r}]
from ratchet.cli.main import grpo
try:
    grpo()
except SystemExit as stop:
    heavy = [name for name in ("torch", "trl", "transformers", "datasets", "numpy") if name in sys.modules]
    print(stop.code, heavy)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2 []"
    assert "Traceback" not in done.stderr


def test_the_schema_is_that_of_the_installed_versions():
    from ratchet.recipe.make_schema import SCHEMA, make

    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == make()


def test_findings_about_several_keys_come_with_those_about_one(tmp_path):
    text = message(write(tmp_path, "per_device_train_batch_size: 30\nlerning_rate: 1\n"))
    assert "2 findings" in text
    assert "are not whole groups" in text


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"report_to": "bogus"}, "report_to: there is no tracker bogus"),
        ({"report_to": ["wandb", "bogus"]}, "there is no tracker bogus"),
        ({"diagnostics": {"every": 0}}, "diagnostics.every must be greater than 0"),
        ({"diagnostics": {"heat_maps": [[True, 0]]}}, "heat_maps holds [layer, head] pairs"),
        ({"diagnostics": [1]}, "diagnostics is a group of keys: mode, every, rows"),
        ({"tracking": {"tags": ["a", {"b": 1}]}}, "tracking.tags is a list of words"),
        ({"tracking": "off"}, "tracking is a group of keys: project"),
        ({"report": {"price_per_hour": -1}}, "report.price_per_hour must not be negative"),
        ({"price_per_hour": 3}, "it belongs under report:"),
        ({"heat_maps": [[0, 0]]}, "it belongs under diagnostics:"),
        ({"project": "p"}, "project is no longer a key; use tracking: {project: ...}"),
    ],
)
def test_wrong_values_of_what_is_watched_and_reported_are_named(tmp_path, values, said):
    assert said in message(write(tmp_path, **values))


@pytest.mark.parametrize(
    ("name", "mode"), [("diagnostics", "off"), ("report", "off"), ("diagnostics", "on"), ("report", True)]
)
def test_a_word_stands_for_the_mode_of_a_group(tmp_path, name, mode):
    found = getattr(load_recipe(write(tmp_path, **{name: mode}), environ={}), name)
    assert found.mode == ("off" if mode == "off" else "on")


@pytest.mark.parametrize(
    ("text", "says"),
    [("a: " + "[" * 30_000, "nested more than 50 levels deep"), ("a: &a [x]\nb: [*a, *a]\n", "is a YAML alias")],
    ids=["deep", "alias"],
)
def test_yaml_that_would_crash_or_grow_is_refused_before_it_is_built(tmp_path, text, says):
    (tmp_path / "odd.yaml").write_text(text)
    with pytest.raises(UserError, match=says):
        load_recipe(tmp_path / "odd.yaml", environ={})


def test_trusting_a_model_is_not_for_recipes_however_it_is_written(tmp_path):
    debug = Path(__file__).resolve().parents[2] / "recipes/debug/grpo.yaml"
    (tmp_path / "environment.yaml").write_text(
        f"extends: {debug}\nmodel_init_kwargs: '{{\"trust_remote_code\": true}}'\n"
    )
    with pytest.raises(UserError, match="model_init_kwargs as text"):
        load_recipe(tmp_path / "environment.yaml", environ={})
    assert load_recipe(debug, [("trust_remote_code", "true")], environ={}).values["trust_remote_code"] is True


def test_a_password_in_an_address_is_a_secret(tmp_path):
    debug = Path(__file__).resolve().parents[2] / "recipes/debug/grpo.yaml"
    with pytest.raises(UserError, match="looks like a secret") as refused:
        load_recipe(debug, [("vllm_server_base_url", "http://user:hunter2@host:8000")], environ={})
    assert "hunter2" not in str(refused.value)


def test_the_best_checkpoint_is_chosen_by_what_an_evaluation_measures(tmp_path):
    from ratchet.evaluation.evaluate import Answered, Result
    from ratchet.recipe.conflicts import measured

    recipe = load_recipe(write(tmp_path, evaluation={"samples": 4}), environ={})
    answered = [Answered("1", "A", "A", True, "A", 1, False, [True] * 4)]
    assert sorted(measured(recipe)) == sorted(Result("m", "t", "test", answered, "AB", 1.0, 1).figures())
    assert "nothing measures eval_accurancy; choose from accuracy, exact_match" in message(
        write(tmp_path, metric_for_best_model="eval_accurancy")
    )
