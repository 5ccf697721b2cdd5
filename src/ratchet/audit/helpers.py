"""Shares parts of an audit out to processes, for graders and rewards that are slow."""

import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import Pipe, connection, get_all_start_methods, get_context
from typing import Any, TypeVar

from ratchet.audit.watched import Beat, overdue
from ratchet.errors import UserError
from ratchet.workers import die_with_parent

MOST = 8
WORTH = 5.0
"""Seconds that the rest must be expected to take before processes are started for it."""

Item, Part = TypeVar("Item"), TypeVar("Part")


def shared_out(
    work: Callable[[Item, Beat], Part],
    items: Sequence[Item],
    expected: float,
    until: float,
    timeout: float,
    beat: Beat,
) -> Iterator[Part]:
    """The results of the work for the items, as they are ready; after ``until`` no further items are begun.

    Args:
        expected: seconds that all of it may take; what is soon done is done here.
        until: of the monotonic clock.
        timeout: seconds that one step of the work may take.
        beat: is told what is being done, by whichever process.

    Raises:
        UserError: what the work raises, and for a step that takes too long.
    """
    count = min(MOST, os.cpu_count() or 1, len(items))
    if expected > WORTH and count > 1 and "fork" in get_all_start_methods():
        yield from _by_helpers(work, list(items), count, until, timeout, beat)
        return
    for item in items:
        if time.monotonic() > until:
            return
        yield work(item, beat)


def _by_helpers(
    work: Callable[[Item, Beat], Part], items: list[Item], count: int, until: float, timeout: float, beat: Beat
) -> Iterator[Part]:
    waiting = items[::-1]
    busy: set[_Helper] = set()
    helpers = [_Helper(work) for _ in range(count)]
    try:
        while True:
            for helper in helpers:
                if helper not in busy and waiting and time.monotonic() <= until:
                    helper.give(waiting.pop(), timeout)
                    busy.add(helper)
            if not busy:
                return
            nearest = min(helper.deadline for helper in busy)
            ready = connection.wait([helper.pipe for helper in busy], max(0.0, nearest - time.monotonic()))
            for helper in [helper for helper in helpers if helper in busy and helper.pipe in ready]:
                kind, value = helper.take(timeout)
                if kind == "doing":
                    beat(value)
                elif kind == "raised":
                    raise UserError(value)
                else:
                    busy.remove(helper)
                    yield value
            for helper in busy:
                if time.monotonic() > helper.deadline:
                    raise overdue(helper.doing, timeout)
    finally:
        for helper in helpers:
            helper.end()


class _Helper:
    """A forked process that does one item at a time."""

    def __init__(self, work: Callable[[Any, Beat], Any]):
        sys.stdout.flush()
        sys.stderr.flush()
        self.pipe, theirs = Pipe()
        self.process = get_context("fork").Process(target=_serve, args=(work, theirs), daemon=False)
        self.process.start()
        theirs.close()
        self.doing, self.deadline = "starting", 0.0

    def give(self, item: Any, timeout: float) -> None:
        self.deadline = time.monotonic() + timeout
        self.pipe.send(item)

    def take(self, timeout: float) -> tuple[str, Any]:
        """What it says: what it is doing, what was raised, or the result."""
        try:
            kind, value = self.pipe.recv()
        except (EOFError, OSError):
            raise UserError(f"a process of the audit died while {self.doing}") from None
        if kind == "doing":
            self.doing, self.deadline = value, time.monotonic() + timeout
        return kind, value

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _serve(work: Callable[[Any, Beat], Any], pipe: connection.Connection) -> None:
    die_with_parent()
    while True:
        item = pipe.recv()
        try:
            said = ("done", work(item, lambda doing: pipe.send(("doing", doing))))
            pickle.dumps(said)
        except UserError as error:
            said = ("raised", str(error))
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            said = ("raised", f"what grade returns cannot be passed between processes: {error}")
        pipe.send(said)
