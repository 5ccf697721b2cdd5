"""Training processes that start fast: forked from one that has imported everything, so that hundreds can be afforded.

Each is a process of its own with its own session, runs the script as a person does, and can be killed like any other.
With several, this process is the launcher: it sets the environment as torchrun does, and when one dies it ends the
others.
"""

import contextlib
import os
import re
import runpy
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_STEP = re.compile(r"^step +(\d+)/\d+ ", re.MULTILINE)


def become(
    folder: Path,
    words: Sequence[str],
    environ: Mapping[str, str],
    stdout: Path,
    stderr: Path,
    prepare: Callable[[], None] = lambda: None,
) -> None:
    """Turn this process into one that runs a script, as if it had just been started; does not return.

    Args:
        folder: where it runs.
        words: the script and its arguments, or -m and a package first.
        environ: its whole environment.
        stdout, stderr: files that its output is appended to.
        prepare: called before the script.
    """
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        for number, path in ((1, stdout), (2, stderr)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), number)
        os.environ.clear()
        os.environ.update(environ)
        prepare()
        _run(words)
        code = 0
    except SystemExit as left:
        code = _exit_code(left)
    except BaseException:  # as the interpreter would
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)  # not sys.exit: the parent's handlers and threads are not this process's


def _exit_code(left: SystemExit) -> int:
    """The status that the interpreter makes of a SystemExit: None is success, and a message is a failure."""
    if left.code is None:
        return 0
    return left.code if isinstance(left.code, int) else 1


def _run(words: Sequence[str]) -> None:
    """What the interpreter does with a script and its arguments, or with -m, a package and its arguments."""
    if words[0] == "-m":
        sys.argv, sys.path[0] = list(words[1:]), os.getcwd()
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(words)
        sys.path[0] = str(Path(words[0]).parent)
        runpy.run_path(words[0], run_name="__main__")


class Training:
    """A start of a run, with its processes.

    Args:
        folder: where it runs; its output is appended to ``console`` there.
        words: script and arguments.
        processes: their number.
        prepare: called in each of them before the script.
    """

    def __init__(
        self,
        folder: Path,
        words: Sequence[str],
        processes: int,
        prepare: Callable[[], None],
        console: str = "console.txt",
    ):
        self.folder, self.words, self.prepare = folder, words, prepare
        self.console = folder / console
        self.console.touch()
        self.begins = self.console.stat().st_size  # what is before was printed by earlier starts
        self.started = time.monotonic()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        several = {
            "WORLD_SIZE": str(processes),
            "LOCAL_WORLD_SIZE": str(processes),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
            "ACCELERATE_USE_CPU": "true",
        }
        self.codes: dict[int, int | None] = {}
        self.first = 0
        """The exit code of the process that failed first, which is why a launcher ends the others."""
        for rank in range(processes):
            environ = {**several, "RANK": str(rank), "LOCAL_RANK": str(rank)} if processes > 1 else {}
            sys.stdout.flush()
            pid = os.fork()
            if pid == 0:
                become(folder, words, {**os.environ, **environ}, self.console, self.console, prepare)
            self.codes[pid] = None

    def again(self) -> "Training":
        """Start the same command once more, with one process, beside this one."""
        return Training(self.folder, self.words, 1, self.prepare, "second.txt")

    @property
    def pids(self) -> list[int]:
        """The process ids, by rank."""
        return list(self.codes)

    def text(self) -> str:
        """What it printed so far."""
        with self.console.open(encoding="utf-8", errors="replace") as file:
            file.seek(self.begins)
            return file.read()

    def step(self) -> int:
        """The last step that it printed, 0 before the first."""
        found = _STEP.findall(self.text())
        return int(found[-1]) if found else 0

    def running(self) -> bool:
        """Whether any process runs; where one has died the others are told to end, as launchers do."""
        for pid in [pid for pid, code in self.codes.items() if code is None]:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self.codes[pid] = os.waitstatus_to_exitcode(status)
                self.first = self.first or self.codes[pid]
        left = [pid for pid, code in self.codes.items() if code is None]
        if left and len(left) < len(self.codes):
            # Where all others have finished well, one that was stopped meanwhile may continue, and finish too.
            self.send(signal.SIGKILL if self.first else signal.SIGCONT)
        return bool(left)

    def wait(self, seconds: float) -> int | None:
        """Wait for the end: 0, or the exit code of the process that failed first; None where it still runs."""
        until = time.monotonic() + seconds
        while self.running():
            if time.monotonic() > until:
                return None
            time.sleep(0.01)
        return self.first

    def wait_until(self, happened: Callable[[], bool], seconds: float = 120) -> bool:
        """Wait until something has happened; False where the run ends before, or the time is up."""
        until = time.monotonic() + seconds
        while not happened():
            if not self.running() or time.monotonic() > until:
                return happened()
            time.sleep(0.005)
        return True

    def send(self, number: int, ranks: Sequence[int] | None = None) -> None:
        """Send a signal to all processes, or to those of some ranks."""
        for rank, pid in enumerate(self.pids):
            if self.codes[pid] is None and (ranks is None or rank in ranks):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
