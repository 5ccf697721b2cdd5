"""Runs an audit in a process of its own, which is killed where code of a task or a reward does not return.

Nothing else stops Python code that holds the interpreter, as a pattern that backtracks does. What the audit is doing
is said while it takes long.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing import Pipe, connection, get_all_start_methods, get_context
from typing import Any

from ratchet.errors import UserError
from ratchet.workers import die_with_parent

QUIET = 5.0  # seconds before, and between, words about how far the audit is

Beat = Callable[[str], None]
"""Is told what is about to be done."""
Work = Callable[[Beat], Any]
"""Does something, and says before each step what it is about to do."""


def silent(doing: str) -> None:
    """A ``Beat`` that nobody hears."""


def watched(work: Work, timeout: float) -> Any:
    """What the work returns.

    Args:
        timeout: seconds that one of its steps may take.

    Raises:
        UserError: where a step takes longer, naming it, and what the work itself raises.
    """
    if "fork" not in get_all_start_methods():
        return work(_Progress().say)
    sys.stdout.flush()
    sys.stderr.flush()
    ours, theirs = Pipe()
    process = get_context("fork").Process(target=_child, args=(work, theirs), daemon=False)
    process.start()
    theirs.close()
    try:
        return _followed(ours, timeout)
    finally:
        _end(process.pid)
        process.join()
        ours.close()


def _followed(pipe: connection.Connection, timeout: float) -> Any:
    progress, doing = _Progress(), "starting"
    while True:
        if not pipe.poll(timeout):
            raise overdue(doing, timeout)
        try:
            kind, value = pipe.recv()
        except EOFError:
            raise UserError(f"the audit's process died while {doing}") from None
        if kind == "doing":
            doing = value
            progress.say(doing)
        elif kind == "raised":
            raise UserError(value)
        else:
            return value


def overdue(doing: str, timeout: float) -> UserError:
    """What is said of a step that took too long."""
    return UserError(
        f"the audit was stopped: {doing} took longer than {timeout:g} s (audit.timeout); mend the grader or "
        "the reward, or raise the time"
    )


class _Progress:
    """Says what is being done, once it takes long."""

    def __init__(self) -> None:
        self.said = time.monotonic()

    def say(self, doing: str) -> None:
        if time.monotonic() - self.said > QUIET:
            self.said = time.monotonic()
            print(f"audit: {doing}", file=sys.stderr, flush=True)


def _child(work: Work, pipe: connection.Connection) -> None:
    os.setsid()  # what the user's code starts dies with this process
    die_with_parent()
    try:
        pipe.send(("done", work(lambda doing: pipe.send(("doing", doing)))))
    except UserError as error:
        pipe.send(("raised", str(error)))
    sys.stdout.flush()
    sys.stderr.flush()
    pipe.close()
    os._exit(0)  # not the parent's exit handlers


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
