"""``ratchet launch``: one launch, rendered for the place that was named."""

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.launch import hf_jobs, local, slurm
from ratchet.launch.request import Launch, dotenv, launch_of, masked
from ratchet.plan.plan import launch_line

COMMON = ("on", "dry_run", "config_file", "num_processes", "nodes", "resume", "resume_anyway", "help")
# Place -> the options that only it takes.
PLACES: dict[str, tuple[str, ...]] = {
    "local": ("inference_gpus", "trainer_gpus", "server_wait"),
    "slurm": (
        *(
            "time",
            "partition",
            "account",
            "gpus_per_node",
            "cpus_per_node",
            "container",
            "mounts",
            "venv",
            "sbatch",
            "notice",
        ),
        *("seeds", "inference_nodes", "evaluate"),
    ),
    "lambda": (
        *(
            "max_price",
            "max_hours",
            "instance_type",
            "region",
            "ssh_key",
            "identity",
            "file_system",
            "wait_for_capacity",
            "boot_minutes",
        ),
        *("lost_minutes", "sync_minutes", "detach", "list", "status", "stop"),
    ),
    "hf-jobs": ("flavor", "timeout", "image", "source", "detach"),
}
FLAGS = frozenset({"dry_run", "help", "resume_anyway", "evaluate", "detach", "list", "status"})
OPTIONS = tuple(dict.fromkeys([*COMMON, *(name for names in PLACES.values() for name in names)]))


@dataclass(frozen=True)
class LaunchRequest:
    """The command line, sorted."""

    recipe: str | None
    overrides: Sequence[tuple[str, str]]
    options: Mapping[str, str]

    def text(self, name: str) -> str | None:
        """An option's value."""
        return self.options.get(name)

    def number(self, name: str, default: Any, least: float = 0) -> Any:
        """An option that is a number, of its default's type.

        Raises:
            UserError: where it is none, or too small.
        """
        if name not in self.options:
            return default
        kind = type(default) if default is not None else int
        try:
            value = kind(self.options[name])
        except ValueError:
            value = None
        if value is None or not least <= value < float("inf"):
            raise UserError(f"--{name.replace('_', '-')} takes a number from {least:g} on, not {self.options[name]}")
        return value

    @property
    def dry_run(self) -> bool:
        """Whether nothing is to be started."""
        return self.options.get("dry_run") == "true"


def run(asked: LaunchRequest) -> int:
    """Launch; the exit status.

    Raises:
        UserError: for whatever can be known to be wrong before anything is started.
    """
    place = asked.options.get("on")
    if place not in PLACES:
        raise UserError(f"--on names the place: {', '.join(PLACES)}" + (f"; it is {place}" if place else ""))
    for name in asked.options:
        if name not in COMMON and name not in PLACES[place]:
            homes = [home for home, names in PLACES.items() if name in names]
            raise UserError(f"--{name.replace('_', '-')} is for --on {' and '.join(homes)}, not for {place}")
    environ = dotenv(Path.cwd(), os.environ)
    if place == "lambda" and {"list", "status", "stop"} & set(asked.options):
        return _lambda_only(asked, environ)
    if asked.recipe is None:
        raise UserError("name a recipe: ratchet launch RECIPE.yaml --on PLACE")
    return {"local": _local, "slurm": _slurm, "lambda": _lambda, "hf-jobs": _hf_jobs}[place](asked, environ)


def _launch(
    asked: LaunchRequest, environ: Mapping[str, str], config_file: str | None = None, processes: int | None = None
) -> Launch:
    extra = [word for name in ("resume",) if name in asked.options for word in (f"--{name}", asked.options[name])]
    extra += ["--resume-anyway"] if "resume_anyway" in asked.options else []
    found = launch_of(
        asked.recipe,
        asked.overrides,
        asked.text("config_file") or config_file,
        asked.number("num_processes", None, 1) or processes,
        asked.number("nodes", None, 1),
        environ,
    )
    return Launch(found.recipe, found.overrides, found.placement, found.root, tuple(extra))


def _show(text: str, environ: Mapping[str, str], say: Callable[[str], None] = print) -> int:
    say(masked(text, environ))
    return 0


def _local(asked: LaunchRequest, environ: Mapping[str, str]) -> int:
    trainer = local.numbers(asked.options["trainer_gpus"], "trainer-gpus") if "trainer_gpus" in asked.options else ()
    inference = (
        local.numbers(asked.options["inference_gpus"], "inference-gpus") if "inference_gpus" in asked.options else ()
    )
    here = local.gpus_here(environ)
    first = launch_of(asked.recipe, asked.overrides, asked.text("config_file"), 1, 1, environ, check=False)
    division = local.divide(first, here, trainer, inference)
    count = len(division.trainer) or len(here)
    config, processes = asked.text("config_file"), None
    if config is None:
        config, processes = local.choose(
            bool(first.recipe.get("use_cpu")), str(launch_line(Path(asked.recipe))), count, first.root
        )
    elif not first.recipe.get("use_cpu") and count:
        processes = count
    launch = _launch(asked, environ, config, processes)
    if launch.placement.machines > 1:
        raise UserError(
            f"{launch.placement.file} is for {launch.placement.machines} machines; --on slurm starts them, docs/slurm.md shows the command for each"
        )
    what = local.commands(launch, division)
    used = launch.parallel(max(1, len(division.inference))) if launch.served else 0
    if used < len(division.inference):
        print(
            f"warning: the model's heads can be split over {used} of the server's {len(division.inference)} GPUs; the others stay idle",
            file=sys.stderr,
        )
    if asked.dry_run:
        return _show(what.text(), environ)
    print(what.text() if not what.serve else f"training: {local.shown(what)}", flush=True)
    return local.run(launch, what, environ, asked.number("server_wait", 900.0))


def _slurm(asked: LaunchRequest, environ: Mapping[str, str]) -> int:
    options = slurm.Options(
        time=asked.text("time") or slurm.Options.time,
        partition=asked.text("partition"),
        account=asked.text("account"),
        gpus=asked.number("gpus_per_node", None),
        cpus=asked.number("cpus_per_node", None, 1),
        container=asked.text("container"),
        mounts=asked.text("mounts"),
        venv=asked.text("venv"),
        more=tuple(word for word in re.split(r"\s+", asked.text("sbatch") or "") if word),
        notice=asked.number("notice", 180, 1),
        seeds=asked.text("seeds"),
        inference_nodes=asked.number("inference_nodes", 0),
        evaluate="evaluate" in asked.options,
    )
    files = slurm.render(_launch(asked, environ), options)
    if asked.dry_run:
        return _show(
            "\n".join(f"# {files.folder / name}\n{text}" for name, text in files.texts.items())
            + f"sbatch {files.job}",
            environ,
        )
    print("\n".join(slurm.submit(files)))
    return 0


def _lambda(asked: LaunchRequest, environ: Mapping[str, str]) -> int:
    from ratchet.launch.lambda_cloud import session
    from ratchet.launch.lambda_cloud.command import dry_run
    from ratchet.launch.lambda_cloud.finding import Options

    for name in ("max_price", "max_hours"):
        if name not in asked.options:
            raise UserError(
                f"--{name.replace('_', '-')} is required: what an hour may cost (USD), and after how many hours the instance is ended at the latest"
            )
    default = Options(0.0, 0.0)
    minutes = {
        name: asked.number(name, getattr(default, name))
        for name in ("wait_for_capacity", "boot_minutes", "lost_minutes", "sync_minutes")
    }
    names = {name: asked.text(name) for name in ("instance_type", "region", "ssh_key", "identity", "file_system")}
    limits = {name: asked.number(name, 0.0, 0.001) for name in ("max_price", "max_hours")}
    pause = float(environ.get("LAMBDA_PAUSE") or default.pause)
    options = Options(
        **limits,
        **names,
        **minutes,
        detach="detach" in asked.options,
        pause=pause,
        user=environ.get("LAMBDA_USER") or default.user,
    )
    launch = _launch(asked, environ)
    if launch.placement.machines > 1 or launch.served:
        raise UserError(
            "--on lambda starts one machine, on which vLLM shares the GPUs: use a configuration of one node, and vllm_mode: colocate"
        )
    api = _api(environ) if environ.get("LAMBDA_API_KEY") or not asked.dry_run else None
    if asked.dry_run:
        return _show(dry_run(launch, options, api, environ), environ)
    return session.run(launch, options, api, environ)


def _lambda_only(asked: LaunchRequest, environ: Mapping[str, str]) -> int:
    from ratchet.launch.lambda_cloud import command

    api = _api(environ)
    if "stop" in asked.options:
        if asked.options["stop"] == "true":
            raise UserError("--stop names a run or an instance; --status shows them")
        return command.stop(api, asked.options["stop"], float(environ.get("LAMBDA_PAUSE") or 2.0))
    return _show(command.listing(api) if "list" in asked.options else command.status(api), environ)


def _api(environ: Mapping[str, str]) -> Any:
    from ratchet.launch.lambda_cloud.api import PAUSE, URL, Lambda

    key = environ.get("LAMBDA_API_KEY")
    if not key:
        raise UserError(
            "LAMBDA_API_KEY is not set: put it into .env (LAMBDA_API_KEY=...) or the environment; it is never an option"
        )
    return Lambda(key, environ.get("LAMBDA_API_URL") or URL, float(environ.get("LAMBDA_PAUSE") or PAUSE))


def _hf_jobs(asked: LaunchRequest, environ: Mapping[str, str]) -> int:
    for name, what in (
        ("flavor", "the hardware, as in a100-large (hf jobs hardware lists it)"),
        ("timeout", "how long it may take, as in 3h"),
    ):
        if name not in asked.options:
            raise UserError(f"--{name} is required: {what}")
    options = hf_jobs.Options(
        flavor=asked.options["flavor"],
        timeout=asked.options["timeout"],
        image=asked.text("image") or hf_jobs.Options.image,
        source=asked.text("source"),
        detach="detach" in asked.options,
    )
    launch = _launch(asked, environ)
    if asked.dry_run:
        import shlex

        return _show(shlex.join(hf_jobs.command(launch, options, environ)), environ)
    return hf_jobs.run(launch, options, environ)
