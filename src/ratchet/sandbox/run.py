"""Starts programs inside: each in a process group, or a container, that is ended when its time is over.

What the sandbox is not: a jail against somebody who knows a hole in the kernel. Where that is to be feared, name a
container or a virtual machine as ``isolation``.
"""

import contextlib
import ctypes
import functools
import json
import os
import random
import selectors
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet.errors import UserError

BUBBLEWRAP = "bubblewrap"
HEADER = struct.Struct(">cI")
SHOWN = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/alternatives")
"""What of the machine a program sees, beside the folders of Python itself; it can only read them."""
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",  # the same order of sets in every run
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
PATIENCE = 4  # seconds on the clock for each one of processor time: the machine may be busy
MOST = 1_000_000
"""Of any limit."""
GRACE = 10.0  # seconds that a process may take to come up, beside its own time


@dataclass(frozen=True)
class Sandbox:
    """How programs are confined. The fields are keys of a recipe."""

    isolation: str = BUBBLEWRAP
    """"bubblewrap" (Linux: nothing of the machine but Python, no network), "none" (limits alone: a program can read
    what you can read and reach the network), or a command that comes before ``python3``, as "docker run -i --rm
    --network none python:3.11-slim"."""
    seconds: float = 5.0
    """Of processor time, rounded up; four times as many pass on the clock before a program is ended all the same."""
    memory_mb: int = 512
    """Of address space, per process."""
    processes: int = 8
    """Processes and threads at a time (one with ``isolation: none``)."""
    output_kb: int = 1024
    """Of what it prints, and of what its functions return."""
    files_mb: int = 16
    """Of its files, which are gone afterwards."""
    packages: bool = False
    """Whether it may import the packages that are installed beside Ratchet; without them, the standard library."""

    def __post_init__(self) -> None:
        for name in ("seconds", "memory_mb", "processes", "output_kb", "files_mb"):
            if not 0 < getattr(self, name) <= MOST:
                raise UserError(
                    f"sandbox.{name} must be greater than 0, and at most {MOST}; it is {getattr(self, name)}"
                )
        try:
            shlex.split(self.isolation)
        except ValueError as error:
            raise UserError(f"sandbox.isolation is no command ({error}): {self.isolation}") from None

    def __str__(self) -> str:
        where = {BUBBLEWRAP: "bubblewrap, without network", "none": "no isolation, under limits alone"}
        return f"{where.get(self.isolation, self.isolation)}; {self.seconds:g} s, {self.memory_mb} MB"


@dataclass(frozen=True)
class Outcome:
    """What became of a program."""

    passed: bool
    why: str = ""
    """Why not, in words."""
    output: str = ""
    """What it printed, for a program that is run by itself."""


def run_program(sandbox: Sandbox, source: str, given: str) -> Outcome:
    """Run a program as a file that is started.

    Args:
        given: what it reads from its standard input.

    Returns:
        ``passed`` where it ended by itself, without an error.
    """
    with _Confined(sandbox, "program") as process:
        process.send(_frame(source) + given.encode(errors="replace"))
        process.sends_no_more()
        why = _conversed(sandbox, [process])
        output = process.printed.decode("utf-8", "replace")
        if why:
            return Outcome(False, why, output)
        code = process.code()
        said = process.complained.decode("utf-8", "replace").strip().splitlines()
        return Outcome(code == 0, "" if code == 0 else said[-1] if said else _ending(code), output)


def run_tests(
    sandbox: Sandbox, source: str, tests: str, entry: str | None = None, harness: str = "", row: Any = None
) -> Outcome:
    """Run an answer and, in a process of their own, its tests.

    Args:
        tests: Python code that raises where the answer is wrong: asserts, functions called test_*, unittest's classes,
            or ``check(candidate)`` as HumanEval has it.
        entry: the function that ``check`` is given.
        harness: code that comes before the tests.
        row: plain data that they see as ``row``.
    """
    given = {"tests": tests, "entry": entry or "", "harness": harness, "row": row}
    with _Confined(sandbox, "answer") as answer, _Confined(sandbox, "tests") as judge:
        answer.send(_frame(source))
        judge.send(_frame(given))
        why = _conversed(sandbox, [answer, judge])
    if judge.verdict is None:
        return Outcome(False, why or "the tests ended without a verdict")
    return Outcome(not judge.verdict, judge.verdict)


def check_sandbox(sandbox: Sandbox) -> None:
    """Make sure that programs can be run as is wished.

    Raises:
        UserError: saying what is missing, and what else can be done.
    """
    why = _problem(sandbox)
    if why:
        raise UserError(
            f"programs cannot be run in isolation ({why}). On Linux: apt install bubblewrap (0.7 or later). Elsewhere "
            'name a container, sandbox: {isolation: "docker run -i --rm --network none python:3.11-slim"}; sandbox: '
            "{isolation: none} runs them as you, with your files and network, for programs that you trust"
        )


@functools.cache
def _problem(sandbox: Sandbox) -> str:
    if sandbox.isolation == BUBBLEWRAP and shutil.which("bwrap") is None:
        return "bwrap is not installed"
    words = shlex.split(sandbox.isolation)
    if sandbox.isolation not in (BUBBLEWRAP, "none") and (not words or shutil.which(words[0]) is None):
        return f"sandbox.isolation names the command {words[0] if words else '(none)'}, which is not here"
    done = run_program(sandbox, "print(6 * 7)", "")
    return "" if done.output.strip() == "42" else done.why


class _Confined:
    """One Python inside."""

    def __init__(self, sandbox: Sandbox, kind: str):
        self.sandbox, self.kind = sandbox, kind
        self.waiting = b""
        self.printed, self.complained = bytearray(), bytearray()
        self.verdict: str | None = None
        self.up, self.taken = False, 0
        self.last = False  # nothing more is to be sent

    def __enter__(self) -> "_Confined":
        self.folder = tempfile.TemporaryDirectory(prefix="ratchet-program-")
        self.info, theirs = os.pipe()
        words = [*_before_python(self.sandbox, theirs), *_python(self.sandbox, self.kind)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            words, stdin=pipe, stdout=pipe, stderr=pipe, cwd=self.folder.name, env=_environment(self.sandbox),
            start_new_session=True, bufsize=0, pass_fds=[theirs] if self.sandbox.isolation == BUBBLEWRAP else [],
        )  # fmt: skip
        os.close(theirs)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            os.set_blocking(stream.fileno(), False)
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reap()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError):
                stream.close()
        self.folder.cleanup()

    def _reap(self) -> None:
        """Wait for bubblewrap's inner process, which its outer one leaves behind: not every system does it for us."""
        said = os.read(self.info, 4096)
        os.close(self.info)
        with contextlib.suppress(ValueError, TypeError, OSError):
            os.waitpid(json.loads(said)["child-pid"], 0)

    def send(self, data: bytes) -> None:
        """Have it written, as it takes it."""
        self.waiting += data

    def sends_no_more(self) -> None:
        """Its input ends with what waits."""
        self.last = True

    def write(self) -> bool:
        """Write some of what waits; False when there is no more to be done."""
        try:
            self.waiting = self.waiting[os.write(self.process.stdin.fileno(), self.waiting[: 1 << 16]) :]
        except BlockingIOError:
            return True
        except OSError:  # it reads no more
            self.waiting = b""
        return bool(self.waiting)

    def take(self, what: str, handle: int) -> bool:
        """Read some of what it prints ("out") or complains of ("err"); False when there is no more."""
        data = _read(handle)
        if what == "err":
            self.complained += data[: max(0, 4096 - len(self.complained))]
            return bool(data)
        self.taken += len(data)
        self.printed += data
        if not self.up and len(self.printed) >= HEADER.size:
            self.up = True
            del self.printed[: HEADER.size]
        return bool(data)

    def code(self) -> int:
        """Its exit status; minus a signal's number."""
        try:
            return self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL

    def frames(self) -> list[tuple[bytes, bytes]]:
        """Whole frames of what it has printed, taken away: the kind and all of it."""
        found = []
        while len(self.printed) >= HEADER.size:
            kind, size = HEADER.unpack_from(self.printed)
            if len(self.printed) < HEADER.size + size:
                break
            found.append((kind, bytes(self.printed[: HEADER.size + size])))
            del self.printed[: HEADER.size + size]
        return found


def _conversed(sandbox: Sandbox, processes: Sequence[_Confined]) -> str:
    """Let them run, and hand what one says to the other, until the verdict or the end; what went wrong, or nothing."""
    deadline = time.monotonic() + PATIENCE * sandbox.seconds + GRACE
    open_now, up = set(processes), False
    with selectors.DefaultSelector() as selector:
        for process in processes:
            selector.register(process.process.stdout, selectors.EVENT_READ, (process, "out"))
            selector.register(process.process.stderr, selectors.EVENT_READ, (process, "err"))
        while open_now:
            for process in processes:
                _offer(selector, process)
            left = deadline - time.monotonic()
            if left <= 0:
                return f"it did not end within {PATIENCE * sandbox.seconds:g} s"
            for key, _ in selector.select(left):
                process, what = key.data
                if process.write() if what == "in" else process.take(what, key.fd):
                    continue
                selector.unregister(key.fileobj)
                if what == "out":
                    open_now.discard(process)
                    for other in processes:  # who waits for it, waits in vain
                        other.last = True
            if not up and all(process.up for process in processes):  # from now on it is their own time
                up, deadline = True, time.monotonic() + PATIENCE * sandbox.seconds
            if any(process.taken > sandbox.output_kb * 1024 for process in processes if process.kind != "tests"):
                return f"it printed or returned more than {sandbox.output_kb} kB"
            if len(processes) == 2 and any(_relayed(process, *processes) for process in processes):
                return ""
    return ""


def _relayed(process: _Confined, answer: _Confined, judge: _Confined) -> bool:
    """Hand frames on; whether there is a verdict, which only the judge can give."""
    for kind, frame in process.frames():
        if process is judge and kind == b"V":
            judge.verdict = json.loads(frame[HEADER.size :])
            return True
        (answer if process is judge else judge).send(frame)
    return False


def _offer(selector: selectors.BaseSelector, process: _Confined) -> None:
    """Ask to be told when it takes what waits for it; close its input where nothing more comes."""
    stream = process.process.stdin
    if stream.closed:
        return
    if process.waiting and stream.fileno() not in selector.get_map():
        selector.register(stream, selectors.EVENT_WRITE, (process, "in"))
    if not process.waiting and process.last:
        if stream.fileno() in selector.get_map():
            selector.unregister(stream)
        stream.close()


def _read(handle: int) -> bytes:
    try:
        return os.read(handle, 1 << 16)
    except OSError:
        return b""


def _frame(value: Any) -> bytes:
    text = json.dumps(value).encode()
    return HEADER.pack(b"C", len(text)) + text


def _ending(code: int) -> str:
    if code >= 0:
        return f"it ended with exit status {code}"
    return f"it was ended by {signal.Signals(-code).name}"


def _environment(sandbox: Sandbox) -> dict[str, str]:
    if sandbox.isolation in (BUBBLEWRAP, "none"):
        return ENVIRONMENT
    return {**os.environ, **ENVIRONMENT, "PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "/")}


def _python(sandbox: Sandbox, kind: str) -> list[str]:
    """Python with the text of what runs inside."""
    own = sandbox.isolation in (BUBBLEWRAP, "none")
    python = sys.executable if sandbox.packages else os.path.realpath(sys.executable)
    words = [python if own else "python3", "-I", *([] if sandbox.packages else ["-S"])]
    megabyte = 1 << 20
    resources = {
        "RLIMIT_CPU": -(-sandbox.seconds // 1),
        "RLIMIT_AS": sandbox.memory_mb * megabyte,
        "RLIMIT_FSIZE": sandbox.files_mb * megabyte,
        "RLIMIT_NOFILE": 32,
        "RLIMIT_CORE": 0,
        # all of a user's processes count where there is no namespace: then it starts none
        "RLIMIT_NPROC": 0 if sandbox.isolation == "none" else sandbox.processes,
    }
    root = sandbox.isolation == BUBBLEWRAP and os.getuid() == 0  # whom no number of processes binds
    user = random.Random(os.urandom(8)).randrange(1 << 20, 1 << 30) if root else 0
    limits = {"resources": {name: int(value) for name, value in resources.items()}, "user": user}
    return [*words, "-c", _inside(), kind, json.dumps(limits)]


@functools.cache
def _inside() -> str:
    return Path(__file__).with_name("inside.py").read_text(encoding="utf-8")


@functools.cache
def _become_subreaper() -> None:
    """Have orphans of what this process starts become its own children."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def _before_python(sandbox: Sandbox, info: int) -> list[str]:
    if sandbox.isolation == "none":
        return []
    if sandbox.isolation != BUBBLEWRAP:
        return shlex.split(sandbox.isolation)
    _become_subreaper()
    words = [
        "bwrap",
        "--info-fd",
        str(info),
        "--die-with-parent",
        "--new-session",
        "--unshare-ipc",
        "--unshare-pid",
        "--unshare-net",
    ]
    words += ["--unshare-uts", "--unshare-cgroup-try", "--cap-drop", "ALL"]
    words += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] if os.getuid() == 0 else ["--unshare-user"]
    for folder in dict.fromkeys([*SHOWN, sys.base_prefix, *([sys.prefix] if sandbox.packages else [])]):
        for parent in list(Path(folder).parents)[-2::-1]:  # or they could not be passed through by another user
            words += ["--perms", "0755", "--dir", str(parent)]
        words += ["--ro-bind-try", folder, folder]
    size = str(sandbox.files_mb << 20)
    words += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--size", size, "--tmpfs", "/dev/shm"]
    words += ["--perms", "1777", "--size", size, "--tmpfs", "/tmp", "--remount-ro", "/", "--chdir", "/tmp"]
    return [*words, "--"]
