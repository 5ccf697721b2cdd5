"""Notices a process that hangs, and ends it with the reason: the others wait for it in a collective operation, and
hang too."""

import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ratchet.errors import Stopped
from ratchet.runtime import duration


class Watchdog:
    """Every pass through the model is a beat. A thread looks whether there was one, and ends the process where there
    was none.

    Args:
        timeout: seconds without a beat.
        folder: where the stack is written.
    """

    def __init__(self, timeout: float, folder: Path, accelerator: Any):
        self.timeout, self.folder, self.accelerator = timeout, folder, accelerator
        self._last, self._more = time.monotonic(), 0.0
        self._ended = threading.Event()

    def beat(self, *ignored: Any) -> None:
        """Something was done."""
        self._last = time.monotonic()

    @contextmanager
    def resting(self, seconds: float) -> Iterator[None]:
        """Expect no beat for so much longer while the block lasts: a checkpoint may be large, and may wait for
        room."""
        self.beat()
        self._more = seconds
        try:
            yield
        finally:
            self.beat()
            self._more = 0.0

    @contextmanager
    def watching(self, model: Any) -> Iterator[None]:
        """Watch while the block lasts."""
        self.beat()
        hook = model.register_forward_pre_hook(self.beat)
        threading.Thread(target=self._watch, daemon=True, name="heartbeat").start()
        try:
            yield
        finally:
            self._ended.set()
            hook.remove()

    def _watch(self) -> None:
        while not self._ended.wait(min(5.0, self.timeout / 4)):
            silent = time.monotonic() - self._last
            if silent > self.timeout + self._more:
                self._leave(silent)

    def _leave(self, silent: float) -> None:
        stack = traceback.extract_stack(sys._current_frames()[threading.main_thread().ident])
        rank = self.accelerator.process_index
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"hang-process-{rank}.txt"
        path.write_text("".join(traceback.format_list(stack)), encoding="utf-8")
        where = f"{stack[-1].filename}:{stack[-1].lineno} ({stack[-1].name})"
        others = (
            " Where processes differ, the one that is not in a collective operation (all_reduce, gather, barrier) "
            "holds the others up."
        )
        text = (
            f"stopped: process {rank} made no progress for {duration(silent)} (faults.hang_timeout); it is in "
            f"{where}, its stack in {path}."
            f"{others if self.accelerator.num_processes > 1 else ''} The same command resumes from the newest "
            "checkpoint"
        )
        os.write(2, f"{text}\n".encode())
        os._exit(Stopped.code)
