"""How a process behaves: what it prints, how it says a time, and whether it has the device that a recipe wants."""

import logging
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

from ratchet.errors import UserError, reader_left
from ratchet.recipe import Recipe


def quiet() -> None:
    """Warnings of libraries about themselves are kept away; those about the run stay. Other ranks say nothing."""
    sys.stdout = sys.stdout if isinstance(sys.stdout, Patient) else Patient(sys.stdout)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    warnings.filterwarnings("ignore", message=".*(?:is_gradient_checkpointing|lr_scheduler.step|pin_memory).*")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.|transformers\.|trl\.")
    # TRL would print prompt and completion of a row that is left out, at every step; ``training.faults`` says it once.
    logging.getLogger("trl.trainer.grpo_trainer").addFilter(lambda record: "All reward functions returned None" not in record.getMessage())
    level = logging.WARNING if os.environ.get("RANK", "0") == "0" else logging.ERROR
    for name in ("transformers", "trl", "datasets", "accelerate", "DeepSpeed", "deepspeed"):
        logging.getLogger(name).setLevel(level)
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity(level)


class Patient:
    """Standard output that outlives its reader (``| head``, a lost connection): a run that trains goes on without one."""

    def __init__(self, stream: Any):
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or not."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            reader_left()
            return len(text)

    def flush(self) -> None:
        """Flush, or not."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            reader_left()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def check_device(recipe: Recipe) -> None:
    """A configuration that wants a GPU needs one."""
    import torch

    if recipe.get("use_cpu"):
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # or DeepSpeed warns that it found nothing else
        return
    if torch.accelerator.is_available():
        return
    raise UserError(
        "there is no GPU here, and the recipe wants one. On a CPU add --use_cpu true --bf16 false "
        "(accelerate_configs/cpu.yaml), or start with recipes/demo.yaml, which needs none"
    )


def duration(seconds: float) -> str:
    """
    >>> duration(42), duration(135), duration(7260)
    ('42 s', '2 min 15 s', '2 h 1 min')
    """
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def attempt(what: str, draw: Callable[[], Any]) -> Any:
    """Draw something that is only looked at; if that fails, say so instead of ending a run that has trained. None then."""
    try:
        return draw()
    except Exception as error:  # whatever is wrong with a picture
        print(f"warning: {what} could not be drawn ({type(error).__name__}: {error}); scripts/report.py tries again", flush=True)
        return None
