"""A trainer and its server as processes here: started, waited for, told to stop, and ended with their children.

Whichever ends first, everything that was started is ended: the trainer may finish its step and save, the server is
told to go, and what does not go is killed with its children.
"""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from ratchet.errors import STATUS_FILE, Stopped, UserError
from ratchet.launch.request import program_of
from ratchet.launch.signals import remembered
from ratchet.runtime import duration

CHILDREN = 2.0  # seconds in which what a process started follows it
SERVER_GRACE, TRAINER_GRACE = 20.0, 5.0  # seconds between asking one to end and killing it
LATEST_STOP = 60.0  # seconds that a trainer may take to finish its step and save, beyond its own limit
ANNOUNCE = 15.0  # seconds between lines about a server that is still loading
EXTRAS = {
    "vllm": 'pip install -e ".[vllm]"'
}  # program -> what installs it, where that is no part of the package itself


@dataclass
class Commands:
    """What is started, in words: each with the environment that differs from this one's."""

    train: list[str]
    train_environment: dict[str, str] = field(default_factory=dict)
    serve: list[str] | None = None
    serve_environment: dict[str, str] = field(default_factory=dict)
    log: Path | None = None
    """The server's."""
    health: str = ""
    """The server's address that answers 200 once it is up."""

    def text(self) -> str:
        """For a reader, and for a shell."""
        lines = []
        if self.serve:
            serve = f"{_assigned(self.serve_environment)}{shlex.join(self.serve)}"
            lines.append(f"{serve} > {shlex.quote(str(self.log))} 2>&1 &")
            lines.append(f"until curl --fail --silent {self.health}; do sleep 1; done")
        return "\n".join([*lines, self.training()])

    def training(self) -> str:
        """The trainer's command."""
        return f"{_assigned(self.train_environment)}{shlex.join(self.train)}"


def _assigned(environment: Mapping[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)} " for name, value in environment.items())


def run(what: Commands, environ: Mapping[str, str], server_wait: float, grace: float) -> int:
    """Start it, and end all of it; returns the trainer's exit status.

    Args:
        server_wait: seconds in which the server has to be up.
        grace: seconds that the recipe gives a trainer to finish its step.
    """
    with remembered() as heard:
        server = None
        try:
            if what.serve:
                what.log.parent.mkdir(parents=True, exist_ok=True)
                print(f"starting vLLM: {shlex.join(what.serve)} (log: {what.log})", flush=True)
                server = _start(what.serve, {**environ, **what.serve_environment}, what.log.open("wb"))
                _wait_until_up(server, what, server_wait, heard)
            if heard:
                return 128 + heard[0]  # as a shell says it
            with tempfile.TemporaryDirectory() as place:
                status = Path(place, "status")
                train = {**environ, **what.train_environment, STATUS_FILE: str(status)}
                trainer = _start(what.train, train, None)
                return _as_said(status, _follow(trainer, server, what, grace + LATEST_STOP, heard))
        finally:
            if server is not None:
                _end(server, SERVER_GRACE)


def _as_said(status: Path, code: int) -> int:
    """The exit code of the script itself, and its sentence once more, below what the launcher prints of its own."""
    if code == 0 or not status.is_file():
        return code
    said, _, sentence = status.read_text(encoding="utf-8").partition("\n")
    print(sentence.rstrip(), file=sys.stderr, flush=True)
    return int(said)


def _follow(
    trainer: subprocess.Popen, server: subprocess.Popen | None, what: Commands, grace: float, heard: list[int]
) -> int:
    """Wait for the trainer, pass a signal on to it, and say when the server is lost; the exit status."""
    told_at: float | None = None
    server_lost = False
    try:
        while trainer.poll() is None:
            time.sleep(0.1)
            if heard and told_at is None:
                told_at = time.monotonic()
                _signal_ranks(trainer, signal.SIGUSR1)
            if told_at is not None and time.monotonic() - told_at > grace:
                text = f"stopped: the trainer did not leave within {duration(grace)} of the signal; it is killed"
                print(text, file=sys.stderr, flush=True)
                break
            if server is not None and server.poll() is not None and not server_lost:
                server_lost = True
                text = f"warning: the vLLM server ended (exit status {server.returncode})"
                print(f"{text}; the trainer says what follows{_tail(what.log)}", flush=True)
        return Stopped.code if trainer.poll() is None else trainer.wait(0.1)
    finally:
        _end(trainer, TRAINER_GRACE if trainer.poll() is None else 0)


def _signal_ranks(launcher: subprocess.Popen, number: int) -> None:
    """Signal the training processes themselves, which finish their step; a launcher would kill them after 30 seconds.

    Only such as run the script: others would be killed by a signal they do not know.
    """
    for child in psutil.Process(launcher.pid).children(recursive=True):
        with suppress(psutil.Error):
            words = child.cmdline()
            trains = any(word.endswith(("grpo.py", "sft.py")) for word in words)
            if trains and "launch" not in words:
                child.send_signal(number)


def _start(words: Sequence[str], environ: Mapping[str, str], output: IO[bytes] | None) -> subprocess.Popen:
    """Start a program in a process group of its own, so that Ctrl-C reaches only this process, which passes it on."""
    program = program_of(words[0], environ)
    if program is None:
        raise UserError(f"there is no {words[0]} here; {EXTRAS.get(words[0], 'pip install -e .')}")
    try:
        return subprocess.Popen(
            [program, *words[1:]],
            env=dict(environ),
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            start_new_session=True,
        )
    except OSError as error:
        raise UserError(f"{words[0]} cannot be started: {error.strerror}") from None


def _wait_until_up(server: subprocess.Popen, what: Commands, seconds: float, heard: list[int]) -> None:
    """Wait until the server is healthy.

    Raises:
        UserError: when it ends, or does not come up in time; with the end of its log.
    """
    import requests

    began, announced = time.monotonic(), 0.0
    while not heard:
        if server.poll() is not None:
            text = f"the vLLM server ended with exit status {server.returncode} before it was up"
            raise UserError(f"{text}{_tail(what.log)}")
        try:
            if requests.get(what.health, timeout=5).status_code == 200:
                print(f"vLLM is up after {duration(time.monotonic() - began)}", flush=True)
                return
        except requests.RequestException:
            pass
        if time.monotonic() - began > seconds:
            raise UserError(f"the vLLM server did not come up in {duration(seconds)} (--server-wait){_tail(what.log)}")
        if time.monotonic() - announced > ANNOUNCE:
            announced = time.monotonic()
            last = (_lines(what.log) or ["nothing in its log yet"])[-1]
            print(f"waiting for vLLM ({duration(time.monotonic() - began)}): {last[:160]}", flush=True)
        time.sleep(0.3)


def _lines(log: Path) -> list[str]:
    try:
        return log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return []


def _tail(log: Path, count: int = 15) -> str:
    lines = _lines(log)[-count:]
    return f"; the end of {log}:\n  " + "\n  ".join(lines) if lines else f" ({log} is empty)"


def _end(process: subprocess.Popen, grace: float) -> None:
    """End a process and everything that it started: first asked, then killed."""
    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.Error:
        family = []
    if grace and process.poll() is None:
        for one in family[:1]:
            one.send_signal(signal.SIGTERM)
        psutil.wait_procs(family[:1], timeout=grace)
        psutil.wait_procs(family[1:], timeout=min(grace, CHILDREN))
    for one in family:
        with suppress(psutil.Error):
            one.kill()
    # What lost its parent on the way is still in the group.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
