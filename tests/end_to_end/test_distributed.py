"""The real accelerate configurations on two CPU processes over gloo: train some steps, save, load what was saved."""

import json
import shutil
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BF16 = ("--bf16", "true")
QUICK = ("--max_steps", "2", "--evaluation.max_rows", "6", "--output_dir", "out")
LORA = ("--use_peft", "true", "--lora_target_modules", "[all-linear]")


def watched(folder: Path) -> dict:
    """Everything that was logged, the last value of each figure."""
    log = [json.loads(line) for line in (folder / "diagnostics/log.jsonl").read_text(encoding="utf-8").splitlines()]
    return {name: value for entry in log for name, value in entry.items()}


needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None, reason="DeepSpeed builds its CPU communication with g++, which is absent"
)


def check_saved(folder: Path, adapter: bool, script) -> None:
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert result["steps"] == 2
    assert (folder / ("adapter_model.safetensors" if adapter else "model.safetensors")).is_file()
    loaded = script("ratchet", "evaluate", "out/recipe.yaml", "--model", "out", "--use_cpu", "true", "--bf16", "false")
    assert "accuracy" in loaded.stdout


@needs_compiler
@pytest.mark.parametrize(
    ("launch", "trainer", "more"),
    [
        ("zero2", "grpo", ()),
        ("zero3", "grpo", ("--beta", "0.04")),
        pytest.param("zero3", "sft", LORA, marks=pytest.mark.apart),
        pytest.param("zero1", "sft", (), marks=pytest.mark.slow),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value).replace("--", "") or "full",
)
def test_deepspeed_trains_and_saves_a_model_that_loads(script, tmp_path, launch, trainer, more):
    recipe = {"grpo": "recipes/debug/grpo.yaml", "sft": "recipes/debug/sft.yaml"}[trainer]
    done = script(f"scripts/{trainer}.py", recipe, *BF16, *QUICK, *more, launch=launch, processes=2)
    assert "on 2 processes" in done.stdout
    found = watched(tmp_path / "out")
    assert found["distributed/world_size"] == 2 and found["attn/entropy_mean"] > 0
    assert done.stdout.count("left out: grad/layer") == 1 and not any(name.startswith("grad/") for name in found)
    if trainer == "grpo":
        split = launch == "zero3"
        assert done.stdout.count("left out: rl/letter_") == split
        assert ("rl/letter_found_frac" in found) != split and "rl/kl_sequence_mean" in found
    check_saved(tmp_path / "out", adapter="--use_peft" in more, script=script)


@pytest.mark.parametrize("more", [pytest.param(("--beta", "0.04"), marks=pytest.mark.apart), LORA], ids=["kl", "lora"])
def test_ddp_trains_and_saves_a_model_that_loads(script, tmp_path, more):
    done = script("scripts/grpo.py", "recipes/debug/grpo.yaml", *QUICK, *more, launch="cpu2")
    assert "on 2 processes" in done.stdout
    assert "left out" not in done.stdout
    found = watched(tmp_path / "out")
    assert {"rl/kl_sequence_mean", "rl/letter_found_frac", "attn/entropy_mean", "grad/layer/0"} <= set(found)
    check_saved(tmp_path / "out", adapter="--use_peft" in more, script=script)


@pytest.mark.apart
def test_fsdp2_samples_completions_of_any_length(script, tmp_path):
    """Every process goes through the model as often as the one with the longest completion."""
    words = (str(HERE / "fsdp_on_cpu.py"), "grpo", "recipes/debug/grpo.yaml", "--use_cpu", "false", "--bf16", "false")
    words += ("--max_steps", "3", "--per_device_train_batch_size", "16", "--report", "off", "--diagnostics", "off")
    done = script(
        *(*words, "--evaluation.after", "false", "--output_dir", "out"),
        launch="fsdp2",
        processes=2,
        options=("--mixed_precision", "no"),
        ACCELERATE_TORCH_DEVICE="cpu",
    )
    assert "step     3/3" in done.stdout
    assert (tmp_path / "out/model.safetensors").is_file()


def test_fsdp2_trains_and_saves_a_model_that_loads(script, tmp_path):
    words = (
        str(HERE / "fsdp_on_cpu.py"),
        "sft",
        "recipes/debug/sft.yaml",
        "--use_cpu",
        "false",
        "--bf16",
        "false",
        "--logging_steps",
        "1",
        *QUICK,
    )
    done = script(
        *words, launch="fsdp2", processes=2, options=("--mixed_precision", "no"), ACCELERATE_TORCH_DEVICE="cpu"
    )
    assert "on 2 processes" in done.stdout
    found = watched(tmp_path / "out")
    whole = sum(value**2 for name, value in found.items() if name.startswith("grad/")) ** 0.5
    assert found["attn/entropy_mean"] > 0 and whole == pytest.approx(found["grad_norm"], rel=1e-3)
    check_saved(tmp_path / "out", adapter=False, script=script)


@pytest.mark.slow
def test_fsdp2_goes_on_from_a_checkpoint_exactly(script, tmp_path):
    words = (
        str(HERE / "fsdp_on_cpu.py"),
        "sft",
        "recipes/debug/sft.yaml",
        "--use_cpu",
        "false",
        "--bf16",
        "false",
        "--report",
        "off",
        *QUICK,
    )
    words += ("--max_steps", "4", "--save_strategy", "steps", "--save_steps", "2")
    how = {"launch": "fsdp2", "processes": 2, "options": ("--mixed_precision", "no"), "ACCELERATE_TORCH_DEVICE": "cpu"}
    script(*words, **how)
    whole = (tmp_path / "out/model.safetensors").read_bytes()
    assert "after step 2" in script(*words, "--resume", "2", **how).stdout
    assert (tmp_path / "out/model.safetensors").read_bytes() == whole


def test_an_evaluation_gives_the_same_numbers_on_one_process_and_on_two(script, tmp_path):
    words = (
        "ratchet",
        "evaluate",
        "recipes/debug/grpo.yaml",
        "--evaluation.samples",
        "4",
        "--evaluation.batch_size",
        "16",
    )
    script(*words, "--output", "one.json", "--completions", "one.jsonl")
    script(*words, "--output", "two.json", "--completions", "two.jsonl", launch="cpu2")
    assert (tmp_path / "one.jsonl").read_text() == (tmp_path / "two.jsonl").read_text()
    one, two = (json.loads((tmp_path / name).read_text()) for name in ("one.json", "two.json"))
    about = {"seconds", "tokens_per_second", "command", "made"}
    assert {k: v for k, v in one.items() if k not in about} == {k: v for k, v in two.items() if k not in about}
