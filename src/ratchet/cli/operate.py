"""The verbs around a run: what it needs, whether the machine is ready, what its reward is worth, where it runs."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ratchet
from ratchet.cli.verb import Arguments
from ratchet.errors import UserError
from ratchet.recipe import load_recipe

ROOT = Path(ratchet.__file__).parents[2]


def plan(arguments: Arguments) -> int:
    """What a run needs."""
    from ratchet.plan.page import page
    from ratchet.plan.plan import Options, as_dict
    from ratchet.plan.plan import plan as make

    names = ("config_file", "gpu", "nodes", "prompt_tokens", "completion_tokens", "row_tokens", "shape_of")
    options = {
        name: arguments[name] for name in (*names, "measured", "devices", "price", "schedule", "link", "site_link")
    }
    found = make(arguments["recipe"], arguments.overrides, Options(processes=arguments["num_processes"], **options))
    target = arguments["json"]
    if target == "-":
        print(json.dumps(as_dict(found), indent=2))
    else:
        print(page(found))
        if target:
            _write_json(Path(target), as_dict(found))
    return int(bool(found.errors) or not found.fits)


def doctor(arguments: Arguments) -> int:
    """What the machine has, and what would stop a run on it."""
    from ratchet.doctor.machine import machine
    from ratchet.doctor.network import logins, port, ranks, vllm_server

    found = []
    groups = [machine(arguments["output"]), [port()], logins(dict(os.environ))]
    groups += [ranks(arguments["processes"])] if arguments["processes"] else []
    groups += [vllm_server(arguments["server"])] if arguments["server"] else []
    for finding in (finding for group in groups for finding in group):
        print(finding, flush=True)
        found.append(finding)
    counts = {state: sum(one.state == state for one in found) for state in ("error", "warning")}
    print(f"{counts['error']} errors, {counts['warning']} warnings")
    if arguments["json"]:
        _write_json(arguments["json"], [asdict(one) for one in found])
    return int(counts["error"] > 0)


def audit(arguments: Arguments) -> int:
    """What cheap answers and hacks earn."""
    from ratchet.audit.run import run

    return run(load_recipe(arguments["recipe"], arguments.overrides, to_train=False), arguments.given)


def prepare(arguments: Arguments) -> None:
    """Clean and split a task's published rows."""
    task = load_recipe(arguments["recipe"], arguments.overrides, to_train=False).task
    if not hasattr(task, "prepare"):
        raise UserError(f"the task {task.name} needs no preparation: its rows are cleaned as they are read")
    folder = arguments["output"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UserError(f"--output: {folder} is there already and not empty; name another, or take it away first")
    except OSError as error:
        raise UserError(f"--output: {folder} cannot be made ({error.strerror}); name another folder") from None
    print("\n".join(task.prepare(folder)))
    print(f"written to {folder}: train.jsonl, validation.jsonl, test.jsonl, report.md, manifest.json")


def fetch(arguments: Arguments) -> None:
    """Make a model's folder."""
    from ratchet.integrations.smollm2 import fetch
    from ratchet.recipe.makers import FETCHED

    print(fetch(arguments["output"] or Path(FETCHED)))


def launch(arguments: Arguments) -> int:
    """Start a recipe somewhere."""
    from ratchet.launch.places import LaunchRequest, run

    return run(LaunchRequest(arguments["recipe"], arguments.overrides, arguments.given))


def export(arguments: Arguments) -> int:
    """The recipe for prime-rl."""
    from ratchet.integrations.prime_rl.files import write
    from ratchet.launch.request import launch_of

    config_file, processes = arguments["config_file"], arguments["num_processes"]
    found = launch_of(arguments["recipe"], arguments.overrides, config_file, processes, None, check=False)
    print("\n".join(write(found, arguments["folder"], arguments["older"], arguments["schema"])))
    return 0


def torture(arguments: Arguments) -> int:
    """Hurt real training runs; 1 where a number differs from that of a run that was left alone."""
    folder = arguments["folder"]
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; name another")
    if not (ROOT / "scripts/grpo.py").is_file():
        raise UserError("the runs are those of the repository's recipes: install it with pip install -e, and rerun")
    from ratchet.torture.rounds import run

    kinds = [arguments[name] for name in ("kills", "rounds", "processes", "faults", "seed", "steps")]
    return int(not run(ROOT, folder.resolve(), *kinds))


def _write_json(path: Path, found: Any) -> None:
    from ratchet.files import write_json

    if path.is_dir():
        raise UserError(f"--json: {path} is a folder; name a file")
    try:
        write_json(path, found)
    except OSError as error:
        raise UserError(f"--json: {path} cannot be written ({error.strerror}); name a file") from None
