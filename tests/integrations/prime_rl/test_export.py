"""The export to prime-rl: valid by its schema, arguments accepted by verifiers, losses named, wrong ones refused."""

import asyncio
import copy
import importlib.util
import os
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from ratchet.errors import UserError
from ratchet.integrations.prime_rl.export import export
from ratchet.integrations.prime_rl.files import findings, write
from ratchet.launch.request import launch_of

DATA = Path(os.environ.get("RATCHET_DATA_DIR") or Path(__file__).resolve().parents[4] / "shared" / "data")
RECIPES = [
    "aquarat.yaml",
    "dakota.yaml",
    "aquarat/grpo_lora_1gpu.yaml",
    "aquarat/full_dataset.yaml",
    "dakota/grpo_lora_1gpu.yaml",
    "dakota/grpo_qwen3_4b.yaml",
]


@pytest.fixture
def schema():
    path = DATA / "prime_rl/rl.schema.json"
    if not path.is_file():
        pytest.skip(
            f"no schema of prime-rl's configuration: {path} is absent (name its parent folder in RATCHET_DATA_DIR)"
        )
    return path


def _launch(root, recipe, *overrides):
    return launch_of(
        root / "recipes" / recipe, overrides, str(root / "accelerate_configs/zero2.yaml"), 8, None, {}, check=False
    )


def _merged(base, over):
    return {
        **base,
        **{
            key: _merged(base[key], value) if isinstance(value, dict) and key in base else value
            for key, value in over.items()
        },
    }


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_grpo_recipe_is_valid_under_the_schema_on_2_and_on_8_gpus(root, tmp_path, schema, recipe):
    write(_launch(root, recipe), tmp_path / "out", True, schema)
    base = tomllib.loads((tmp_path / "out/rl.toml").read_text())
    for over in ("gpus-2", "gpus-8", "resume"):
        assert findings(_merged(base, tomllib.loads((tmp_path / f"out/{over}.toml").read_text())), schema) == []
    for name in ("train", "orch", "infer"):
        text = (tmp_path / f"out/older/{name}.toml").read_text()
        assert "BEFORE rl.toml" in text
        assert tomllib.loads(text)


def test_the_schema_check_finds_what_is_wrong(root, tmp_path, schema):
    found = export(_launch(root, "aquarat.yaml").recipe, tmp_path, 8).toml
    found["orchestrator"]["batchsize"] = 3
    found["trainer"]["optim"]["lr"] = "fast"
    assert len(findings(found, schema)) == 2


@pytest.mark.parametrize("recipe", RECIPES[:2])
def test_verifiers_takes_the_environments_arguments(root, tmp_path, recipe):
    loaders = pytest.importorskip("verifiers.v1.utils.loaders", reason="the extra verifiers is not installed")
    import sys

    name = recipe.split(".")[0]
    sys.path.insert(0, str(root / "environments" / name))
    found = export(_launch(root, recipe).recipe, tmp_path, 8).toml
    for group in ("train", "eval"):
        env = copy.deepcopy(found["orchestrator"][group]["source"][0]["env"])
        config = loaders.resolve_env_config(env)
        assert config.taskset.split == group
        rewards = {
            key: entry["weight"]
            for key, entry in found["orchestrator"]["train"]["source"][0]["env"]["taskset"]["task"]["rewards"].items()
        }
    assert rewards["correctness"] == (1.0 if name == "aquarat" else 0.0)
    assert rewards.get("partial_credit", 0.0) == (0.0 if name == "aquarat" else 1.0)


def test_the_numbers_are_the_recipes(root, tmp_path):
    found = export(
        _launch(root, "aquarat.yaml", ("warmup_steps", "0.1"), ("save_steps", "50")).recipe, tmp_path, 8
    ).toml
    assert found["orchestrator"]["batch_size"] == 32 * 1 * 8
    assert found["orchestrator"]["group_size"] == 16
    assert found["trainer"]["optim"]["lr"] == 1e-6
    assert found["trainer"]["scheduler"] == {"type": "linear", "warmup_steps": 40, "decay_steps": 0}
    assert found["ckpt"] == {"interval": 50, "keep_last": 3}
    assert found["seq_len"] == 2048


def test_the_written_rewards_are_the_recipes_own(root, tmp_path):
    from ratchet.rewards.functions import Sample, overlong

    write(_launch(root, "aquarat.yaml"), tmp_path / "out", False, None)
    spec = importlib.util.spec_from_file_location("exported_rewards", tmp_path / "out/rewards.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    fields = dict.fromkeys(Sample.__dataclass_fields__)
    for tokens in (1, 700, 768, 769, 900, 1023, 1024, 1200):
        trace = SimpleNamespace(num_output_tokens=tokens, metrics={"format": 1.0})
        ours = overlong.function(Sample(**{**fields, "tokens": tokens, "limit": 1024}), cache=256)
        assert asyncio.run(module.overlong(trace)) == pytest.approx(ours)
        assert asyncio.run(module.answer_format(trace)) == 1.0


def test_what_is_lost_is_named(root, tmp_path):
    lost = dict(
        export(
            _launch(
                root,
                "aquarat.yaml",
                ("num_iterations", "2"),
                ("rewards.repetition.weight", "0.05"),
                ("data.instruction", "x"),
            ).recipe,
            tmp_path,
            8,
        ).lost
    )
    assert {"num_iterations", "rewards.repetition", "data.instruction", "scale_rewards", "loss_type"} <= set(lost)
    assert "scale_rewards" not in dict(
        export(_launch(root, "aquarat.yaml", ("scale_rewards", "none")).recipe, tmp_path, 8).lost
    )


REFUSED = [
    ("aquarat/sft.yaml", (), "takes GRPO recipes"),
    ("demo.yaml", (), "this recipe makes one of its own"),
    ("aquarat.yaml", (("top_p", "0.9"),), "top_p: 0.9"),
    ("aquarat.yaml", (("beta", "0.04"),), "has no reference model"),
    ("aquarat/grpo_qlora_1gpu.yaml", (), "no quantised weights"),
    ("dakota/grpo_curriculum.yaml", (), "curriculum"),
    ("aquarat.yaml", (("lr_scheduler_type", "polynomial"),), "has no counterpart"),
    ("aquarat.yaml", (("vllm_tensor_parallel_size", "4"),), "does not divide"),
]


@pytest.mark.parametrize(("recipe", "overrides", "said"), REFUSED)
def test_what_would_mean_something_else_is_refused(root, tmp_path, recipe, overrides, said):
    with pytest.raises(UserError, match=said):
        export(_launch(root, recipe, *overrides).recipe, tmp_path, 8)


def test_the_command_writes_a_folder_once(script, tmp_path):
    done = script(
        "ratchet",
        "export",
        "recipes/aquarat.yaml",
        "out",
        "--config_file",
        str(Path(__file__).parents[3] / "accelerate_configs/zero2.yaml"),
    )
    assert "not carried over: scale_rewards" in done.stdout
    assert "uv run rl @" in (tmp_path / "out/README.md").read_text()
    assert "not empty" in script("ratchet", "export", "recipes/aquarat.yaml", "out", code=2).stderr
    assert "name a recipe, and an empty folder" in script("ratchet", "export", "recipes/aquarat.yaml", code=2).stderr
