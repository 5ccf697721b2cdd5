"""Here: ``accelerate launch`` on the GPUs that are present, with a vLLM server beside it where the recipe wants one.

Whatever ends first, everything that was started is ended: the trainer may finish its step and save, the server is told to go, and what
does not go is killed with its children.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from ratchet.errors import UserError
from ratchet.launch.request import SERVE_ENVIRONMENT, Launch, program_of
from ratchet.launch.signals import remembered
from ratchet.runtime import duration, nvidia_smi

CHILDREN = 2.0  # seconds in which what a process started follows it
LATEST_STOP = 60.0  # seconds that a trainer may take to finish its step and save, beyond its own limit


@dataclass(frozen=True)
class Division:
    """Which GPUs do what; empty lists leave the choice to CUDA_VISIBLE_DEVICES as it is."""

    trainer: tuple[int, ...] = ()
    inference: tuple[int, ...] = ()


def gpus_here(environ: Mapping[str, str]) -> list[int]:
    """The indices of the GPUs that a process started here would see."""
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [int(word) for word in visible.split(",") if word.strip().isdigit()]
    return [int(row[0]) for row in nvidia_smi("index")]


def numbers(text: str, option: str) -> tuple[int, ...]:
    """
    >>> numbers("0-2,5", "gpus")
    (0, 1, 2, 5)
    """
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdigit() or not (last or first).isdigit() or int(last or first) < int(first):
            raise UserError(f"--{option} takes numbers and ranges, as in 0-5 or 0,1,6; it is {text}")
        found += range(int(first), int(last or first) + 1)
    if len(set(found)) < len(found):
        raise UserError(f"--{option} names a GPU twice: {text}")
    return tuple(found)


def choose(recipe_uses_cpu: bool, header: str | None, here: int, root: Path) -> tuple[str, int]:
    """The accelerate configuration and the number of processes for what is here.

    Raises:
        UserError: where the recipe needs a GPU and there is none.
    """
    folder = root / "accelerate_configs"
    if recipe_uses_cpu:
        return str(folder / "cpu.yaml"), 1
    if here == 0:
        raise UserError(
            "there is no GPU here, and the recipe does not say use_cpu: true; ratchet doctor shows what is here"
        )
    if here == 1:
        return str(folder / "single_gpu.yaml"), 1
    name = Path(header).name if header and "single" not in header and "node" not in header else "zero2.yaml"
    return str(folder / name), here


def divide(launch: Launch, here: Sequence[int], trainer: tuple[int, ...], inference: tuple[int, ...]) -> Division:
    """Split the GPUs between trainer and server: as asked, else the last quarter (at least one) trains.

    Raises:
        UserError: for GPUs that are not here, or that both want.
    """
    if not launch.served:
        if inference:
            raise UserError(
                "--inference-gpus is for use_vllm: true with vllm_mode: server; this recipe starts no server"
            )
        return Division(trainer)
    if both := sorted(set(trainer) & set(inference)):
        raise UserError(
            f"GPU {both[0]} cannot be the trainer's and the server's at once: NCCL needs one process per GPU"
        )
    if missing := sorted(set(trainer + inference) - set(here)):
        raise UserError(f"GPU {missing[0]} is not here; there are {', '.join(map(str, here)) or 'none'}")
    if not trainer and not inference:
        if len(here) < 2:
            raise UserError(
                f"vllm_mode: server needs a GPU for the server and one for the trainer; here are {len(here)}. vllm_mode: colocate shares one"
            )
        count = max(1, len(here) // 4)
        return Division(tuple(here[-count:]), tuple(here[:-count]))
    rest = [gpu for gpu in here if gpu not in trainer + inference]
    return Division(trainer or tuple(rest), inference or tuple(rest))


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

    def text(self) -> str:
        """For a reader, and for a shell."""
        lines = []
        if self.serve:
            lines.append(
                f"{_assigned(self.serve_environment)}{shlex.join(self.serve)} > {shlex.quote(str(self.log))} 2>&1 &"
            )
            lines.append(f"until curl --fail --silent {self.health}; do sleep 1; done")
        return "\n".join([*lines, shown(self)])


def shown(what: Commands) -> str:
    """The trainer's command."""
    return f"{_assigned(what.train_environment)}{shlex.join(what.train)}"


def _assigned(environment: Mapping[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)} " for name, value in environment.items())


def commands(launch: Launch, division: Division) -> Commands:
    """The commands of a run here."""
    train_environment = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, division.trainer))} if division.trainer else {}
    more = [word for key, value in launch.overrides for word in (f"--{key}", value)]
    if not launch.served:
        return Commands(launch.accelerate(str(launch.recipe.path), more=more), train_environment)
    log = Path(launch.recipe.faults.server_log or launch.recipe.output_dir.with_name(f"{launch.name}.vllm.log"))
    more += [] if launch.recipe.faults.server_log else ["--faults.server_log", str(log)]
    return Commands(
        train=launch.accelerate(str(launch.recipe.path), more=more),
        train_environment=train_environment,
        serve=launch.serve(max(1, len(division.inference))),
        serve_environment={**SERVE_ENVIRONMENT, "CUDA_VISIBLE_DEVICES": ",".join(map(str, division.inference))},
        log=log,
        health=f"{launch.recipe.server_url.replace('0.0.0.0', '127.0.0.1')}/health",
    )


def run(launch: Launch, what: Commands, environ: Mapping[str, str], server_wait: float) -> int:
    """Start it, and end all of it; returns the trainer's exit status."""
    with remembered() as heard:
        server = None
        try:
            if what.serve:
                what.log.parent.mkdir(parents=True, exist_ok=True)
                print(f"starting vLLM: {shlex.join(what.serve)} (log: {what.log})", flush=True)
                server = _start(what.serve, {**environ, **what.serve_environment}, what.log.open("wb"))
                _wait_until_up(server, what, server_wait, heard)
            if heard:
                return 128 + heard[0]
            return _train(launch, what, environ, server, heard)
        finally:
            if server is not None:
                _end(server, 20)


def _train(
    launch: Launch, what: Commands, environ: Mapping[str, str], server: subprocess.Popen | None, heard: list[int]
) -> int:
    trainer = _start(what.train, {**environ, **what.train_environment}, None)
    grace, told, lost = launch.recipe.checkpointing.grace + LATEST_STOP, 0.0, False
    try:
        while trainer.poll() is None:
            time.sleep(0.1)
            if heard and not told:
                told = time.monotonic()
                _signal_ranks(trainer, signal.SIGUSR1)
            if told and time.monotonic() - told > grace:
                print(
                    f"stopped: the trainer did not leave within {duration(grace)} of the signal; it is killed",
                    file=sys.stderr,
                    flush=True,
                )
                break
            if server is not None and server.poll() is not None and not lost:
                lost = True
                print(
                    f"warning: the vLLM server ended (exit status {server.returncode}); the trainer says what follows{_tail(what.log)}",
                    flush=True,
                )
        return trainer.wait(0.1) if trainer.poll() is not None else 75
    finally:
        _end(trainer, 0 if trainer.poll() is not None else 5)


def _signal_ranks(launcher: subprocess.Popen, number: int) -> None:
    """To the training processes themselves, which finish their step; a launcher would kill them after 30 seconds.

    Only such as run the script: others would be killed by a signal they do not know.
    """
    for child in psutil.Process(launcher.pid).children(recursive=True):
        try:
            if (
                any(word.endswith(("grpo.py", "sft.py")) for word in child.cmdline())
                and "launch" not in child.cmdline()
            ):
                child.send_signal(number)
        except psutil.Error:
            continue


def _start(words: Sequence[str], environ: Mapping[str, str], output: IO[bytes] | None) -> subprocess.Popen:
    """In a process group of its own, so that a terminal's Ctrl-C reaches only this process, which passes it on in order."""
    program = program_of(words[0], environ)
    if program is None:
        extra = {"vllm": 'pip install -e ".[vllm]"'}.get(words[0], "pip install -e .")
        raise UserError(f"there is no {words[0]} here; {extra}")
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
    """Until it is healthy.

    Raises:
        UserError: when it ends, or does not come up in time; with the end of its log.
    """
    import requests

    began, told = time.monotonic(), 0.0
    while not heard:
        if server.poll() is not None:
            raise UserError(
                f"the vLLM server ended with exit status {server.returncode} before it was up{_tail(what.log)}"
            )
        try:
            if requests.get(what.health, timeout=5).status_code == 200:
                print(f"vLLM is up after {duration(time.monotonic() - began)}", flush=True)
                return
        except requests.RequestException:
            pass
        if time.monotonic() - began > seconds:
            raise UserError(f"the vLLM server did not come up in {duration(seconds)} (--server-wait){_tail(what.log)}")
        if time.monotonic() - told > 15:
            told = time.monotonic()
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
        try:
            one.kill()
        except psutil.Error:
            continue
    # What lost its parent on the way is still in the group.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
