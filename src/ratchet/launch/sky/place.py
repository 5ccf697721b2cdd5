"""``--on sky``: SkyPilot's command starts a machine on one of many clouds; this process follows, fetches and ends it.

SkyPilot is an environment of its own (its requirements contradict Ratchet's): only its command is called.
"""

import json
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.files import write_text
from ratchet.launch.place import Place
from ratchet.launch.request import Launch, LaunchRequest, program_of
from ratchet.launch.sent import tracked
from ratchet.launch.sky.clouds import VERSION, places
from ratchet.launch.sky.task import BY_HAND, CODE, IDLE_MINUTES, PREFIX, Options, check, code_folder, command, task

INTERRUPTED = 130
ENDED = (0, 100, 103)  # with which "sky logs" says that a job succeeded, failed, was cancelled (its JobExitCode)


class Sky(Place[Options]):
    """Clouds through SkyPilot."""

    name = "sky"
    takes = (
        *("infra", "gpu", "max_price", "max_hours", "spot", "managed", "recoveries", "output_bucket", "data_bucket"),
        *("ends_by_hand", "detach", "status", "stop"),
    )
    flags = frozenset({"spot", "managed", "ends_by_hand", "detach", "status"})

    def manage(self, request: LaunchRequest, environ: Mapping[str, str]) -> int | None:
        """Show what runs, or end it."""
        if request.given("status"):
            machines = _sky(["status"], environ)
            return _sky(["jobs", "queue"], environ) or machines
        if wanted := request.text("stop"):
            return _stop(wanted.removeprefix(PREFIX), environ)
        return None

    def read(self, request: LaunchRequest, environ: Mapping[str, str]) -> Options:
        """The limits, which have no default on purpose, and everything else."""
        request.require(
            infra="the clouds, as in gcp,lambda (SkyPilot takes the cheapest)",
            max_price="what an hour of all nodes may cost (USD)",
            max_hours="after how many hours the run is ended at the latest",
        )
        gpus = (request.text("gpu") or "").split(",")
        return Options(
            places=tuple(places(request.options["infra"])),
            max_price=request.number("max_price", 0.0, 0.001),
            max_hours=request.number("max_hours", 0.0, 0.001),
            gpus=tuple(name.strip().lower() for name in gpus if name.strip()),
            recoveries=request.number("recoveries", Options.recoveries),
            output_bucket=request.text("output_bucket"),
            data_bucket=request.text("data_bucket"),
            **{name: request.given(name) for name in ("spot", "managed", "ends_by_hand", "detach")},
        )

    def check(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> None:
        """What the clouds cannot do, secrets that are not set, and results that would be lost are refused."""
        check(launch, options, environ)

    def render(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> str:
        """The task, and the commands that start and end it."""
        path = _path(launch)
        lines = [f"# {path}", task(launch, options, environ, _deadline(options))]
        lines += [
            shlex.join(words)
            for words in (command(launch, options, environ, path), _ends(launch.name, options.managed))
        ]
        return "\n".join(lines)

    def start(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> int:
        """Start the task, follow it, fetch what it made and end the machine; the run's exit status."""
        run = Run(launch, options, environ)
        run.refuse_a_second()
        shutil.rmtree(code_folder(launch), ignore_errors=True)
        for file in tracked(launch.root):
            copy = code_folder(launch) / file.relative_to(launch.root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, copy)
        write_text(_path(launch), task(launch, options, environ, _deadline(options)))
        with _interrupts():
            return run.carry_out()


@dataclass(frozen=True)
class Run:
    """One launch, from its command to the end of its machine."""

    launch: Launch
    options: Options
    environ: Mapping[str, str]

    @property
    def name(self) -> str:
        """Of the machine, or of the managed job."""
        return PREFIX + self.launch.name

    @property
    def ends(self) -> list[str]:
        """What ends it by hand."""
        return _ends(self.launch.name, self.options.managed)

    def refuse_a_second(self) -> None:
        """Raise a UserError where an earlier launch of the run is there: this one's end would be its end."""
        there = _jobs if self.options.managed else _machines
        if self.name in there(self.environ):
            follow = ["sky", "jobs", "logs", "-n"] if self.options.managed else ["sky", "logs"]
            raise UserError(
                f"{self.name} is there already; {shlex.join([*follow, self.name])} follows it, "
                f"{shlex.join(self.ends)} ends it"
            )

    def carry_out(self) -> int:
        """Launch, follow, fetch, end; the exit status."""
        words = command(self.launch, self.options, self.environ, _path(self.launch))
        print(shlex.join(words), flush=True)
        try:
            failed = _sky(words[1:], self.environ)
        except KeyboardInterrupt:
            print("\ninterrupted while it starts: what has been started is ended", flush=True)
            self._end()
            return INTERRUPTED
        if failed:  # what has been started and did not come up does not end itself
            self._end()
            raise UserError(
                f"{shlex.join(words[:3])} failed; what it had started is ended. The task is {_path(self.launch)}"
            )
        if self.options.managed or self.options.detach:
            print(self._left("it runs"), flush=True)
            return 0
        try:
            return self._follow()
        except KeyboardInterrupt:
            print(f"\n{self._left('the run goes on')}", flush=True)
            return 0

    def _follow(self) -> int:
        code = _sky(["logs", self.name], self.environ)
        if code not in ENDED:  # the way there was lost, and the run may go on
            raise UserError(self._left(f"sky logs {self.name} ended with {code}, which tells nothing of the run"))
        if not self.options.output_bucket and not self._fetched():
            raise UserError(self._left(f"the outputs could not be fetched from {self.name}"))
        self._end()
        return int(code != 0)  # SkyPilot has one code for all that a run can end with

    def _left(self, what: str) -> str:
        """Why the machine is left as it is, and who ends it."""
        return f"{what}. {_who_ends(self.options)}\n  end it:  {shlex.join(self.ends)}"

    def _fetched(self) -> bool:
        """Whether what the run has made, if anything, was fetched; ssh knows the machine by its name."""
        output = self.launch.recipe.output_dir
        there = subprocess.run(["ssh", self.name, "test", "-d", f"{CODE}/{output}"], env=dict(self.environ)).returncode
        if there == 1:
            print("the run has left no folder there")
            return True
        output.parent.mkdir(parents=True, exist_ok=True)
        words = ["rsync", "--archive", "--partial", f"{self.name}:{CODE}/{output}/", f"{output}/"]
        return there == 0 and subprocess.run(words, env=dict(self.environ)).returncode == 0

    def _end(self) -> None:
        _end(self.launch.name, self.options.managed, self.environ)


def _deadline(options: Options) -> float:
    return time.time() + 3600 * options.max_hours


def _path(launch: Launch) -> Path:
    return launch.beside("sky") / "task.yaml"


def _ends(run: str, managed: bool) -> list[str]:
    """What ends it by hand."""
    name = PREFIX + run
    return ["sky", "jobs", "cancel", "--yes", "-n", name] if managed else ["sky", "down", "--yes", name]


def _end(run: str, managed: bool, environ: Mapping[str, str]) -> None:
    """End a run's machine, and ask whether it is gone: sky's own exit code does not tell. Or its managed job.

    Raises:
        UserError: where the machine is not gone.
    """
    words = _ends(run, managed)
    _sky(words[1:], environ)
    if not managed and PREFIX + run in _machines(environ):
        raise UserError(
            f"{shlex.join(words)} did not end it: the machine may be running and billed; look into the cloud's console"
        )


def _who_ends(options: Options) -> str:
    if options.managed:
        return "SkyPilot's jobs controller ends the machine with the run"
    forgotten = [place.infra for place in options.places if not place.cloud.autodown]
    if forgotten:
        return f"on {', '.join(forgotten)} nothing ends the machine but you ({BY_HAND})"
    return f"the machine ends itself {IDLE_MINUTES} minutes after the run"


def _stop(run: str, environ: Mapping[str, str]) -> int:
    """End a run's machine, or its managed job, whichever is there; the exit status."""
    name = PREFIX + run
    found = [managed for managed, there in ((False, _machines), (True, _jobs)) if name in there(environ)]
    if not found:
        raise UserError(f"--stop: there is no {name}; --status shows what there is")
    for managed in found:
        _end(run, managed, environ)
    return 0


def _machines(environ: Mapping[str, str]) -> list[str]:
    """Names of the machines that SkyPilot knows.

    Raises:
        UserError: where it does not say.
    """
    return [one["name"] for one in _listed(["status", "--output", "json"], environ)]


def _jobs(environ: Mapping[str, str]) -> list[str]:
    """Names of the managed jobs that have not ended; without a controller there are none."""
    try:
        return [one["job_name"] for one in _listed(["jobs", "queue", "--skip-finished", "--output", "json"], environ)]
    except UserError:
        return []


def _listed(words: Sequence[str], environ: Mapping[str, str]) -> list[dict[str, Any]]:
    done = subprocess.run([_program(environ), *words], env=dict(environ), capture_output=True, text=True)
    _, bracket, rest = done.stdout.partition("[")  # something else may stand before it
    try:
        if done.returncode == 0:
            return json.loads(bracket + rest)
    except ValueError:
        pass
    said = (done.stderr or done.stdout).strip()[-400:]
    raise UserError(f"sky {shlex.join(words)} does not say what there is: {said}")


@contextmanager
def _interrupts() -> Iterator[None]:
    """SIGTERM and a lost line interrupt as Ctrl-C does: nothing that costs is left without a word."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _sky(words: Sequence[str], environ: Mapping[str, str]) -> int:
    """One of SkyPilot's commands, with this terminal; its exit status."""
    return subprocess.run([_program(environ), *words], env=dict(environ)).returncode


def _program(environ: Mapping[str, str]) -> str:
    program = program_of("sky", environ)
    if program is None:
        raise UserError(
            f'there is no sky command here; it wants its own environment: pipx install "skypilot[gcp]=={VERSION}" '
            "(with the clouds in the brackets), then sky check"
        )
    return program
