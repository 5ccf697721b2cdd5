"""What a person sees while a run trains: one line per logging step, from the main process only."""

import time
from typing import Any

from transformers import TrainerCallback

from ratchet.runtime import duration


class ProgressLine(TrainerCallback):
    """Step, the figures that matter, time per step and time left."""

    SHOWN = (
        ("reward", "reward", ".3f"),
        ("completions/mean_length", "length", ".1f"),
        ("loss", "loss", ".4f"),
        ("mean_token_accuracy", "token accuracy", ".3f"),
        ("kl", "kl", ".4f"),
        ("lean/computed_share", "computed", ".0%"),
    )

    def __init__(self) -> None:
        self.start, self.first_step = 0.0, 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self.start, self.first_step = time.perf_counter(), state.global_step

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Print one line for each training log, and one for each evaluation."""
        if not state.is_world_process_zero or not logs:
            return
        if "eval/accuracy" in logs:
            low, high = logs["eval/accuracy_low"], logs["eval/accuracy_high"]
            print(
                f"step {state.global_step:>5}  held-out accuracy {logs['eval/accuracy']:.3f} [{low:.3f}, {high:.3f}]",
                flush=True,
            )
            return
        shown = [
            f"{title} {logs[key]:{form}}" for key, title, form in self.SHOWN if isinstance(logs.get(key), (int, float))
        ]
        done = state.global_step - self.first_step
        if not shown or done < 1 or "train_runtime" in logs:
            return
        each = (time.perf_counter() - self.start) / done
        left = duration(each * (state.max_steps - state.global_step))
        print(
            f"step {state.global_step:>5}/{state.max_steps}  {'  '.join(shown)}  {each:.2f} s per step  {left} left",
            flush=True,
        )
