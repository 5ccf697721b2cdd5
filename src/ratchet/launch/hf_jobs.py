"""Jobs on the Hub: the ``hf jobs`` command with hardware, time limit, image and secrets by name; its log is followed, its results fetched.

A job's disk goes with it, so the run pushes what it makes: the recipe says ``push_to_hub: true``, and with ``hub_strategy: checkpoint`` a
job that is started again goes on from the last checkpoint (``--resume hub``).
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from ratchet.errors import UserError
from ratchet.launch.request import Launch, program_of

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
PASSED_ON = ("HF_TOKEN", "WANDB_API_KEY")
END = "RATCHET_RECIPE"


@dataclass(frozen=True)
class Options:
    """Of a job."""

    flavor: str
    timeout: str
    image: str = "python:3.11"
    source: str | None = None
    """What pip installs after "ratchet-recipes @ "; the recipe's ``publish.source`` by default."""
    detach: bool = False


def script(launch: Launch, options: Options) -> str:
    """What the job's shell does: install, write recipe and configuration, train.

    Raises:
        UserError: where the results would be lost, or nothing says where Ratchet comes from.
    """
    recipe = launch.recipe
    source = options.source or recipe.publish.source
    if not (recipe.get("push_to_hub") and recipe.values.get("hub_model_id")):
        raise UserError(
            "a job's disk goes with it: set push_to_hub: true and hub_model_id: OWNER/NAME (and hub_strategy: checkpoint, to go on after a stop)"
        )
    if not source:
        raise UserError(
            "--source: name what pip installs in the job, for instance git+https://... of your copy of this repository (or publish.source)"
        )
    if launch.placement.machines > 1 or launch.served:
        raise UserError(
            "a job is one machine, and vLLM shares its GPUs there: use a configuration of one node, and vllm_mode: colocate"
        )
    extras = "deepspeed" if launch.placement.kind == "zero" else ""
    extras = ",".join(name for name in (extras, "vllm" if recipe.get("use_vllm") else "") if name)
    wanted = f"ratchet-recipes{f'[{extras}]' if extras else ''} @ {source}"
    resumes = recipe.get("hub_strategy") in ("checkpoint", "all_checkpoints") and "--resume" not in launch.extra
    # The job has no repository, so accelerate starts the installed program.
    words = [*launch.accelerate_elsewhere("-m", "ratchet", recipe.trainer), *(["--resume", "hub"] if resumes else [])]
    line = shlex.join(words)
    return "\n".join(
        [
            "set -e",
            "mkdir -p ratchet && cd ratchet",
            f"cat > recipe.yaml <<'{END}'",
            f"{recipe.as_yaml()}{END}",
            f"cat > accelerate.yaml <<'{END}'",
            f"{launch.accelerate_yaml().rstrip()}\n{END}",
            f"pip install --quiet {shlex.quote(wanted)}",
            line,
        ]
    )


def command(launch: Launch, options: Options, environ: Mapping[str, str]) -> list[str]:
    """``hf jobs run``; secrets are named, and hf reads them from the environment.

    Raises:
        UserError: for hardware whose GPUs are not the launch's.
    """
    count = GPUS.get(options.flavor, 0 if options.flavor.startswith("cpu") else 1)
    if not launch.recipe.get("use_cpu") and count != launch.placement.processes:
        raise UserError(
            f"--flavor {options.flavor} has {count} GPUs, and {launch.placement.file} with this launch wants {launch.placement.processes}: --num_processes {count}"
        )
    if not re.fullmatch(r"\d+(\.\d+)?[smhd]?", options.timeout):
        raise UserError(f"--timeout takes a number and s, m, h or d, as in 3h; it is {options.timeout}")
    words = [
        "hf",
        "jobs",
        "run",
        "--detach",
        "--flavor",
        options.flavor,
        "--timeout",
        options.timeout,
        "--name",
        launch.name,
    ]
    for name in PASSED_ON:
        if name == "HF_TOKEN" or environ.get(name):
            words += ["--secrets", name]
    return [*words, options.image, "bash", "-c", script(launch, options)]


def run(launch: Launch, options: Options, environ: Mapping[str, str]) -> int:
    """Start the job, follow its log, fetch the model; 0 where it completed."""
    program = _program()
    done = subprocess.run(
        [program, *command(launch, options, environ)[1:]], env=dict(environ), capture_output=True, text=True
    )
    found = re.search(r"\b([0-9a-f]{24}|\d+)\b", done.stdout)
    if done.returncode or found is None:
        raise UserError(f"hf jobs run fails: {(done.stderr or done.stdout).strip()[-600:]}")
    number = found.group(1)
    print(f"job {number} is started; hf jobs logs {number} follows it, hf jobs cancel {number} ends it", flush=True)
    if options.detach:
        return 0
    subprocess.run(
        [program, "jobs", "logs", "--follow", number], env=dict(environ), stdout=sys.stdout, stderr=subprocess.DEVNULL
    )
    stage = _stage(program, number, environ)
    print(f"job {number}: {stage}", flush=True)
    if stage != "COMPLETED":
        return 1
    into = launch.recipe.output_dir
    fetched = subprocess.run(
        [program, "download", str(launch.recipe.values["hub_model_id"]), "--local-dir", str(into)],
        env=dict(environ),
        capture_output=True,
        text=True,
    )
    if fetched.returncode:
        raise UserError(f"the model is on the Hub and could not be fetched: {fetched.stderr.strip()[-300:]}")
    print(f"fetched to {into}")
    return 0


def _program() -> str:
    found = program_of("hf", os.environ)
    if found is None:
        raise UserError("there is no hf command here; pip install huggingface_hub")
    return found


def _stage(program: str, number: str, environ: Mapping[str, str]) -> str:
    done = subprocess.run(
        [program, "jobs", "inspect", "--format", "json", number], env=dict(environ), capture_output=True, text=True
    )
    try:
        found = json.loads(done.stdout)
        found = found[0] if isinstance(found, list) else found
        return str(found["status"]["stage"])
    except (ValueError, KeyError, IndexError, TypeError):
        raise UserError(
            f"hf jobs inspect {number} says nothing of its state: {(done.stderr or done.stdout).strip()[-300:]}"
        ) from None
