"""The commands around a run: what it needs, whether the machine is ready, where it runs, and how it goes."""

import argparse
import difflib
import json
import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ratchet.commands import _need_values, _number, _path, split_arguments
from ratchet.errors import UserError, command


def _write_json(path: Path, found: Any) -> None:
    from ratchet.files import write_json

    if path.is_dir():
        raise UserError(f"--json: {path} is a folder; name a file")
    try:
        write_json(path, found)
    except OSError as error:
        raise UserError(f"--json: {path} cannot be written ({error.strerror}); name a file") from None


def _check_options(overrides: Sequence[tuple[str, str]], own: Collection[str]) -> None:
    """What is no key of a recipe, and nearly an option of the command, is mistyped."""
    from ratchet.recipe import trl_fields
    from ratchet.recipe.groups import OWN_FIELDS

    for name, _ in overrides:
        near = difflib.get_close_matches(name, own, n=1, cutoff=0.75)
        if (
            near
            and "." not in name
            and name not in OWN_FIELDS
            and not any(name in trl_fields(trainer) for trainer in ("sft", "grpo"))
        ):
            raise UserError(f"unknown option --{name.replace('_', '-')}; did you mean --{near[0].replace('_', '-')}?")


PLANNING = (
    "config_file",
    "gpu",
    "nodes",
    "num_processes",
    "prompt_tokens",
    "completion_tokens",
    "row_tokens",
    "shape_of",
    "measured",
    "devices",
    "price",
)


@command
def plan() -> int:
    """Usage: plan.py RECIPE.yaml [--config_file ACCELERATE.yaml] [--gpu h100|h200|a100-80|a100-40|a10|l4|rtx4090|cpu] [--nodes N]
    [--num_processes N] [--prompt_tokens N] [--completion_tokens N] [--row_tokens N] [--shape_of MODEL] [--measured RUN_DIR]
    [--devices FILE.yaml] [--price USD_PER_GPU_HOUR] [--json FILE|-] [--key value ...]

    What a run needs, before it costs: memory of each GPU and whether it fits, steps and tokens, time, energy and money as a range, disk,
    and what looks wrong. No GPU, no PyTorch, no weights. Without --config_file that of the recipe's header is taken. --measured takes
    the efficiency of an earlier run in the place of assumed ones; --devices lays your own figures over the table of devices
    (h100: {price: 2.49}). The exit code is 1 where it does not fit, or would not start."""
    path, overrides, options = split_arguments(sys.argv[1:], ("help", "json", *PLANNING))
    if "help" in options or path is None:
        print(plan.__doc__)
        if path is None and "help" not in options:
            raise UserError("name a recipe")
        return 0
    from ratchet.plan.page import page
    from ratchet.plan.plan import as_dict
    from ratchet.plan.plan import plan as make

    _need_values(options, PLANNING)
    _check_options(overrides, PLANNING)
    found = make(path, overrides, planning(options))
    if options.get("json") in ("-", "true"):
        print(json.dumps(as_dict(found), indent=2))
    else:
        print(page(found))
        if "json" in options:
            _write_json(Path(options["json"]), as_dict(found))
    return int(bool(found.errors) or not found.fits)


def planning(options: dict[str, str]) -> Any:
    """``plan.command.Options`` from a command line's."""
    from ratchet.plan.plan import Options

    whole = {
        name: int(_number(options, name, 1, least=1))
        for name in PLANNING
        if name in options and name.endswith(("nodes", "processes", "tokens"))
    }
    return Options(
        config_file=options.get("config_file"),
        gpu=options.get("gpu"),
        nodes=whole.get("nodes"),
        processes=whole.get("num_processes"),
        prompt_tokens=whole.get("prompt_tokens"),
        completion_tokens=whole.get("completion_tokens"),
        row_tokens=whole.get("row_tokens"),
        shape_of=options.get("shape_of"),
        measured=_path(options, "measured"),
        devices=_path(options, "devices"),
        price=_number(options, "price", 0.0) if "price" in options else None,
    )


@command
def doctor() -> int:
    """Look at the machine as it is: versions against the supported set, GPUs and driver, memory, disk, whether processes reach each other,
    logins, a vLLM server; each finding with its remedy. The exit code is 1 where something would stop a run."""
    parser = argparse.ArgumentParser(prog="doctor.py", description=doctor.__doc__)
    parser.add_argument("--server", metavar="URL", help="also a vLLM server, as in http://127.0.0.1:8000")
    parser.add_argument(
        "--processes", type=int, default=2, metavar="N", help="that are to reach each other (2; 0 leaves it out)"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("outputs"), metavar="FOLDER", help="where runs are to go (outputs)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings as JSON too")
    given = parser.parse_args()
    from dataclasses import asdict

    from ratchet.doctor.machine import machine
    from ratchet.doctor.network import logins, port, ranks, vllm_server

    found = []
    groups = [machine(given.output), [port()], logins(dict(os.environ))]
    groups += [ranks(given.processes)] if given.processes > 0 else []
    groups += [vllm_server(given.server)] if given.server else []
    for finding in (finding for group in groups for finding in group):
        print(finding, flush=True)
        found.append(finding)
    counts = {state: sum(one.state == state for one in found) for state in ("error", "warning")}
    print(f"{counts['error']} errors, {counts['warning']} warnings")
    if given.json:
        _write_json(given.json, [asdict(one) for one in found])
    return int(counts["error"] > 0)


@command
def launch() -> int:
    """Usage: launch.py RECIPE.yaml --on local|slurm|lambda|hf-jobs [--dry-run] [--config_file FILE] [--num_processes N] [--nodes N]
    [--resume ...] [--resume-anyway] [--key value ...]: start a recipe somewhere; --dry-run prints every file, request and command.

    local     accelerate launch on the GPUs that are here, and vLLM's server beside it with vllm_mode: server
              [--inference-gpus 0-5] [--trainer-gpus 6,7] [--server-wait SECONDS]
    slurm     a job that goes on by itself after a stop [--time 24:00:00] [--partition P] [--account A] [--gpus-per-node N]
              [--cpus-per-node N] [--container IMAGE] [--mounts LIST] [--venv FOLDER] [--sbatch="--qos=high ..."] [--notice SECONDS]
              [--seeds 0-4] [--inference-nodes 1] [--evaluate]
    lambda    one instance of Lambda Cloud, ended through the API whatever happens: --max-price USD --max-hours H [--instance-type T]
              [--region R] [--ssh-key NAME] [--identity FILE] [--file-system NAME] [--wait-for-capacity MIN] [--boot-minutes MIN]
              [--lost-minutes MIN] [--sync-minutes MIN] [--detach]; without a recipe --list, --status, --stop RUN|ID
    hf-jobs   a job on the Hub: --flavor F --timeout 3h [--image IMAGE] [--source PIP_SOURCE] [--detach]

    Keys are read from the environment or .env, never from the command line."""
    from ratchet.launch.places import FLAGS, OPTIONS, LaunchRequest, run

    path, overrides, options = split_arguments(sys.argv[1:], OPTIONS, FLAGS)
    if "help" in options or not sys.argv[1:]:
        print(launch.__doc__)
        return 0
    _need_values(options, [name for name in OPTIONS if name not in FLAGS and name != "stop"])
    _check_options(overrides, OPTIONS)
    return run(LaunchRequest(path, overrides, options))


@command
def export_prime_rl() -> int:
    """Usage: export_prime_rl.py RECIPE.yaml FOLDER [--config_file FILE] [--num_processes N] [--older] [--schema FILE.json]
    [--key value ...]: the recipe for prime-rl's asynchronous engine: rl.toml, its commands, and a table of what could not be carried over.

    The batch is that of the TRL run on --config_file (the recipe's own by default). --older also writes the three files of versions before
    rl.toml; --schema checks the result against a JSON schema of prime-rl's configuration."""
    words = sys.argv[1:]
    folder = next(
        (
            word
            for i, word in enumerate(words)
            if i and not word.startswith("--") and (words[i - 1] == "--older" or not words[i - 1].startswith("--"))
        ),
        None,
    )
    path, overrides, options = split_arguments(
        [w for w in words if w != folder],
        ("help", "config_file", "num_processes", "older", "schema"),
        {"help", "older"},
    )
    if "help" in options or path is None or folder is None:
        print(export_prime_rl.__doc__)
        if "help" not in options:
            raise UserError("name a recipe, and an empty folder")
        return 0
    _need_values(options, ("config_file", "num_processes", "schema"))
    from ratchet.integrations.prime_rl.files import write
    from ratchet.launch.request import launch_of

    processes = int(_number(options, "num_processes", 1, least=1)) if "num_processes" in options else None
    launch = launch_of(path, overrides, options.get("config_file"), processes, None, check=False)
    print("\n".join(write(launch, Path(folder), "older" in options, _path(options, "schema"))))
    return 0


@command
def watch() -> None:
    """A run in a terminal: step, reward, accuracy, lengths, tokens per second, seconds by phase, memory, disk, alarms, the end of its log."""
    parser = argparse.ArgumentParser(prog="watch.py", description=watch.__doc__)
    parser.add_argument(
        "run", type=Path, metavar="RUN_DIR", help="the run's output_dir, while it goes on or when it has ended"
    )
    parser.add_argument("--every", type=float, default=5.0, metavar="SECONDS", help="between looks (5)")
    parser.add_argument(
        "--log",
        type=Path,
        metavar="FILE",
        help="whose end is shown; without it the newest that a launch keeps beside the run",
    )
    parser.add_argument("--tail", type=int, default=8, metavar="N", help="lines of it (8)")
    parser.add_argument("--once", action="store_true", help="draw once, as where there is no terminal")
    parser.add_argument("--lines", action="store_true", help="a line for each logged step instead, for logs")
    parser.add_argument(
        "--wait", type=float, default=0.0, metavar="SECONDS", help="with --lines: for a run that has not begun"
    )
    given = parser.parse_args()
    if given.every <= 0 or given.tail < 0:
        raise UserError("--every takes seconds above 0, --tail a number from 0 on")
    from ratchet.reporting.terminal.follow import follow
    from ratchet.reporting.terminal.follow import watch as draw

    if given.lines:
        follow(given.run, given.every, given.wait)
    else:
        draw(given.run, given.every, given.log, given.tail, given.once)
