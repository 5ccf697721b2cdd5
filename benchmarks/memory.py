"""Whether the memory that ``ratchet plan`` predicts is what training takes: both, and their ratio, for many runs.

python benchmarks/memory.py                  # on this CPU, two processes where a kind needs them; some minutes
python benchmarks/memory.py --device cuda    # on one GPU, with larger models from a configuration
python benchmarks/memory.py --json FILE      # writes the figures too

Measured is the allocator's own peak: on a GPU ``torch.cuda.max_memory_allocated``, on a CPU the running sum of what
PyTorch's CPU allocator reports to its profiler. Batches are TRL's own (lean: off) but in the rows that say "lean",
whose passes are at most as large; how large depends on what is sampled. Predicted is the plan's figure without context
and fragmentation, for the lengths that the batches had.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ratchet.plan.plan import Options, plan

ROOT = Path(__file__).resolve().parents[1]
QUIET = {
    "report": "off",
    "diagnostics": "off",
    "lean": "off",
    "evaluation.before": "false",
    "evaluation.after": "false",
    "max_steps": "3",
    "resume": "never",
}
HALF = {"dtype": "bfloat16", "bf16": "true"}
WIDE = {"per_device_train_batch_size": "128"}
REFERENCE = {"beta": "0.05", "activation_checkpointing": "true", "gradient_accumulation_steps": "2"}
LEAN = {"lean": "on", "gradient_accumulation_steps": "2"}
LORA = {"use_peft": "true", "lora_r": "16", "lora_target_modules": "[all-linear]"}
# name -> trainer, accelerate configuration, what differs from recipes/debug
CASES: dict[str, tuple[str, str, dict[str, str]]] = {
    "SFT, float32": ("sft", "cpu", {}),
    "SFT, checkpointing, accumulation": (
        "sft",
        "cpu",
        {"activation_checkpointing": "true", "gradient_accumulation_steps": "2"},
    ),
    "SFT, float32 weights, bfloat16 autocast": ("sft", "cpu", {"bf16": "true"}),
    "SFT, nanochat": ("sft", "cpu", {"model_type": "nanochat"}),
    "GRPO, float32": ("grpo", "cpu", {}),
    "GRPO, copy of the initial model": ("grpo", "cpu", {"diagnostics": "on", "diagnostics.attention": "false"}),
    "GRPO, reference model, bfloat16 autocast": ("grpo", "cpu", {"bf16": "true", **REFERENCE}),
    "SFT, lean": ("sft", "cpu", LEAN),
    "GRPO, lean, reference model": ("grpo", "cpu", {**LEAN, "beta": "0.05"}),
    "GRPO, LoRA, float32": ("grpo", "cpu", LORA),
    "GRPO, LoRA, bfloat16": ("grpo", "cpu", {**HALF, **LORA}),
    "SFT, DDP": ("sft", "ddp", {**HALF, **WIDE}),
    "SFT, ZeRO-1": ("sft", "zero1", {**HALF, **WIDE}),
    "SFT, ZeRO-2": ("sft", "zero2", {**HALF, **WIDE}),
    "SFT, lean, ZeRO-2": ("sft", "zero2", {**HALF, **WIDE, **LEAN}),
    "GRPO, ZeRO-3, reference model": (
        "grpo",
        "zero3",
        {**HALF, **REFERENCE, **WIDE, "activation_checkpointing": "false"},
    ),
}
SMALL = {
    "hidden_size": 256,
    "intermediate_size": 768,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
}
LARGE = {
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
}


def overrides(trainer: str, changes: dict[str, str], device: str, folder: Path) -> list[tuple[str, str]]:
    """The command line of one case."""
    family = changes.get("model_type", "qwen3")
    config = {
        "model_type": family,
        **(SMALL if device == "cpu" else LARGE),
        "max_position_embeddings": 512,
        "tie_word_embeddings": True,
    }
    config = {key: value for key, value in config.items() if family != "nanochat" or key != "head_dim"}
    found = {
        **QUIET,
        **{key: value for key, value in changes.items() if key != "model_type"},
        "output_dir": str(folder),
    }
    if device == "cuda":
        found |= {"use_cpu": "false", "per_device_train_batch_size": "64"}
    if trainer == "grpo":
        found |= {"model_name_or_path": "null", "from_scratch.vocab_size": "1024"}
    return [*found.items(), ("from_scratch.config", json.dumps(config))]


def measure(trainer: str, configuration: str, changes: dict[str, str], device: str, folder: Path) -> dict:
    """One case, for real, and what is predicted for it."""
    given = overrides(trainer, changes, device, folder / "run")
    processes = 1 if configuration in ("cpu", "single_gpu") else 2
    config = ROOT / "accelerate_configs" / f"{configuration}.yaml"
    words = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--config_file",
        str(config),
        "--num_processes",
        str(processes),
        "--main_process_port",
        "0",
    ]
    words += [
        str(ROOT / "benchmarks/memory_worker.py"),
        str(folder / "measured.json"),
        trainer,
        str(ROOT / f"recipes/debug/{trainer}.yaml"),
    ]
    words += [word for key, value in given for word in (f"--{key}", value)]
    environ = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        **({"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}),
    }
    done = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=900)
    if not (folder / "measured.json").exists():
        raise SystemExit(f"{' '.join(words)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    measured = json.loads((folder / "measured.json").read_text())
    lengths = (
        {"row_tokens": measured["row"]}
        if trainer == "sft"
        else {"prompt_tokens": measured["prompt"], "completion_tokens": measured["completion"]}
    )
    options = Options(
        str(config),
        processes=processes,
        shape_of=str(folder / "run/initial_model"),
        gpu="cpu" if device == "cpu" else "h100",
        **lengths,
    )
    given = [(key, value) for key, value in given if key != "resume"]
    found = plan(ROOT / f"recipes/debug/{trainer}.yaml", given, options)
    return {
        "predicted": found.memory.allocated,
        "measured": measured["peak"],
        "parts": dict(found.memory.parts),
        "phase": found.memory.worst,
    }


def main() -> None:
    """All cases, one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="cases whose name holds one of these")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON too")
    given = parser.parse_args()
    print("| run | predicted MiB | measured MiB | ratio |\n|---|---|---|---|", flush=True)
    found = {}
    for name, (trainer, configuration, changes) in CASES.items():
        if (given.only and not any(word in name for word in given.only)) or (
            given.device == "cuda" and configuration != "cpu"
        ):
            continue
        with tempfile.TemporaryDirectory() as folder:
            one = measure(
                trainer, "single_gpu" if given.device == "cuda" else configuration, changes, given.device, Path(folder)
            )
        found[name] = {**one, "ratio": one["predicted"] / one["measured"]}
        predicted, measured = (one[key] / 2**20 for key in ("predicted", "measured"))
        print(f"| {name} | {predicted:.1f} | {measured:.1f} | {found[name]['ratio']:.3f} |", flush=True)
    if given.json:
        given.json.write_text(json.dumps({"device": given.device, "cases": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
