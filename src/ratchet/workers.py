"""Python processes that do one thing at a time and can be killed: for code that may hang, crash, or never return.

Nothing else stops Python code that holds the interpreter (a regular expression that backtracks forever, a symbolic
parser that forks itself), so a time limit needs a process. A worker imports no torch, starts in a fraction of a
second, and leads a process group, so that what it started dies with it.
"""

import contextlib
import ctypes
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import Pipe, connection
from pathlib import Path
from typing import Any

START = 120.0  # seconds that a worker may take to come up
READY = "ready"
PYTHON = "WORKERS_PYTHON"
"""Variable that names the Python of workers, where this one belongs to a harness with other versions."""


class Worker:
    """One process, started when there is something to do.

    Args:
        module: that is run, and calls ``serve``.
        argument: what it is told, beside the pipe.
    """

    def __init__(self, module: str, argument: str = ""):
        self.module, self.argument = module, argument
        self.process: subprocess.Popen | None = None
        self.pipe: connection.Connection | None = None

    def give(self, request: Any) -> None:
        """Send a request, to a new process where there is none, or it died between two requests.

        Raises:
            OSError: where a process cannot be started, or takes nothing.
        """
        data = pickle.dumps(request)
        if self.process is not None:
            try:
                self.pipe.send_bytes(data)
                return
            except OSError:
                self.end()
        self._start()
        self.pipe.send_bytes(data)

    def take(self, timeout: float | None = None) -> Any:
        """What it sends; None where it died, or sends nothing for so many seconds."""
        try:
            return pickle.loads(self.pipe.recv_bytes()) if timeout is None or self.pipe.poll(timeout) else None
        except (EOFError, OSError):
            return None

    def _start(self) -> None:
        self.pipe, theirs = Pipe()
        words = [os.environ.get(PYTHON, sys.executable), "-m", self.module, self.argument, str(theirs.fileno())]
        here = str(Path(__file__).resolve().parents[1])  # where this package is, for a Python that does not know it
        path = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), here])
        hidden = {"RANK": "0", "WORLD_SIZE": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": path}
        self.process = subprocess.Popen(
            words, pass_fds=[theirs.fileno()], start_new_session=True, env={**os.environ, **hidden}
        )
        theirs.close()
        if self.take(START) != READY:
            raise OSError(f"the worker process {self.module} did not start ({self.end()})")

    def end(self) -> str:
        """Kill it with everything it started; returns how it had ended."""
        if self.process is None:
            return "not started"
        code = None
        with contextlib.suppress(
            subprocess.TimeoutExpired
        ):  # it has just closed its end, perhaps, and is about to end
            code = self.process.wait(0.2)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.pipe.close()
        self.process = self.pipe = None
        return f"exit code {code}" if code is None or code >= 0 else f"signal {signal.Signals(-code).name}"


def die_with_parent() -> None:
    """On Linux: have this process killed when the one that started it ends, also in the middle of a request."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def serve(start: Callable[[str], Callable[[Any], Any]]) -> None:
    """A worker's life: answer what comes, until nothing does.

    Args:
        start: is given the worker's argument, and returns what answers a request.
    """
    argument, handle = sys.argv[1], int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks, which ends this one
    die_with_parent()
    pipe = connection.Connection(handle)
    os.set_inheritable(handle, False)  # or what the user's code starts would keep it open
    answer = start(argument)
    pipe.send_bytes(pickle.dumps(READY))
    while True:
        try:
            request = pickle.loads(pipe.recv_bytes())
        except EOFError:
            return
        pipe.send_bytes(pickle.dumps(answer(request)))
