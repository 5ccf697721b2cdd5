"""Errors of libraries that a person can put right, told from those that are faults of the code: memory, disk, weights.

Nothing is changed behind the user's back: an error names the knobs of this recipe that would help, with its numbers.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ratchet.errors import Stopped, UserError
from ratchet.files import is_full
from ratchet.recipe import Recipe
from ratchet.runtime import main_process


@contextmanager
def explained(recipe: Recipe) -> Iterator[None]:
    """Turn what libraries raise for want of memory, room, or sound weights into a sentence with a remedy.

    Raises:
        UserError: for memory, and for weights from which nothing can be sampled.
        Stopped: for a full disk; the same command resumes the run.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # safetensors and Arrow have kinds of their own for a full disk
        if is_full(error):
            raise _full(recipe, error) from None
        if not isinstance(error, (RuntimeError, MemoryError)):
            raise
        if samples_nothing(error):
            raise UserError(
                "the model's probabilities are non-finite, so nothing can be sampled: its weights are broken, or "
                f"learning_rate {recipe.get('learning_rate')} was too high. Roll back with --resume STEP "
                f"(ratchet checkpoints list {recipe.output_dir}), or take another model"
            ) from None
        if not is_out_of_memory(error):
            raise
        if not main_process():  # perhaps the only one to know
            print(f"process {os.environ['RANK']}: {advice(recipe, error)}", file=sys.stderr, flush=True)
        raise UserError(advice(recipe, error)) from None


def _full(recipe: Recipe, error: BaseException) -> Stopped:
    where = getattr(error, "filename", None) or recipe.output_dir
    said = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
    return Stopped(
        f"no space left while writing to {where} ({said}); free some, and the same command resumes from the newest "
        "checkpoint"
    )


def samples_nothing(error: BaseException) -> bool:
    """Whether a model's probabilities are NaN or infinite, as torch.multinomial says it."""
    return "probability tensor contains" in str(error)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an accelerator's or the machine's memory was not enough."""
    said = str(error)
    return (
        type(error).__name__ == "OutOfMemoryError"
        or isinstance(error, MemoryError)
        or "can't allocate memory" in said
        or "out of memory" in said
    )


def advice(recipe: Recipe, error: BaseException) -> str:
    """What was wanted, and what to change, the mildest first."""
    lines = [
        f"out of memory: {' '.join(str(error).split())[:300] or 'the machine has no more'}",
        "any of these needs less:",
    ]
    return "\n".join([*lines, *(f"  {knob}" for knob in _knobs(recipe))])


def _knobs(recipe: Recipe) -> Iterator[str]:
    get, size = recipe.get, recipe.get("per_device_train_batch_size")
    steps = get("gradient_accumulation_steps") or 1
    if size > 1:
        half = max(1, size // 2)
        yield (
            f"per_device_train_batch_size: {half} with gradient_accumulation_steps: {steps * -(-size // half)} (now "
            f"{size} and {steps}): the same step, in smaller parts"
        )
    if not recipe.values.get("activation_checkpointing", not get("use_cpu")):
        yield "activation_checkpointing: true (now false): less memory for about a third more time"
    if recipe.method.samples:
        yield (
            f"max_completion_length below {get('max_completion_length')}, or num_generations below "
            f"{get('num_generations')}"
        )
        if get("use_vllm") and get("vllm_mode") == "colocate":
            yield (
                f"vllm_gpu_memory_utilization below {get('vllm_gpu_memory_utilization')}, or vllm_enable_sleep_mode: "
                "true: vLLM shares this GPU"
            )
        if get("beta") and not get("use_peft"):
            yield f"beta: 0 (now {get('beta')}): without it there is no reference model"
    else:
        yield f"max_length below {get('max_length')}"
    if recipe.evaluation.batch_size > 1:
        yield (
            f"evaluation: {{batch_size: {max(1, recipe.evaluation.batch_size // 2)}}} (now "
            f"{recipe.evaluation.batch_size}), if it happened while evaluating"
        )
    if not get("use_peft"):
        yield (
            "use_peft: true with lora_target_modules: [all-linear]: gradients and optimiser for a few per cent of "
            "the weights"
        )
        yield "optim: adamw_8bit (needs bitsandbytes): a quarter of the optimiser's memory"
    elif not get("load_in_4bit"):
        yield "load_in_4bit: true (needs bitsandbytes): the frozen weights in a quarter of the memory"
    yield (
        f"accelerate_configs/zero3.yaml on more than {recipe.processes} "
        f"process{'es' if recipe.processes > 1 else ''}: weights, gradients and optimiser are split over them"
    )
