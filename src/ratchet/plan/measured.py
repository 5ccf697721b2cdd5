"""What an earlier run took, phase by phase, as factors over the ideal: the next estimate then assumes nothing."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from ratchet.errors import UserError
from ratchet.files import read_json
from ratchet.plan.devices import Device
from ratchet.plan.job import job_of
from ratchet.plan.lengths import tokens_of
from ratchet.plan.placement import Placement
from ratchet.plan.shape import shape_of
from ratchet.plan.work import ideal_rollout, ideal_training
from ratchet.recipe import load_recipe

# Parts of a step that are neither training nor rollout, as the run's log names them.
REST = ("reward", "weight_sync", "diagnostics", "logging")


def factors(run: Path, device: Device) -> tuple[dict[str, float], str]:
    """How much longer than the ideal an earlier run took, and a sentence about it.

    Args:
        device: what that run was on.

    Returns:
        phase -> measured seconds over those that the device would take at its peak; of "rest", the seconds themselves.

    Raises:
        UserError: where the folder holds no run, or one that logged no times.
    """
    about, log = read_json(run / "run.json"), _log(run)
    if not (run / "recipe.yaml").is_file() or not isinstance(about, dict):
        raise UserError(f"--measured: {run} holds no run (no recipe.yaml and run.json); name the output_dir of one")
    timed = [entry for entry in log if isinstance(entry.get("time/training"), (int, float))]
    timed = timed[1:] or timed  # the first steps warm up
    if not timed:
        raise UserError(f"--measured: {run} logged no times (diagnostics: off, or it stopped before its first log)")
    processes = int(about.get("processes") or 1)
    recipe = load_recipe(run / "recipe.yaml", environ={"WORLD_SIZE": str(processes)}, to_train=False)
    placement = Placement(
        str(run), "one" if processes == 1 else "ddp", processes, 1, "no", use_cpu=bool(recipe.get("use_cpu"))
    )
    shape = shape_of(recipe)
    tokens = tokens_of(recipe, shape, None, None, None)
    job = job_of(recipe, shape, placement, tokens.longest)
    per_process = recipe.batches.completions_per_step / processes
    answers = _median(timed, "completions/mean_length")
    length = tokens.prompt + answers if recipe.method.samples else tokens.row
    found = {"training": _median(timed, "time/training") / ideal_training(job, length, per_process, device)}
    if recipe.method.samples:
        sampled = per_process / recipe.batches.passes
        found["rollout"] = _median(timed, "time/rollout") / ideal_rollout(job, tokens.prompt, answers, sampled, device)
        found["rest"] = sum(_median(timed, f"time/{name}") for name in REST)
    hardware = about.get("hardware") if isinstance(about.get("hardware"), dict) else {}
    machine = hardware.get("gpu") or hardware.get("machine") or "an unknown machine"
    several = "es" if processes > 1 else ""
    return found, f"as {run} took it ({len(timed)} logged steps on {processes} process{several}, {machine})"


def mean_answer(run: Path) -> float | None:
    """Tokens of a mean completion in an earlier run."""
    return _median(_log(run), "completions/mean_length") or None


def length_histogram(run: Path) -> list[tuple[float, float, int]]:
    """Lengths of an earlier run's completions in tokens: from, to, how many."""
    from ratchet.record.records import read

    found = [entry for entry in read(run, "histograms")[0] if entry.get("name") == "rollout/length"]
    return [
        (low, high, count)
        for entry in found
        for (low, high), count in zip(pairwise(entry["edges"]), entry["counts"], strict=True)
        if count
    ]


def _log(run: Path) -> list[Mapping[str, Any]]:
    """What a run logged, as far as it can be read."""
    from ratchet.record.records import read  # with NumPy, which no other plan needs

    return read(run, "log")[0]


def _median(entries: list[Mapping[str, Any]], name: str) -> float:
    values = [entry[name] for entry in entries if isinstance(entry.get(name), (int, float))]
    return float(median(values)) if values else 0.0
