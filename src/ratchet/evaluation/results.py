"""Every evaluated checkpoint of a project in one table: the figure, how sure it is, its baseline, and the command."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.evaluation.statistics import Share
from ratchet.files import read_json
from ratchet.record.records import read

SHARE = ("accuracy", "low", "high", "n")
# The end of a path that names a step: the table has the step in a column of its own.
_OF_STEP = re.compile(r"/(?:_evaluating/step|checkpoint)-\d+/?$")
HEAD = ("model", "step", "task", "split", "accuracy, 95 % interval", "majority", "command")


@dataclass(frozen=True)
class Measured:
    """One evaluation: a row of the table."""

    model: str
    step: int | None
    task: str
    split: str
    accuracy: float
    low: float
    high: float
    n: int
    majority: float | None
    """What the commonest gold answer, always given, scores on the same rows."""
    command: str
    file: str
    clusters: int | None = None

    def cells(self) -> list[str]:
        """The row's cells, under ``HEAD``."""
        share = Share(self.accuracy, self.low, self.high, self.n, self.clusters)
        step = "" if self.step is None else str(self.step)
        majority = "" if self.majority is None else f"{self.majority:.3f}"
        return [self.model, step, self.task, self.split, str(share), majority, f"`{self.command}`"]


def results(folders: Sequence[Path]) -> list[Measured]:
    """All runs and evaluations below some folders, by model and step.

    Raises:
        UserError: for a folder that is not there, and where nothing was evaluated.
    """
    latest: dict[tuple, Measured] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"there is no folder {folder}")
        for one in _below(folder):
            # A folder may be given twice, or lie in another: the same measurement counts once.
            latest[one.model, one.step, one.task, one.split, one.command] = one
    if not latest:
        raise UserError(
            f"nothing below {', '.join(map(str, folders))} was evaluated; "
            "ratchet evaluate RECIPE --model MODEL does it"
        )
    return sorted(latest.values(), key=lambda one: (one.model, one.task, one.split, one.step or 0))


def table(measured: Sequence[Measured]) -> str:
    """The evaluations as a table in Markdown."""
    rows = [list(HEAD), *(one.cells() for one in measured)]
    # The last column, the command, is long and different for each: it is not padded.
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD) - 1)]
    lines = [_line(row, widths) for row in rows]
    rule = "|".join("-" * (width + 2) for width in widths)
    return "\n".join([lines[0], f"|{rule}|---|", *lines[1:]])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
    return "| " + " | ".join([*padded, row[-1]]) + " |"


def as_dicts(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """The evaluations for JSON."""
    return [asdict(one) for one in measured]


def _below(folder: Path) -> Iterator[Measured]:
    for path in sorted(folder.rglob("run.json")):
        yield from _of_run(path.parent)
    for path in sorted(folder.rglob("evaluation-*.json")):
        yield from _measured(read_json(path), path)
    for path in sorted(folder.rglob("lighteval-*.json")):
        yield from _of_lighteval(path)


def _of_lighteval(path: Path) -> Iterator[Measured]:
    """One file of lighteval holds several tasks, which share model, split and command."""
    entry = read_json(path)
    tasks = entry.get("tasks") if isinstance(entry, dict) else None
    if not isinstance(tasks, dict):
        return
    for task, share in tasks.items():
        if isinstance(share, dict):
            yield from _measured({**entry, **share, "task": f"lighteval {task}"}, path)


def _of_run(run: Path) -> Iterator[Measured]:
    """What was measured while a run trained."""
    about = read_json(run / "run.json")
    command = about.get("command") if isinstance(about, dict) else None
    for entry in read(run, "evaluations")[0]:
        yield from _measured({**entry, "model": str(run), "command": command}, run)


def _measured(entry: Any, path: Path) -> Iterator[Measured]:
    """The evaluation that an entry holds, or nothing: any file may lie below a folder under such a name."""
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), (int, float)) for key in SHARE):
        return
    majority, step = entry.get("majority"), entry.get("step")
    yield Measured(
        model=_OF_STEP.sub("", str(entry.get("model") or "")),
        step=step if isinstance(step, int) else None,
        task=str(entry.get("task") or ""),
        split=str(entry.get("split") or ""),
        accuracy=float(entry["accuracy"]),
        low=float(entry["low"]),
        high=float(entry["high"]),
        n=int(entry["n"]),
        majority=float(majority) if isinstance(majority, (int, float)) else None,
        command=str(entry.get("command") or ""),
        file=str(path),
        clusters=entry.get("clusters") if isinstance(entry.get("clusters"), int) else None,
    )
