"""Whether two runs computed the same: weights, optimiser, and every number that was logged, but for those of clocks."""

import hashlib
import json
from pathlib import Path
from typing import Any

from ratchet.checkpoints.store import checkpoints

TIMES = ("time/", "memory/", "step_time", "runtime", "per_second", "total_flos", "profiling", "seconds")


def differences(one: Path, other: Path) -> tuple[list[str], int]:
    """What is not the same in the folders of two finished runs, and how many numbers were compared."""
    found = [name for name in ("weights", "optimizer") if _digest(one, name) != _digest(other, name)]
    entries, others = logged(one), logged(other)
    if len(entries) != len(others):
        found.append(f"{len(entries)} logs, {len(others)} logs")
    for a, b in zip(entries, others, strict=False):
        keys = sorted(key for key in a.keys() | b.keys() if a.get(key) != b.get(key))
        found += [
            f"{a.get('file')} step {a.get('step')} {key}: {str(a.get(key)):.80} {str(b.get(key)):.80}" for key in keys
        ]
    return found, sum(len(entry) for entry in entries)


def logged(run: Path) -> list[dict[str, Any]]:
    """The trainer's log, the run's own records, and its result, without what clocks and memory decide."""
    history = [
        {"file": "trainer_state", **entry}
        for entry in json.loads((run / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]
    ]
    for path in sorted((run / "diagnostics").glob("*.jsonl")):
        history += [{"file": path.stem, **json.loads(line)} for line in path.read_text(encoding="utf-8").splitlines()]
    history.append({"file": "result", **json.loads((run / "result.json").read_text(encoding="utf-8"))})
    return [_without_times(entry) for entry in history]


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_times(v) for k, v in value.items() if k != "time" and not any(word in k for word in TIMES)}
    return value


def _digest(run: Path, what: str) -> str:
    """Of the bytes of the final weights, or of the optimiser in the last checkpoint (torch writes the same bytes for the same tensors)."""
    folder, pattern = (run, "*.safetensors") if what == "weights" else (checkpoints(run)[0].path, "optimizer.pt")
    digest = hashlib.sha256()
    for path in sorted(folder.glob(pattern)):
        digest.update(path.read_bytes())
    return digest.hexdigest()
