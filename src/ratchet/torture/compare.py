"""Compare two runs bit by bit: weights, optimiser, and every number that was logged, except those of clocks."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ratchet.checkpoints.store import checkpoints

TIMES = ("time/", "memory/", "step_time", "runtime", "per_second", "total_flos", "profiling", "seconds")
"""Parts of the names of numbers that clocks and memory decide, which differ between any two runs."""


def differences(one: Path, other: Path) -> tuple[list[str], int]:
    """What is not the same in the folders of two finished runs, and how many numbers were compared."""
    found = [name for name, digest in _DIGESTS.items() if digest(one) != digest(other)]
    entries, others = logged(one), logged(other)
    if len(entries) != len(others):
        found.append(f"{len(entries)} logs, {len(others)} logs")
    for a, b in zip(entries, others, strict=False):
        for key in sorted(a.keys() | b.keys()):
            if a.get(key) != b.get(key):
                place = f"{a.get('file')} step {a.get('step')} {key}"
                found.append(f"{place}: {str(a.get(key)):.80} {str(b.get(key)):.80}")
    return found, sum(len(entry) for entry in entries)


def logged(run: Path) -> list[dict[str, Any]]:
    """The trainer's log, the run's own records, and its result, without what clocks and memory decide."""
    state = json.loads((run / "trainer_state.json").read_text(encoding="utf-8"))
    entries = [{"file": "trainer_state", **entry} for entry in state["log_history"]]
    for path in sorted((run / "diagnostics").glob("*.jsonl")):
        lines = path.read_text(encoding="utf-8").splitlines()
        entries += [{"file": path.stem, **json.loads(line)} for line in lines]
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    entries.append({"file": "result", **result})
    return [_without_times(entry) for entry in entries]


def _without_times(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _without_times(inner) for key, inner in value.items() if not _is_time(key)}


def _is_time(key: str) -> bool:
    return key == "time" or any(part in key for part in TIMES)


def _digest_of_weights(run: Path) -> str:
    """Of the bytes of the final weights."""
    return _digest(run.glob("*.safetensors"))


def _digest_of_optimizer(run: Path) -> str:
    """Of the bytes of the optimiser in the newest checkpoint: torch writes the same bytes for the same tensors."""
    return _digest(checkpoints(run)[0].path.glob("optimizer.pt"))


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.read_bytes())
    return digest.hexdigest()


_DIGESTS = {"weights": _digest_of_weights, "optimizer": _digest_of_optimizer}
