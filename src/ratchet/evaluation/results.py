"""Every evaluated checkpoint of a project in one table: what was measured, on what, how sure it is, beside what, and by which command."""

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
_OF_RUN = re.compile(r"/(?:_evaluating/step|checkpoint)-\d+/?$")  # the step stands beside it
HEAD = ("model", "step", "task", "split", "accuracy, 95 % interval", "majority", "command")


@dataclass(frozen=True)
class Measured:
    """One evaluation."""

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

    def cells(self) -> list[str]:
        """For a table."""
        share = Share(self.accuracy, self.low, self.high, self.n)
        step = "" if self.step is None else str(self.step)
        return [
            self.model,
            step,
            self.task,
            self.split,
            str(share),
            "" if self.majority is None else f"{self.majority:.3f}",
            f"`{self.command}`",
        ]


def results(folders: Sequence[Path]) -> list[Measured]:
    """Of all runs and evaluations below some folders, by model and step.

    Raises:
        UserError: for a folder that is not there, and where nothing was evaluated.
    """
    found: dict[tuple, Measured] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"there is no folder {folder}")
        for one in _below(folder):
            found[one.model, one.step, one.task, one.split, one.command] = one
    if not found:
        raise UserError(
            f"nothing below {', '.join(map(str, folders))} was evaluated; ratchet evaluate RECIPE --model MODEL does it"
        )
    return sorted(found.values(), key=lambda one: (one.model, one.task, one.split, one.step or 0))


def table(found: Sequence[Measured]) -> str:
    """As Markdown."""
    rows = [list(HEAD), *(one.cells() for one in found)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD) - 1)]
    lines = [
        "| " + " | ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) + " |"
        for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|---|", *lines[1:]])


def as_dicts(found: Sequence[Measured]) -> list[dict[str, Any]]:
    """For JSON."""
    return [asdict(one) for one in found]


def _below(folder: Path) -> Iterator[Measured]:
    for path in sorted(folder.rglob("run.json")):
        yield from _of_run(path.parent)
    for path in sorted(folder.rglob("evaluation-*.json")):
        yield from _measured(read_json(path), path)
    for path in sorted(folder.rglob("lighteval-*.json")):
        entry = read_json(path)
        tasks = entry.get("tasks") if isinstance(entry, dict) else None
        for task, share in tasks.items() if isinstance(tasks, dict) else ():
            yield from _measured(
                {**entry, **(share if isinstance(share, dict) else {}), "task": f"lighteval {task}"}, path
            )


def _of_run(run: Path) -> Iterator[Measured]:
    """What was measured while a run trained."""
    about = read_json(run / "run.json")
    command = about.get("command") if isinstance(about, dict) else None
    for entry in read(run, "evaluations")[0]:
        yield from _measured({**entry, "model": str(run), "command": command}, run)


def _measured(entry: Any, path: Path) -> Iterator[Measured]:
    """Nothing for what is no evaluation."""
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), (int, float)) for key in SHARE):
        return
    majority, step = entry.get("majority"), entry.get("step")
    yield Measured(
        model=_OF_RUN.sub("", str(entry.get("model") or "")),
        **{key: str(entry.get(key) or "") for key in ("task", "split", "command")},
        **{key: float(entry[key]) for key in SHARE[:3]},
        n=int(entry["n"]),
        step=step if isinstance(step, int) else None,
        majority=float(majority) if isinstance(majority, (int, float)) else None,
        file=str(path),
    )
