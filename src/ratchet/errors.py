"""The one exception that reaches a person as a sentence instead of a traceback."""

import contextlib
import os
import select
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

STATUS_FILE = "STATUS_OF_RATCHET"  # no key of a recipe, as RATCHET_... are
"""Environment variable with the path of a file for the exit code and the sentence."""


class UserError(Exception):
    """Something the user can put right: says what is wrong, where, and what to do. Programs exit with 2."""

    code = 2
    word = "error"
    said = False

    def say(self) -> None:
        """Print it, once; of several processes the first one does."""
        if not self.said and os.environ.get("RANK", "0") == "0":
            print(f"{self.word}: {self}", file=sys.stderr, flush=True)
        self.said = True


class Stopped(UserError):
    """A run that ended early and resumes when the same command is rerun: exit code 75 (EX_TEMPFAIL of sysexits.h)."""

    code = 75
    word = "stopped"


class UserErrors(UserError):
    """Several findings at once, each a whole sentence, so that one attempt shows all of them."""

    def __init__(self, findings: Sequence[str], heading: str = ""):
        self.findings = list(findings)
        lines = [heading] if heading else []
        super().__init__("\n".join([*lines, *self.findings]))


def reader_left() -> bool:
    """Whether nobody reads standard output any more; from then on it goes nowhere.

    A pipe without a reader is only noticed by writing; poll also notices one that was not written to.
    """
    try:
        sys.stdout.flush()
        os.write(sys.stdout.fileno(), b"")
        poll = select.poll()
        poll.register(sys.stdout.fileno(), select.POLLOUT)
        gone = any(event & select.POLLERR for _, event in poll.poll(0))
    except (OSError, ValueError):
        gone = True
    if gone:
        to_nowhere(sys.stdout)
    return gone


def to_nowhere(stream: Any) -> None:
    """Let what is written to a stream from now on vanish."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _leave_status(error: UserError) -> None:
    """Tell whoever started this through a launcher, which passes on neither exit code nor sentence."""
    file = os.environ.get(STATUS_FILE)
    if file and os.environ.get("RANK", "0") == "0":
        with contextlib.suppress(OSError), open(file, "w", encoding="utf-8") as status:
            status.write(f"{error.code}\n{error.word}: {error}\n")


def command(main: Callable[[], int | None]) -> Callable[[], None]:
    """Turn ``main`` into a console command: a ``UserError`` becomes text on stderr (rank 0 only) and its exit code."""

    @wraps(main)
    def run() -> None:
        try:
            code = main()
        except UserError as error:
            error.say()
            _leave_status(error)
            raise SystemExit(error.code) from None
        except BrokenPipeError:  # `... --show-config | head`
            if not reader_left():
                raise
            code = 0
        except KeyboardInterrupt:
            raise SystemExit(130) from None
        raise SystemExit(code or 0)

    return run
