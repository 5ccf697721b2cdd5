"""``--on sky``: SkyPilot's command starts a machine on one of many clouds; this process follows, fetches and ends it.

SkyPilot is an environment of its own (its requirements contradict Ratchet's): only its command is called.
"""

import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ratchet.errors import UserError
from ratchet.files import write_text
from ratchet.launch.place import Place
from ratchet.launch.request import Launch, LaunchRequest, program_of
from ratchet.launch.sky.clouds import VERSION, places
from ratchet.launch.sky.task import BY_HAND, CODE, IDLE_MINUTES, Options, check, command, task

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
            name = f"ratchet-{wanted.removeprefix('ratchet-')}"
            # A run is a machine of its own, or one that the jobs controller looks after: one of both is there.
            return min(_sky(["down", "--yes", name], environ), _sky(["jobs", "cancel", "--yes", "-n", name], environ))
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

    def check(self, launch: Launch, options: Options) -> None:
        """Left to ``render`` and ``start``, which have the environment."""

    def render(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> str:
        """The task, and the commands that start and end it."""
        check(launch, options, environ)
        path = _path(launch)
        lines = [f"# {path}", task(launch, options, environ, _deadline(options))]
        lines += [shlex.join(words) for words in (command(launch, options, environ, path), _ends(launch, options))]
        return "\n".join(lines)

    def start(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> int:
        """Start the task, follow it, fetch what it made and end the machine; the run's exit status."""
        check(launch, options, environ)
        _program(environ)
        path = _path(launch)
        write_text(path, task(launch, options, environ, _deadline(options)))
        words, ends = command(launch, options, environ, path), _ends(launch, options)
        print(shlex.join(words), flush=True)
        if _sky(words[1:], environ):
            # What has been started and did not come up has no autodown yet.
            _end(ends, environ)
            raise UserError(f"{shlex.join(words[:3])} failed; what it had started is ended. The task is {path}")
        if options.managed or options.detach:
            print(f"{_who_ends(options)}\n  end it:  {shlex.join(ends)}", flush=True)
            return 0
        name = f"ratchet-{launch.name}"
        try:
            code = _sky(["logs", name], environ)
        except KeyboardInterrupt:
            print(
                f"\nthe run goes on; sky logs {name} follows it. {_who_ends(options)}\n  end it:  {shlex.join(ends)}"
            )
            return 0
        if code not in ENDED:  # the way there was lost, and the run may go on
            raise UserError(
                f"sky logs {name} ended with {code}, which tells nothing of the run. {_who_ends(options)}; "
                f"sky logs {name} follows it, {shlex.join(ends)} ends it"
            )
        if not options.output_bucket and not _fetched(launch, environ):
            raise UserError(
                f"the outputs could not be fetched from {name}, so it is left as it is. {_who_ends(options)}; "
                f"{shlex.join(ends)} ends it"
            )
        _end(ends, environ)
        return int(code != 0)  # SkyPilot has one code for all that a run can end with


def _deadline(options: Options) -> float:
    return time.time() + 3600 * options.max_hours


def _path(launch: Launch) -> Path:
    return launch.recipe.output_dir.with_name(f"{launch.name}.sky") / "task.yaml"


def _ends(launch: Launch, options: Options) -> list[str]:
    """What ends it by hand."""
    name = f"ratchet-{launch.name}"
    return ["sky", "jobs", "cancel", "--yes", "-n", name] if options.managed else ["sky", "down", "--yes", name]


def _who_ends(options: Options) -> str:
    if options.managed:
        return "SkyPilot's jobs controller ends the machine with the run"
    forgotten = [place.infra for place in options.places if not place.cloud.autodown]
    if forgotten:
        return f"on {', '.join(forgotten)} nothing ends the machine but you ({BY_HAND})"
    return f"the machine ends itself {IDLE_MINUTES} minutes after the run"


def _fetched(launch: Launch, environ: Mapping[str, str]) -> bool:
    """Whether the run's folder was fetched; SkyPilot has put the machine's name into the configuration of ssh."""
    output = launch.recipe.output_dir
    output.parent.mkdir(parents=True, exist_ok=True)
    source = f"ratchet-{launch.name}:{CODE}/{output}/"
    try:
        done = subprocess.run(["rsync", "--archive", "--partial", source, f"{output}/"], env=dict(environ))
    except OSError as error:
        print(f"warning: rsync: {error.strerror}", file=sys.stderr)
        return False
    return done.returncode == 0


def _end(words: Sequence[str], environ: Mapping[str, str]) -> None:
    """End a machine.

    Raises:
        UserError: where SkyPilot could not.
    """
    if _sky(words[1:], environ):
        raise UserError(
            f"{shlex.join(words)} failed: the machine may be running and billed; look into the cloud's console"
        )


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
