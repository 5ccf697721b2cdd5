"""Every recipe, under the installed TRL, against every accelerate configuration that its header allows."""

import re
from pathlib import Path

import pytest
import yaml

from ratchet.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[1]
RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))
CONFIGS = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "accelerate_configs").glob("*.yaml"))
}
HEADER = ("Purpose", "Hardware", "Launch", "Runs with", "Time", "Expect")


def header(path: Path) -> dict[str, str]:
    return dict(
        re.findall(r"^# ([A-Z][a-z ]+): +(.+)$", path.read_text(encoding="utf-8").split("\n\n")[0], re.MULTILINE)
    )


def launches():
    for path in RECIPES:
        for config in header(path)["Runs with"].split():
            yield pytest.param(path, config, id=f"{path.relative_to(ROOT / 'recipes')}-{config}")


def environment(config: dict) -> dict[str, str]:
    """What accelerate launch puts into the environment for a configuration."""
    found = {"WORLD_SIZE": str(config["num_processes"]), "ACCELERATE_MIXED_PRECISION": str(config["mixed_precision"])}
    if config["distributed_type"] == "DEEPSPEED":
        found["ACCELERATE_USE_DEEPSPEED"] = "true"
    if config["distributed_type"] == "FSDP":
        found["ACCELERATE_USE_FSDP"] = "true"
    return found


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: str(p.relative_to(ROOT / "recipes")))
def test_has_its_header_and_its_row_in_the_readme(path):
    found = header(path)
    assert tuple(found) == HEADER
    name = str(path.relative_to(ROOT))
    assert name in found["Launch"]
    assert set(found["Runs with"].split()) <= set(CONFIGS)
    assert f"`{name}`" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("path", "config"), launches())
def test_fits_the_accelerate_configuration(path, config):
    overrides = [("bf16", "true")] if CONFIGS[config]["mixed_precision"] == "bf16" else []
    recipe = load_recipe(path, overrides, environment(CONFIGS[config]))
    assert recipe.processes == CONFIGS[config]["num_processes"]


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: str(p.relative_to(ROOT / "recipes")))
def test_parses_under_the_installed_trl(path, tmp_path, recwarn):
    from trl import get_peft_config

    from ratchet.training.arguments import make_arguments

    processes = CONFIGS[header(path)["Runs with"].split()[0]]["num_processes"]
    # TRL's own divisibility check knows only this one process, so it is given the whole batch.
    environ = {"WORLD_SIZE": str(processes)}
    on_cpu = [("bf16", "false"), ("output_dir", str(tmp_path))]
    found = load_recipe(path, environ=environ)
    if found.trainer == "grpo" and found.asynchronous is None:
        on_cpu.append(("use_vllm", "false"))
    recipe = load_recipe(path, on_cpu, environ)
    recipe.values["use_cpu"] = True
    recipe.values["per_device_train_batch_size"] *= processes
    if "per_device_eval_batch_size" in recipe.values:
        recipe.values["per_device_eval_batch_size"] *= processes
    arguments, model = make_arguments(recipe)
    assert arguments.learning_rate == recipe.get("learning_rate")
    if model.use_peft:
        assert get_peft_config(model).r == recipe.get("lora_r")
    ours = [
        str(w.message)
        for w in recwarn.list
        if "deprecated" in str(w.message) and any(f"`{key}`" in str(w.message) for key in recipe.values)
    ]
    assert ours == []


@pytest.mark.parametrize(
    "path", [p for p in RECIPES if load_recipe(p, environ={"WORLD_SIZE": "8"}).trainer == "grpo"], ids=lambda p: p.stem
)
def test_sampling_is_what_the_gradient_assumes(path):
    recipe = load_recipe(path, environ={"WORLD_SIZE": "8"})
    assert (recipe.get("temperature"), recipe.get("top_p"), recipe.get("top_k")) == (1.0, 1.0, 0)


@pytest.mark.parametrize("name", CONFIGS)
def test_accelerate_knows_every_key_of_a_configuration(name):
    from accelerate.commands.config.config_args import load_config_from_file

    loaded = load_config_from_file(str(ROOT / "accelerate_configs" / f"{name}.yaml"))
    assert loaded.num_processes == CONFIGS[name]["num_processes"]
    assert "gradient_accumulation_steps" not in (CONFIGS[name].get("deepspeed_config") or {})
    assert (
        "# Launch: accelerate launch --config_file accelerate_configs/" + name
        in (ROOT / "accelerate_configs" / f"{name}.yaml").read_text()
    )
