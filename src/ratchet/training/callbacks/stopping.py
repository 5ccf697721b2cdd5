"""Signals that ask to stop: the step under way is finished and saved, and the run ends so that it can be resumed."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import TrainerCallback

from ratchet.errors import Stopped

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
# seconds within which a signal is the same one again: a terminal sends it to all, and the launcher passes it on
ECHO = 1.0


class Stopping(TrainerCallback):
    """Listens for signals while a run trains, and ends it at the next step's end on all processes alike.

    Args:
        grace: seconds that the step under way and its checkpoint may take; then the process leaves at once. Nothing on
            the disk suffers from that: a checkpoint counts when it is whole.
    """

    def __init__(self, grace: float, accelerator: Any):
        self.grace, self.accelerator = grace, accelerator
        self.signal: signal.Signals | None = None
        self.agreed = False
        """Whether all processes know, so that the checkpoint made next is the last."""
        self._heard = 0.0
        self._timer: threading.Timer | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals while the block lasts; nohup has SIGHUP ignored, and that stays so."""
        under_nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        heard = [number for number in SIGNALS if not (number == signal.SIGHUP and under_nohup)]
        before = {number: signal.signal(number, self._hear) for number in heard}
        try:
            yield
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear(self, number: int, frame: Any) -> None:
        now = time.monotonic()
        if self.signal is not None and now - self._heard > ECHO:
            self._leave(f"{signal.Signals(number).name} again: leaving at once; what was saved stays")
        if self.signal is not None:
            return
        self.signal, self._heard = signal.Signals(number), now
        self._say(
            f"{self.signal.name}: finishing the step under way and saving, {self.grace:g} s at most; the same signal "
            "again leaves at once"
        )
        self._timer = threading.Timer(
            self.grace,
            self._leave,
            [f"the step did not end within {self.grace:g} s; leaving without it (checkpointing.grace)"],
        )
        self._timer.daemon = True
        self._timer.start()

    def _say(self, text: str) -> None:
        if self.accelerator.is_main_process:
            os.write(
                2, f"{text}\n".encode()
            )  # a signal can come while print is at work, which cannot be entered twice

    def _leave(self, text: str) -> None:
        self._say(f"stopped: {text}. The same command resumes from the newest checkpoint")
        os._exit(Stopped.code)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Where any process has heard a signal, save, and train no further."""
        heard = torch.tensor([float(self.signal is not None)], device=self.accelerator.device)
        if self.accelerator.reduce(heard).item():
            self.agreed = control.should_save = True
            if state.global_step >= state.max_steps:  # an evaluation may take long, and the next start makes it
                control.should_evaluate = False
        return control

    def leave_if_agreed(self, step: int) -> None:
        """After a save.

        Raises:
            Stopped: where this was the last one.
        """
        if self.agreed:
            name = self.signal.name if self.signal is not None else "a signal to another process"
            raise Stopped(f"{name}: step {step} is finished and saved. The same command resumes from there")
