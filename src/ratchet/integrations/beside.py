"""What the evaluations by other harnesses share: the model as it is handed over, and two ways side by side."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.evaluation.evaluate import Answered, Result
from ratchet.evaluation.run import ELSEWHERE, named
from ratchet.evaluation.statistics import Share, clusters, share
from ratchet.files import keep_earlier, read_json, write_json, write_text
from ratchet.models import load_for_evaluation, load_tokenizer, locate_of
from ratchet.models.sampling import IDS
from ratchet.recipe import Recipe
from ratchet.recipe.precision import compute_dtype
from ratchet.runtime import command_line
from ratchet.workers import PYTHON

Entry = dict[str, Any]
"""A row as a harness evaluated it: "id", "correct", "cluster" (``Task.cluster``), and "completion", None where nothing
was generated."""


def lay_model(target: Path, recipe: Recipe, model: str, harness: str) -> None:
    """A folder with the model for a harness; an adapter is merged."""
    path = Path(locate_of(recipe.values, model))
    if (path / "config.json").is_file():
        _link(path, target)
        return
    if recipe.values.get("load_in_4bit") or recipe.values.get("load_in_8bit"):
        print(f"note: the adapter trained beside quantised weights, and {harness} is given it merged into whole ones")
    load_for_evaluation(str(path), compute_dtype(recipe), "cpu").save_pretrained(target)
    load_tokenizer(str(path)).save_pretrained(target)


def _link(path: Path, target: Path) -> None:
    """The model's files, but for what its author would have sampling be: only end tokens are taken from there."""
    target.mkdir()
    for file in path.iterdir():
        if file.name != "generation_config.json":
            (target / file.name).symlink_to(file.absolute())
    own = read_json(path / "generation_config.json")
    if isinstance(own, dict):
        write_json(target / "generation_config.json", {name: own[name] for name in IDS if name in own})


def environment() -> dict[str, str]:
    """This process's, without what would reach into a harness's Python or its recipe; workers have this Python."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("RATCHET_", "PYTHON"))}
    return {**own, PYTHON: sys.executable}


def carry_out(
    harness: str, tasks: Sequence[str], words: Sequence[str], folder: Path, environ: Mapping[str, str]
) -> int:
    """Run a harness; its output goes to a log, whose end is shown when it fails. Its exit status."""
    print(f"{harness}: {', '.join(tasks)}", flush=True)
    with (folder / "log.txt").open("wb") as log:
        code = subprocess.run(words, cwd=folder, env=environ, stdout=log, stderr=subprocess.STDOUT).returncode
    if code:
        lines = (folder / "log.txt").read_text(encoding="utf-8", errors="replace").splitlines()
        print("\n".join(lines[-25:]))
        print(f"{harness} failed (exit status {code}); nothing was written", flush=True)
    return code


def refuse_mixture(recipe: Recipe) -> None:
    """A harness measures one task.

    Raises:
        UserError: for a mixture.
    """
    if len(recipe.each_task()) > 1:
        names = ", ".join(recipe.each_task())
        raise UserError(f"tasks: a harness measures one task; give it a recipe of one of {names}")


def write(harness: str, recipe: Recipe, model: str, found: Mapping[str, Sequence[Entry]], ours: Result | None) -> None:
    """Both ways' figures as JSON, and every row, in ``outputs/evaluations``."""
    target = ELSEWHERE / named(model) / f"{harness}-{recipe.task.name}-{recipe.evaluation.split}.json"
    every_row = target.with_suffix(".jsonl")
    if note := keep_earlier(target, every_row):
        print(note)
    result = {
        "model": model,
        "command": command_line(),
        "split": recipe.evaluation.split,
        "tasks": {name: share_of(entries).as_dict() for name, entries in found.items()},
        "ratchet": ours.as_dict() if ours else None,
    }
    write_json(target, result)
    lines = []
    for name, entries in found.items():
        lines += [json.dumps({"task": name, **entry}, ensure_ascii=False) + "\n" for entry in entries]
    write_text(every_row, "".join(lines))
    print(f"\nwritten to {target}, every row to {every_row.name} beside it")


def table(harness: str, found: Mapping[str, Sequence[Entry]], ours: Result | None) -> str:
    """Both ways side by side, with n, intervals, and on how many rows they agree."""
    if ours is None:
        lines = [f"| task | {harness} |", "|---|---|"]
        for name, entries in sorted(found.items()):
            lines.append(f"| {name} | {share_of(entries)} |")
        return "\n".join(lines)
    lines = [f"| task | {harness} | ratchet evaluate | same completion | same verdict |", "|---|---|---|---|---|"]
    answered = {a.id: a for a in ours.answered}
    for name, entries in sorted(found.items()):
        theirs = share_of(entries)
        lines.append(f"| {name} | {theirs} | {' | '.join(_agreement(entries, answered))} |")
    return "\n".join(lines)


def share_of(entries: Sequence[Entry]) -> Share:
    return share([entry["correct"] for entry in entries], clusters((e["id"], e.get("cluster")) for e in entries))


def _agreement(entries: Sequence[Entry], answered: Mapping[str, Answered]) -> list[str]:
    """Three cells: our accuracy on the same rows, and on how many completions and verdicts are the same."""
    both = [
        (entry, answered[entry["id"]])
        for entry in entries
        if entry["completion"] is not None and entry["id"] in answered
    ]
    if not both:
        return ["nothing is generated", "", ""]
    same_completion = sum(entry["completion"] == ours.completion for entry, ours in both)
    same_verdict = sum(entry["correct"] == ours.correct for entry, ours in both)
    accuracy = share([ours.correct for _, ours in both], clusters((ours.id, ours.cluster) for _, ours in both))
    return [str(accuracy), f"{same_completion} of {len(both)}", f"{same_verdict} of {len(both)}"]
