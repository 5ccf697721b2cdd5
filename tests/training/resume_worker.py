"""Runs recipes through and interrupted, and says what differs.

    python resume_worker.py FOLDER CASE...      (or under accelerate launch, for several processes)

An interruption is a real SIGTERM in the middle of a step; the run is then started again as it was. Prints one JSON line
per case: {"case": ..., "different": [what differs, ...], "compared": how many numbers of the log}.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch
from accelerate import PartialState
from safetensors.torch import load_file
from transformers import Trainer

from ratchet.errors import Stopped
from ratchet.recipe import load_recipe
from ratchet.training import grpo, sft
from ratchet.training.stopping import Stopping

ROOT = Path(__file__).resolve().parents[2]
COMMON = "--report off --evaluation.after true --evaluation.max_rows 8 --max_steps 8 --save_strategy no --diagnostics.every 3 --logging_steps 3"
LORA = "--use_peft true --lora_target_modules [all-linear] --lora_r 4"
STAGES = "--curriculum.column correct --curriculum.window 16 --curriculum.max_steps 2" + "".join(f" --curriculum.stages.{c} 0.5" for c in "ABCDE")
# name -> trainer, options, the steps in the middle of which the run is interrupted
CASES: dict[str, tuple[str, str, tuple[int, ...]]] = {
    "plain": ("grpo", "", (4,)),
    "twice": ("grpo", "", (2, 6)),
    "off-boundary": ("grpo", "--steps_per_generation 4 --per_device_train_batch_size 8", (3,)),
    "iterations": ("grpo", "--num_iterations 2 --steps_per_generation 2 --per_device_train_batch_size 8", (3, 6)),
    "accumulation": ("grpo", "--gradient_accumulation_steps 2 --steps_per_generation 4 --per_device_train_batch_size 8", (3,)),
    "epochs": ("grpo", "--data.generated.train 6 --max_steps 9", (4, 7)),
    "reference": ("grpo", "--beta 0.1 --sync_ref_model true --ref_model_sync_steps 2 --ref_model_mixup_alpha 0.5", (5,)),
    "lora": ("grpo", f"{LORA} --beta 0.1", (4,)),
    "evaluations": ("grpo", "--eval_strategy steps --eval_steps 2 --evaluation.before true", (4, 5)),
    "completions": ("grpo", "--log_completions true --steps_per_generation 4 --per_device_train_batch_size 8", (5,)),
    "curriculum": ("grpo", f"{STAGES} --num_iterations 2", (3, 6)),
    "sft": ("sft", "--eval_strategy steps --eval_steps 4", (3, 5)),
    "sft-epochs": ("sft", "--data.generated.train 48 --gradient_accumulation_steps 2 --per_device_train_batch_size 8", (4, 6)),
    "sft-lora": ("sft", LORA, (3,)),
}
TIMES = ("time/", "memory/", "step_time", "runtime", "per_second", "total_flos", "profiling", "seconds")


def carry_out(trainer: str, folder: Path, options: str) -> None:
    """Run the recipe with its debug settings."""
    words = f"{COMMON} {options} --output_dir {folder}".split()
    pairs = [(key[2:], value) for key, value in zip(words[::2], words[1::2], strict=True)]
    recipe = load_recipe(ROOT / "recipes/debug" / f"{trainer}.yaml", pairs, trainer=trainer)
    {"grpo": grpo, "sft": sft}[trainer].train(recipe)


def interrupted(trainer: str, folder: Path, options: str, steps: tuple[int, ...]) -> None:
    """The same with a signal in each of these steps."""
    begins = Stopping.on_step_begin
    for step in steps:

        def signalled(self, args, state, control, step=step, **kwargs):
            if state.global_step == step - 1 and self.accelerator.is_main_process:
                os.kill(os.getpid(), signal.SIGTERM)

        Stopping.on_step_begin = signalled
        try:
            carry_out(trainer, folder, options)
            raise AssertionError("the run was not stopped")
        except Stopped:
            pass
        finally:
            Stopping.on_step_begin = begins
    carry_out(trainer, folder, options)


def logged(folder: Path) -> list[dict]:
    """Every number that was logged, but for times; and the rest of the run's record."""
    history = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    for path in sorted((folder / "diagnostics").glob("*.jsonl")):
        history += [{"file": path.stem, **json.loads(line)} for line in path.read_text().splitlines()]
    history.append({"file": "result", **json.loads((folder / "result.json").read_text())})
    return [without_times(entry) for entry in history]


def without_times(value):
    """A value without the entries that clocks and memory decide."""
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k != "time" and not any(word in k for word in TIMES)}
    return value


def differences(one: Path, other: Path) -> tuple[list[str], int]:
    """What is not the same in two runs' folders, and how many numbers were compared."""
    found = []
    weights = next(path.name for path in sorted(one.glob("*.safetensors")))
    first, second = load_file(one / weights), load_file(other / weights)
    found += [f"weights {name}" for name in first if not torch.equal(first[name], second[name])]
    entries, others = logged(one), logged(other)
    if len(entries) != len(others):
        found.append(f"{len(entries)} logs, {len(others)} logs")
    for a, b in zip(entries, others, strict=False):
        found += [
            f"{a.get('file', 'state')} step {a.get('step')} {key}: {a.get(key)} {b.get(key)}"
            for key in a.keys() | b.keys()
            if a.get(key) != b.get(key)
        ]
    optimisers = [torch.load(folder / "optimizer_at_end.pt", weights_only=True)["state"] for folder in (one, other)]
    found += [f"optimiser {i}" for i in optimisers[0] if any(not torch.equal(optimisers[0][i][k], optimisers[1][i][k]) for k in optimisers[0][i])]
    return [text[:300] for text in found], sum(len(entry) for entry in entries)


def prepare_trainers() -> None:
    """Have every trainer leave its optimiser's last state beside its model, and the process group as it is, for the next run."""
    plain = Trainer._finalize_training

    def finalize(self, *args, **kwargs):
        if self.accelerator.is_main_process:
            torch.save(self.optimizer.state_dict(), Path(self.args.output_dir) / "optimizer_at_end.pt")
        return plain(self, *args, **kwargs)

    Trainer._finalize_training = finalize
    Trainer.end = lambda self: None


if __name__ == "__main__":
    prepare_trainers()
    place = Path(sys.argv[1])
    for name in sys.argv[2:] or CASES:
        trainer, options, steps = CASES[name]
        folder, whole = place / name, place / f"{name}-whole"
        carry_out(trainer, folder, options)
        if PartialState().is_main_process:
            folder.rename(whole)
        PartialState().wait_for_everyone()
        interrupted(trainer, folder, options, steps)
        if PartialState().is_main_process:
            different, compared = differences(whole, folder)
            print(json.dumps({"case": name, "different": different, "compared": compared}), flush=True)
