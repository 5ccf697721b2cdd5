"""Jobs on the Hub: ``hf jobs`` with hardware, time limit, image and secrets by name; log and results are fetched.

A job's disk goes with it, so the run pushes what it makes: the recipe says ``push_to_hub: true``, and with
``hub_strategy: checkpoint`` a job that is started again resumes from the last checkpoint (``--resume hub``).
``HubJob`` is also what evaluations of saved checkpoints are submitted as.
"""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ratchet.errors import UserError
from ratchet.launch.place import Place
from ratchet.launch.request import Launch, LaunchRequest, program_of
from ratchet.launch.sent import PASSED_ON, local_paths, written

GPUS = {
    "l4x4": 4,
    "l40sx4": 4,
    "l40sx8": 8,
    "a10g-largex2": 2,
    "a10g-largex4": 4,
    "a100x4": 4,
    "a100x8": 8,
    "h200x2": 2,
    "h200x4": 4,
    "h200x8": 8,
}
PACKAGE = "ratchet-recipes"


@dataclass(frozen=True)
class Options:
    """What the Hub is asked for."""

    flavor: str
    """The hardware, as ``hf jobs hardware`` lists it."""
    timeout: str
    """A number and s, m, h or d."""
    image: str = "python:3.11"
    source: str | None = None
    """What pip installs after "ratchet-recipes @ "; the recipe's ``publish.source`` by default."""
    detach: bool = False
    """Whether this process leaves once the job is started."""


@dataclass(frozen=True)
class HubJob:
    """One job: a script for bash on rented hardware."""

    name: str
    flavor: str
    timeout: str
    image: str
    script: str
    """For bash."""
    secrets: tuple[str, ...] = ("HF_TOKEN",)
    """Names of variables; hf reads their values from the environment, HF_TOKEN also from a login."""

    def words(self) -> list[str]:
        """The command that submits it, which holds no secret."""
        words = ["hf", "jobs", "run", "--detach", "--flavor", self.flavor, "--timeout", self.timeout]
        words += ["--name", self.name]
        for secret in self.secrets:
            words += ["--secrets", secret]
        return [*words, self.image, "bash", "-c", self.script]

    def submit(self, environ: Mapping[str, str]) -> "Submitted":
        """Start it.

        Raises:
            UserError: where there is no hf command, or the Hub refuses.
        """
        done = _hf(self.words()[1:], environ)
        number = re.search(r"\b([0-9a-f]{24}|\d+)\b", done.stdout)
        if done.returncode or number is None:
            raise UserError(f"hf jobs run fails: {(done.stderr or done.stdout).strip()[-600:]}")
        url = re.search(r"https?://\S+", done.stdout)
        return Submitted(number.group(1), url.group(0) if url else "")


@dataclass(frozen=True)
class Submitted:
    """A job that was started."""

    number: str
    url: str


def requirement(source: str, extras: str = "") -> str:
    """What pip installs in a job.

    >>> requirement("git+https://example.org/copy", "vllm")
    'ratchet-recipes[vllm] @ git+https://example.org/copy'
    """
    return f"{PACKAGE}{f'[{extras}]' if extras else ''} @ {source}"


def check(launch: Launch, options: Options) -> None:
    """Raise a UserError for hardware that does not fit, results that would be lost, or nothing to install."""
    count = GPUS.get(options.flavor, 0 if options.flavor.startswith("cpu") else 1)
    recipe, placement = launch.recipe, launch.placement
    if not recipe.get("use_cpu") and count != placement.processes:
        raise UserError(
            f"--flavor {options.flavor} has {count} GPUs, and {placement.file} with this launch wants "
            f"{placement.processes}: --num_processes {count}"
        )
    if not re.fullmatch(r"\d+(\.\d+)?[smhd]?", options.timeout):
        raise UserError(f"--timeout takes a number and s, m, h or d, as in 3h; it is {options.timeout}")
    if not (recipe.get("push_to_hub") and recipe.values.get("hub_model_id")):
        raise UserError(
            "a job's disk goes with it: set push_to_hub: true and hub_model_id: OWNER/NAME "
            "(and hub_strategy: checkpoint, to resume after a stop)"
        )
    if not (options.source or recipe.publish.source):
        raise UserError(
            "--source: name what pip installs in the job, for instance git+https://... "
            "of your copy of this repository (or publish.source)"
        )
    if here := [f"{key}: {path}" for key, path in local_paths(recipe)]:
        raise UserError(
            f"a job has nothing of this machine, and the recipe names {'; '.join(here)}: put data and models on the "
            "Hub, and code of your own into the copy of this repository that --source names"
        )
    if placement.machines > 1 or launch.served:
        raise UserError(
            "a job is one machine, and vLLM shares its GPUs there: use a configuration of one node, "
            "and vllm_mode: colocate"
        )


def script(launch: Launch, options: Options) -> str:
    """What the job's shell does: install, write recipe and configuration, train."""
    recipe = launch.recipe
    extras = ["deepspeed"] if launch.placement.kind == "zero" else []
    extras += ["vllm"] if recipe.get("use_vllm") else []
    wanted = requirement(options.source or recipe.publish.source, ",".join(extras))
    # The job has no repository, so accelerate starts the installed program.
    words = launch.accelerate_elsewhere("-m", "ratchet", recipe.method.script)
    # A checkpoint on the Hub is what a new job of the same run has to resume from: its own disk is empty.
    if recipe.get("hub_strategy") in ("checkpoint", "all_checkpoints") and "--resume" not in launch.extra:
        words += ["--resume", "hub"]
    lines = ["set -e", "mkdir -p ratchet && cd ratchet", *written(launch)]
    return "\n".join([*lines, f"pip install --quiet {shlex.quote(wanted)}", shlex.join(words)])


def job(launch: Launch, options: Options, environ: Mapping[str, str]) -> HubJob:
    """The job of a launch."""
    secrets = tuple(name for name in PASSED_ON if name == "HF_TOKEN" or environ.get(name))
    return HubJob(launch.name, options.flavor, options.timeout, options.image, script(launch, options), secrets)


class HubJobs(Place[Options]):
    """Jobs on the Hub."""

    name = "hf-jobs"
    takes = ("flavor", "timeout", "image", "source", "detach")
    flags = frozenset({"detach"})

    def read(self, request: LaunchRequest, environ: Mapping[str, str]) -> Options:
        """Hardware and time, which cost money and so have no default."""
        request.require(
            flavor="the hardware, as in a100-large (hf jobs hardware lists it)",
            timeout="how long it may take, as in 3h",
        )
        return Options(
            flavor=request.options["flavor"],
            timeout=request.options["timeout"],
            image=request.text("image") or Options.image,
            source=request.text("source"),
            detach=request.given("detach"),
        )

    def check(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> None:
        """Hardware, time, and where the results go."""
        check(launch, options)

    def render(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> str:
        """The command that submits the job."""
        return shlex.join(job(launch, options, environ).words())

    def start(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> int:
        """Start the job, follow its log, fetch the model; 0 where it completed."""
        number = job(launch, options, environ).submit(environ).number
        text = f"hf jobs logs {number} follows it, hf jobs cancel {number} ends it"
        print(f"job {number} is started; {text}", flush=True)
        if options.detach:
            return 0
        follow = [_program(environ), "jobs", "logs", "--follow", number]
        subprocess.run(follow, env=dict(environ), stdout=sys.stdout, stderr=subprocess.DEVNULL)
        stage = _stage(number, environ)
        print(f"job {number}: {stage}", flush=True)
        if stage != "COMPLETED":
            return 1
        _fetch(str(launch.recipe.values["hub_model_id"]), launch.recipe.output_dir, environ)
        return 0


def _fetch(repository: str, into: Path, environ: Mapping[str, str]) -> None:
    fetched = _hf(["download", repository, "--local-dir", str(into)], environ)
    if fetched.returncode:
        raise UserError(f"the model is on the Hub and could not be fetched: {fetched.stderr.strip()[-300:]}")
    print(f"fetched to {into}")


def _stage(number: str, environ: Mapping[str, str]) -> str:
    done = _hf(["jobs", "inspect", "--format", "json", number], environ)
    try:
        answer = json.loads(done.stdout)
        one = answer[0] if isinstance(answer, list) else answer
        return str(one["status"]["stage"])
    except (ValueError, KeyError, IndexError, TypeError):
        said = (done.stderr or done.stdout).strip()[-300:]
        raise UserError(f"hf jobs inspect {number} says nothing of its state: {said}") from None


def _hf(words: list[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([_program(environ), *words], env=dict(environ), capture_output=True, text=True)


def _program(environ: Mapping[str, str]) -> str:
    program = program_of("hf", environ)
    if program is None:
        raise UserError("there is no hf command here; pip install huggingface_hub")
    return program
