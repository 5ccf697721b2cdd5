"""A run's checkpoints as folders: sealed with sizes and hashes, moved into place when whole, checked before use.

    checkpoint-<step>/    whole: manifest.json holds the size and SHA-256 of every file, and what it was made from
    _saving/              what is being written; of no use if the run ends meanwhile
    _set_aside/           checkpoints that turned out torn, and those after a step that the run was rolled back to

A rename is the last act of a save, after every file and folder has reached the disk (fsync), so that at any moment a
process or a machine may die, the newest whole checkpoint is found again. ``training/callbacks/checkpointing`` decides
when one is written, and writes it.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
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
    """The folder of a checkpoint, whole or torn."""

    path: Path
    step: int

    @property
    def manifest(self) -> dict[str, Any]:
        """What ``seal`` wrote; empty where there is none that can be read."""
        manifest = read_json(self.path / MANIFEST)
        return manifest if isinstance(manifest, dict) else {}

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in _files(self.path))

    def fault(self) -> str | None:
        """What is wrong with it, or None: every file is there with the size and the hash that it was saved with."""
        if not (self.path / MANIFEST).is_file():
            return f"it has no {MANIFEST}"
        files = self.manifest.get("files")
        if not _is_list_of_files(files):
            return f"its {MANIFEST} cannot be read"
        for name, entry in files.items():  # sizes first: hashing reads every byte
            path = self.path / name
            if not path.is_file():
                return f"{name} is missing"
            if path.stat().st_size != entry["bytes"]:
                return f"{name} has {path.stat().st_size} bytes instead of {entry['bytes']}"
        hashes = _hashes(self.path / name for name in files)
        for (name, entry), current in zip(files.items(), hashes, strict=True):
            if current != entry["sha256"]:
                return f"{name} is not what was saved (its SHA-256 differs)"
        return None


def _is_list_of_files(files: Any) -> bool:
    """Whether this is the list of files that ``seal`` writes; a torn or foreign manifest may hold anything."""
    return isinstance(files, dict) and all(
        isinstance(entry, dict) and {"bytes", "sha256"} <= entry.keys() for entry in files.values()
    )


def checkpoints(run: Path) -> list[Checkpoint]:
    """All folders named like a checkpoint, the newest first; none of them is checked."""
    found = []
    for path in run.glob("checkpoint-*"):
        name = _NAME.fullmatch(path.name)
        if name and path.is_dir():
            found.append(Checkpoint(path, int(name[1])))
    return sorted(found, key=lambda checkpoint: checkpoint.step, reverse=True)


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
    entries = {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": digest}
        for path, digest in zip(files, _hashes(files), strict=True)
    }
    write_json(folder / MANIFEST, {**about, "files": entries})
    _sync(folder / MANIFEST)
    # A file's name is part of its folder: without this, a file on the disk may have no name there after a power cut.
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
    """Clean up after a run that ended at any moment: publish a save that lacked its rename, delete an unfinished one.

    Yields:
        What was done, a sentence each.
    """
    for folder in sorted((run / SAVING).glob("checkpoint-*")):
        is_whole = _NAME.fullmatch(folder.name) and Checkpoint(folder, 0).fault() is None
        if is_whole and not (run / folder.name).exists():
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
    target, number = aside / folder.name, 1
    while target.exists():
        number += 1
        target = aside / f"{folder.name}.{number}"
    return folder.rename(target)


def superfluous(run: Path, keep: int | None, keep_every: int | None, best: Path | None = None) -> list[Checkpoint]:
    """The checkpoints that rotation deletes.

    Args:
        keep: so many of the newest stay (``save_total_limit``); None keeps all.
        keep_every: those whose step is a multiple of it stay forever.
        best: stays, and counts among ``keep``.
    """
    if keep is None:
        return []
    counted = [checkpoint for checkpoint in checkpoints(run) if not keep_every or checkpoint.step % keep_every]
    # The newest always stays, to resume from, also where ``keep`` is 1 and the best is another.
    safe = [
        checkpoint
        for checkpoint in counted
        if checkpoint is counted[0] or (best is not None and checkpoint.path.name == best.name)
    ]
    others = [checkpoint for checkpoint in counted if checkpoint not in safe]
    return others[max(0, keep - len(safe)) :]


def rotate(run: Path, keep: int | None, keep_every: int | None, best: Path | None = None) -> None:
    """Delete what is superfluous."""
    for checkpoint in superfluous(run, keep, keep_every, best):
        remove(checkpoint)


def remove(checkpoint: Checkpoint) -> None:
    """Delete a checkpoint: renamed first, so that no half-deleted folder looks like one."""
    doomed = checkpoint.path.with_name(f"_deleting-{checkpoint.path.name}")
    shutil.rmtree(doomed, ignore_errors=True)
    checkpoint.path.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)


def _hashes(paths: Iterable[Path]) -> list[str]:
    # Threads are enough: hashlib releases the interpreter's lock.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
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
