"""Decide which checkpoint a run resumes from: rerunning the same command needs to say nothing about it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ratchet.checkpoints.origin import differences, origin
from ratchet.checkpoints.store import (
    ASIDE,
    MANIFEST,
    Checkpoint,
    checkpoints,
    newest_whole,
    recover,
    set_aside,
    step_of,
)
from ratchet.errors import UserError
from ratchet.files import read_json
from ratchet.recipe import Recipe

LATEST, NEVER, HUB = "latest", "never", "hub"


@dataclass
class Start:
    """How a run begins: with its first step, from a checkpoint, or not at all because it has finished."""

    checkpoint: Checkpoint | None = None
    """None: the run begins with its first step."""
    finished: dict[str, Any] | None = None
    """``result.json`` of the same run, which has nothing left to do."""
    allow_changes: bool = False
    """Whether it resumes although recipe, data or code differ (``--resume-anyway``)."""
    notes: list[str] = field(default_factory=list)
    """What was noticed, a sentence each."""

    @property
    def recorded(self) -> dict[str, Any]:
        """What the checkpoint was made from, as its manifest holds it; empty without a checkpoint or a manifest."""
        return {} if self.checkpoint is None else self.checkpoint.manifest

    def inside(self, run: Path) -> bool:
        """Whether the run in this folder resumes, rather than a new one from another's checkpoint."""
        return self.checkpoint is not None and self.checkpoint.path.resolve().parent == run.resolve()


def choose(
    recipe: Recipe, wanted: str = LATEST, allow_changes: bool = False, *, download: Callable[[Recipe], Path]
) -> Start:
    """Find what a run resumes from.

    Args:
        wanted: "latest", "never", "hub", a step, or a checkpoint's folder.
        allow_changes: whether recipe and code may differ from the checkpoint's.
        download: fetches the last checkpoint from the Hub, for "hub".

    Raises:
        UserError: for a checkpoint that is not there or not whole, or where recipe or code differ.
    """
    if wanted == NEVER:
        return Start()
    if wanted == LATEST:
        start = _latest(recipe, allow_changes)
    elif wanted == "true":  # what an option without a value is read as
        raise UserError("--resume takes latest, never, hub, a step, or a checkpoint's folder")
    else:
        start = _wanted(_path(recipe, wanted, download), recipe.output_dir, allow_changes)
    start.allow_changes = allow_changes
    if start.recorded:
        ask(start, list(differences(start.recorded, origin(recipe))))
    return start


def ask(start: Start, changes: Sequence[str]) -> None:
    """Refuse to resume with something else than was begun, unless the user has allowed it."""
    if not changes:
        return
    if start.allow_changes:
        start.notes += [f"resumes although it differs: {' '.join(line.split())}" for line in changes]
        return
    lines = [
        *start.notes,
        f"{start.checkpoint.path} is of a run that stopped at step {start.checkpoint.step}, "
        "and since then something has changed:",
        *(f"  {line}" for line in changes),
        "Add --resume-anyway to resume with what is there now, "
        "or --resume never to start from the beginning (the earlier run is moved aside)",
    ]
    raise UserError("\n".join(lines))


def leave_later_behind(run: Path, checkpoint: Checkpoint) -> list[str]:
    """Set aside what came after the checkpoint that a run rolls back to; returns a sentence about it, or nothing."""
    moved = [set_aside(later.path) for later in checkpoints(run) if later.step > checkpoint.step]
    if not moved:
        return []
    names = ", ".join(path.name for path in reversed(moved))
    return [f"moved what came after step {checkpoint.step} to {moved[0].parent}: {names}"]


def _path(recipe: Recipe, wanted: str, download: Callable[[Recipe], Path]) -> Path:
    if wanted == HUB:
        return download(recipe)
    if wanted.isdecimal():
        return recipe.output_dir / f"checkpoint-{int(wanted)}"
    return Path(wanted)


def _wanted(path: Path, run: Path, allow_changes: bool) -> Start:
    """The start from a checkpoint that the user has named."""
    start = Start(_named(_back_from_aside(path, run), run))
    if not start.inside(run) and not allow_changes and (pickles := _pickles(path)):
        raise UserError(
            f"--resume: {path} is of another run and holds {pickles}, "
            "which DeepSpeed and FSDP read as pickles: these run any code they hold. "
            "Add --resume-anyway if you trust where it comes from"
        )
    if not start.recorded:
        start.notes.append(
            f"{path} has no manifest: whether it is whole, and what it was made from, cannot be checked"
        )
    return start


def _latest(recipe: Recipe, allow_changes: bool) -> Start:
    """The start from the newest whole checkpoint; a run that has finished by the same recipe has nothing to do."""
    run = recipe.output_dir
    result = read_json(run / "result.json")
    if isinstance(result, dict):
        same = _is_of(run, recipe)
        if same or not allow_changes:
            return Start(finished=result if same else None)
    notes = list(recover(run))
    checkpoint, faulty = newest_whole(run)
    for torn, fault in faulty:
        notes.append(f"{torn.path.name} is not whole: {fault}; moved it to {set_aside(torn.path)}")
    return Start(checkpoint, notes=notes)


def _is_of(run: Path, recipe: Recipe) -> bool:
    """Whether the finished run in a folder is one of this recipe; code that changed afterwards does not undo it."""
    about = read_json(run / "run.json")
    recorded = about.get("origin") if isinstance(about, dict) else None
    if not isinstance(recorded, dict):
        return False
    changes = differences({**recorded, "code": None}, {**origin(recipe), "code": None})
    return not list(changes)


def _back_from_aside(path: Path, run: Path) -> Path:
    """Put a checkpoint that was set aside in this run back in its place; any other path is returned as it is."""
    if path.resolve().parent != (run / ASIDE).resolve() or not path.is_dir():
        return path
    place = run / path.name.split(".")[0]  # what was set aside twice has a number after a dot
    if place.exists():
        raise UserError(f"--resume: {place} is there too; take that one, or move it away first")
    return path.rename(place)


def _pickles(folder: Path) -> str:
    """The files of a checkpoint that would be unpickled without restriction, by name."""
    patterns = ("global_step*", "*.bin", "pytorch_model_fsdp*", "optimizer_*")
    names = {path.name for pattern in patterns for path in folder.glob(pattern)}
    return ", ".join(sorted(names - {"training_args.bin"}))  # which nothing reads when a run resumes


def _named(path: Path, run: Path) -> Checkpoint:
    """The checkpoint at a path, checked."""
    step = step_of(path)
    if step is None:
        steps = ", ".join(str(checkpoint.step) for checkpoint in checkpoints(run))
        there = f"{run} has steps {steps}" if steps else f"{run} has none"
        raise UserError(f"--resume: {path} is no checkpoint (a folder with trainer_state.json); {there}")
    checkpoint = Checkpoint(path, step)
    fault = checkpoint.fault() if (path / MANIFEST).is_file() else None  # TRL's own checkpoints have no manifest
    if fault:
        raise UserError(
            f"--resume: {path} is not whole: {fault}. Take another step, or --resume latest for the newest whole one"
        )
    return checkpoint
