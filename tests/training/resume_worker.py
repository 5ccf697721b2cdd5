"""Runs recipes through and interrupted, and says what differs.

    python resume_worker.py FOLDER CASE...      (or under accelerate launch, for several processes)

An interruption is a real SIGTERM in the middle of a step; the run is then started again as it was. Prints one JSON
line per case: {"case": ..., "different": [what differs, ...], "compared": how many numbers of the log}.
"""

import json
import os
import signal
import sys
from pathlib import Path

from accelerate import PartialState
from transformers import Trainer

from ratchet.errors import Stopped
from ratchet.recipe import load_recipe
from ratchet.torture.compare import differences
from ratchet.training.callbacks.stopping import Stopping
from ratchet.training.run import train

ROOT = Path(__file__).resolve().parents[2]
COMMON = (
    "--report off --evaluation.after true --evaluation.max_rows 8 --max_steps 8 --save_strategy steps --save_steps "
    "1000 --diagnostics.every 3 --logging_steps 3"
)
LORA = "--use_peft true --lora_target_modules [all-linear] --lora_r 4"
STAGES = "--curriculum.column correct --curriculum.window 16 --curriculum.max_steps 2" + "".join(
    f" --curriculum.stages.{c} 0.5" for c in "ABCDE"
)
CHOICE = (
    "--curriculum.rest_solved 4 --curriculum.rest_hopeless 2 --curriculum.resample 2 --curriculum.temperature_to 0.5 "
    "--data.generated.train 12"
)
TEACHER = (
    "--distillation.context Hint --distillation.must_be_better false --distillation.measure 4 "
    "--steps_per_generation 4 --per_device_train_batch_size 8 --distillation."
)
# name -> trainer, options, the steps in the middle of which the run is interrupted
CASES: dict[str, tuple[str, str, tuple[int, ...]]] = {
    "plain": ("grpo", "", (4,)),
    "twice": ("grpo", "", (2, 6)),
    "off-boundary": ("grpo", "--steps_per_generation 4 --per_device_train_batch_size 8", (3,)),
    "iterations": ("grpo", "--num_iterations 2 --steps_per_generation 2 --per_device_train_batch_size 8", (3, 6)),
    "accumulation": (
        "grpo",
        "--gradient_accumulation_steps 2 --steps_per_generation 4 --per_device_train_batch_size 8",
        (3,),
    ),
    "epochs": ("grpo", "--data.generated.train 6 --max_steps 9", (4, 7)),
    "reference": (
        "grpo",
        "--beta 0.1 --sync_ref_model true --ref_model_sync_steps 2 --ref_model_mixup_alpha 0.5",
        (5,),
    ),
    "lora": ("grpo", f"{LORA} --beta 0.1", (4,)),
    "evaluations": ("grpo", "--eval_strategy steps --eval_steps 2 --evaluation.before true", (4, 5)),
    "completions": ("grpo", "--log_completions true --steps_per_generation 4 --per_device_train_batch_size 8", (5,)),
    "curriculum": ("grpo", f"{STAGES} --num_iterations 2", (3, 6)),
    "choice": ("grpo", f"{CHOICE} --steps_per_generation 4 --per_device_train_batch_size 8", (3, 6)),
    "teacher": ("grpo", f"{TEACHER}only_where_wrong true", (3,)),
    "teacher-average": ("grpo", f"{TEACHER}teacher average --distillation.form sequence", (3, 6)),
    "teacher-live-jsd": ("grpo", f"{TEACHER}teacher live --distillation.form jsd", (3,)),
    "teacher-lora": ("grpo", f"{TEACHER}form reverse_kl {LORA}", (3,)),
    "teacher-top-k": ("grpo", f"{TEACHER}form top_k", (3,)),
    "teacher-samples": ("grpo", f"{TEACHER}form teacher_samples --distillation.adv_tau 0", (3,)),
    "objective": ("grpo", "--objective opo", (3,)),
    "sft": ("sft", "--eval_strategy steps --eval_steps 4", (3, 5)),
    "sft-epochs": (
        "sft",
        "--data.generated.train 48 --gradient_accumulation_steps 2 --per_device_train_batch_size 8",
        (4, 6),
    ),
    "sft-lora": ("sft", LORA, (3,)),
}
# Under an accelerate configuration of DeepSpeed.
CASES_OF_DEEPSPEED = {
    "deepspeed": ("grpo", "--bf16 true --steps_per_generation 4 --per_device_train_batch_size 8", (3,))
}


def carry_out(trainer: str, folder: Path, options: str) -> None:
    """Run the recipe with its debug settings."""
    words = f"{COMMON} {options} --output_dir {folder}".split()
    pairs = [(key[2:], value) for key, value in zip(words[::2], words[1::2], strict=True)]
    recipe = load_recipe(ROOT / "recipes/debug" / f"{trainer}.yaml", pairs, trainer=trainer)
    train(recipe)


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


def prepare_trainers() -> None:
    """Have every trainer leave its optimiser's last state in a checkpoint, and the process group as it is, for the
    next run."""
    plain = Trainer._finalize_training

    def finalize(self, *args, **kwargs):
        self._save_checkpoint(self.model, None)
        return plain(self, *args, **kwargs)

    Trainer._finalize_training = finalize
    Trainer.end = lambda self: None


if __name__ == "__main__":
    prepare_trainers()
    place = Path(sys.argv[1])
    for name in sys.argv[2:] or CASES:
        trainer, options, steps = {**CASES, **CASES_OF_DEEPSPEED}[name]
        folder, whole = place / name, place / f"{name}-whole"
        carry_out(trainer, folder, options)
        if PartialState().is_main_process:
            folder.rename(whole)
        PartialState().wait_for_everyone()
        interrupted(trainer, folder, options, steps)
        if PartialState().is_main_process:
            different, compared = differences(whole, folder)
            print(json.dumps({"case": name, "different": different, "compared": compared}), flush=True)
