"""Where the seconds of a step go."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Adds up wall-clock seconds by phase; a phase within another is not counted twice.

    On a GPU a phase that only queues work looks short, and the one that waits for it long. Rollouts and rewards end by
    reading their results, so what they queue is counted with them.
    """

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._open: list[str] = []
        self._since = 0.0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Charge what happens inside to ``name``."""
        self.begin(name)
        try:
            yield
        finally:
            self.end(name)

    def begin(self, name: str) -> None:
        """Open a phase; ``end`` closes it."""
        self._charge()
        self._open.append(name)

    def end(self, name: str) -> None:
        """Close a phase, and those that an exception left open within it."""
        self._charge()
        if name in self._open:
            del self._open[self._open.index(name) :]

    def _charge(self) -> None:
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def take(self) -> dict[str, float]:
        """The seconds so far, which are then forgotten."""
        self._charge()
        taken, self.seconds = dict(self.seconds), Counter()
        return taken
