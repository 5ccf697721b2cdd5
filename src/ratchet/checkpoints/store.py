"""A run's checkpoints as folders: sealed with sizes and hashes, moved into place when whole, checked before use.

    checkpoint-<step>/    whole: manifest.json holds the size and SHA-256 of every file, and what it was made from
    _saving/              what is being written; of no use if the run ends meanwhile
    _set_aside/           checkpoints that turned out torn, and those after a step that the run went back to

A rename is the last act of a save, after every file and folder has reached the disk (fsync), so that whatever moment
a process or a machine dies at, the newest whole checkpoint is found again.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet.files import read_json, write_json

MANIFEST = "manifest.json"
SAVING = "_saving"
ASIDE = "_set_aside"
_NAME = re.compile(r"checkpoint-(\d+)")


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint's folder."""

    path: Path
    step: int

    @property
    def manifest(self) -> dict[str, Any]:
        """What ``seal`` wrote; empty where there is none that can be read."""
        found = read_json(self.path / MANIFEST)
        return found if isinstance(found, dict) else {}

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in _files(self.path))

    def fault(self) -> str | None:
        """What is wrong with it, or None: every file is there with the size and the hash that it was saved with."""
        if not (self.path / MANIFEST).is_file():
            return f"it has no {MANIFEST}"
        files = self.manifest.get("files")
        if not isinstance(files, dict) or not all(
            isinstance(entry, dict) and {"bytes", "sha256"} <= set(entry) for entry in files.values()
        ):
            return f"its {MANIFEST} cannot be read"
        for name, entry in files.items():
            path = self.path / name
            if not path.is_file():
                return f"{name} is missing"
            if path.stat().st_size != entry["bytes"]:
                return f"{name} has {path.stat().st_size} bytes instead of {entry['bytes']}"
        hashes = _hashes(self.path / name for name in files)
        wrong = [name for name, found in zip(files, hashes, strict=True) if found != files[name]["sha256"]]
        return f"{wrong[0]} is not what was saved (its SHA-256 differs)" if wrong else None


def checkpoints(run: Path) -> list[Checkpoint]:
    """All folders named like a checkpoint, the newest first; none of them is checked."""
    found = [
        Checkpoint(path, int(name[1]))
        for path in run.glob("checkpoint-*")
        if (name := _NAME.fullmatch(path.name)) and path.is_dir()
    ]
    return sorted(found, key=lambda checkpoint: -checkpoint.step)


def step_of(folder: Path) -> int | None:
    """The step that a checkpoint was made after; None where the folder is no checkpoint."""
    state = read_json(folder / "trainer_state.json")
    step = state.get("global_step") if isinstance(state, dict) else None
    return step if isinstance(step, int) else None


def seal(folder: Path, **about: Any) -> None:
    """Bring every file to the disk, and write the manifest with ``about`` in it."""
    files = _files(folder)
    for path in files:
        _sync(path)
    hashes = _hashes(files)
    entries = {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": found}
        for path, found in zip(files, hashes, strict=True)
    }
    write_json(folder / MANIFEST, {**about, "files": entries})
    _sync(folder / MANIFEST)
    for path in [*(path for path in folder.rglob("*") if path.is_dir()), folder]:
        _sync(path)


def publish(folder: Path, run: Path) -> Checkpoint:
    """Move a sealed folder to its place among the run's checkpoints."""
    target = run / folder.name
    if target.exists():
        set_aside(target)
    folder.rename(target)
    _sync(run)
    return Checkpoint(target, int(_NAME.fullmatch(target.name)[1]))


def recover(run: Path) -> Iterator[str]:
    """After an end at any moment: finish a save that lacked only its rename, and take away one that was not complete.

    Yields:
        What was done, a sentence each.
    """
    for folder in sorted((run / SAVING).glob("checkpoint-*")):
        if _NAME.fullmatch(folder.name) and Checkpoint(folder, 0).fault() is None and not (run / folder.name).exists():
            publish(folder, run)
            yield f"{folder.name} had been written whole when the run ended, and counts"
        else:
            yield f"the save of {folder.name} was not finished when the run ended; took it away"
    for folder in (run / SAVING, *run.glob("_deleting-checkpoint-*")):
        shutil.rmtree(folder, ignore_errors=True)


def newest_whole(run: Path) -> tuple[Checkpoint | None, list[tuple[Checkpoint, str]]]:
    """The newest checkpoint without a fault, and the faulty ones after it, each with what is wrong."""
    faulty = []
    for checkpoint in checkpoints(run):
        fault = checkpoint.fault()
        if fault is None:
            return checkpoint, faulty
        faulty.append((checkpoint, fault))
    return None, faulty


def set_aside(folder: Path) -> Path:
    """Move a checkpoint where it does not count any more; returns its new place."""
    aside = folder.parent / ASIDE
    aside.mkdir(exist_ok=True)
    target = next(
        path
        for i in range(1, 10_000)
        if not (path := aside / (folder.name if i == 1 else f"{folder.name}.{i}")).exists()
    )
    return folder.rename(target)


def superfluous(run: Path, keep: int | None, keep_every: int | None, best: Path | None = None) -> list[Checkpoint]:
    """The checkpoints that rotation takes away.

    Args:
        keep: the newest so many stay (``save_total_limit``); None keeps all.
        keep_every: those whose step is a multiple of it stay for ever.
        best: stays, and counts among ``keep``.
    """
    if keep is None:
        return []
    counted = [c for c in checkpoints(run) if not keep_every or c.step % keep_every]
    first = counted[:1] + [c for c in counted[1:] if best is not None and c.path.name == best.name]
    return [c for c in counted if c not in first][max(0, keep - len(first)) :]


def rotate(run: Path, keep: int | None, keep_every: int | None, best: Path | None = None) -> None:
    """Delete what is superfluous: out of the way first, so that no half-deleted folder looks like a checkpoint."""
    for checkpoint in superfluous(run, keep, keep_every, best):
        remove(checkpoint)


def remove(checkpoint: Checkpoint) -> None:
    """Delete one checkpoint."""
    doomed = checkpoint.path.with_name(f"_deleting-{checkpoint.path.name}")
    shutil.rmtree(doomed, ignore_errors=True)
    checkpoint.path.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)


def _hashes(paths: Any) -> list[str]:
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:  # hashing leaves the interpreter free
        return list(pool.map(_hash, paths))


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
