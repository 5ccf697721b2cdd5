"""Signals that ask to stop, remembered: what was started elsewhere is ended in order instead of being left behind."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def remembered(saying: str = "") -> Iterator[list[int]]:
    """The signals heard while the block lasts, the first one first; at the first ``saying`` is printed."""
    heard: list[int] = []

    def hear(number: int, frame: Any) -> None:
        if saying and not heard:
            print(saying, file=sys.stderr, flush=True)
        heard.append(number)

    before = {number: signal.signal(number, hear) for number in STOPPING}
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
