"""A run's own record of itself: JSON lines in ``diagnostics/`` of its folder, readable at any time.

    log.jsonl          one line per log and per evaluation: step, time (seconds since 1970), and every scalar
    histograms.jsonl   step, name, counts, edges
    samples.jsonl      step and one sampled completion with its grade, reward and advantage
    confusion.jsonl    step, counts: gold answer -> committed answer -> count, since the last entry
    attention.jsonl    step, layer, head, tokens, weights (queries x keys) of one fixed row
    embeddings.jsonl   step, vectors: last hidden state of some fixed rows
    alarms.jsonl       step, text
    evaluations.jsonl  step, the evaluation's figures, row -> right or wrong, and its first completions

A line is written in one piece, so that a reader meets at most one torn line, the last; ``read`` leaves it out.
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = "diagnostics"


class Records:
    """Appends to the files of one run. Does nothing on processes other than the main one.

    Args:
        folder: the run's output folder; None keeps nothing.
    """

    def __init__(self, folder: Path | None):
        self.folder = None if folder is None else folder / FOLDER

    def write(self, name: str, /, **entry: Any) -> None:
        """Append one line to ``<name>.jsonl``; non-finite numbers become null, which is all that JSON has for them."""
        self.write_all(name, [entry])

    def write_all(self, name: str, entries: Sequence[Mapping[str, Any]]) -> None:
        """Append several lines at once."""
        if self.folder is None or not entries:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(_finite(entry), ensure_ascii=False) + "\n" for entry in entries)
        with (self.folder / f"{name}.jsonl").open("a", encoding="utf-8") as file:
            file.write(lines)

    def log(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Append what was logged at a step."""
        self.write("log", step=step, time=round(time.time(), 3), **scalars)

    def histograms(self, step: int, values: Mapping[str, Sequence[float]]) -> None:
        """Append the distributions of some figures."""
        entries = []
        for name, given in values.items():
            finite = np.asarray(given, dtype=np.float64)
            finite = finite[np.isfinite(finite)]
            if finite.size:
                entries.append({"step": step, "name": name, **_histogram(finite)})
        self.write_all("histograms", entries)


def _histogram(values: np.ndarray) -> dict[str, list[float]]:
    """Counts and edges; bins as the number of values allows, since a micro-batch gives few."""
    counts, edges = np.histogram(values, bins=min(32, max(4, values.size // 4)))
    return {"counts": counts.tolist(), "edges": [float(f"{edge:.6g}") for edge in edges]}


def _finite(value: Any) -> Any:
    """A value as JSON has it: NaN and infinities are null, numpy's numbers are Python's."""
    if isinstance(value, Mapping):
        return {str(key): _finite(element) for key, element in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(element) for element in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def parsed(text: str) -> Any:
    """JSON as Python reads it, but for its constants NaN and Infinity, which become None."""
    return json.loads(text, parse_constant=lambda constant: None)


def read(folder: Path, name: str) -> tuple[list[dict[str, Any]], int]:
    """The entries of ``<name>.jsonl`` in a run's folder, and how many lines are no entries (torn, for instance)."""
    path, entries, torn = folder / FOLDER / f"{name}.jsonl", [], 0
    if not path.is_file():
        return [], 0
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            entry = _entry(line)
            if entry is None:
                torn += 1
            else:
                entries.append(entry)
    return entries, torn


def _entry(line: str) -> dict[str, Any] | None:
    try:
        entry = parsed(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) and isinstance(entry.get("step"), int) else None


def cut(folder: Path, step: int) -> None:
    """Drop entries later than ``step``, and those of the end of training, which a run resumed there writes again."""
    for path in sorted((folder / FOLDER).glob("*.jsonl")):
        entries, _ = read(folder, path.stem)
        kept = [entry for entry in entries if entry["step"] <= step and "train_runtime" not in entry]
        lines = [json.dumps(entry, ensure_ascii=False) + "\n" for entry in kept]
        # Written beside and renamed: a run that is killed here keeps its whole record.
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        beside.write_text("".join(lines), encoding="utf-8")
        beside.replace(path)
