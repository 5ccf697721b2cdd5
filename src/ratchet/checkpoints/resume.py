"""Which checkpoint a run goes on from: the same command, typed again, needs to say nothing about it."""

from collections.abc import Callable
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
    """How a run begins."""

    checkpoint: Checkpoint | None = None
    """None: with the first step."""
    finished: dict[str, Any] | None = None
    """``result.json`` of the same run, which has nothing left to do."""
    allow_changes: bool = False
    """Whether it goes on although recipe, data or code differ (``--resume-anyway``)."""
    notes: list[str] = field(default_factory=list)
    """What was found, a sentence each."""

    @property
    def recorded(self) -> dict[str, Any]:
        """What the checkpoint was made from."""
        return {} if self.checkpoint is None else self.checkpoint.manifest

    def inside(self, run: Path) -> bool:
        """Whether the run in this folder goes on, rather than a new one from another's checkpoint."""
        return self.checkpoint is not None and self.checkpoint.path.resolve().parent == run.resolve()


def choose(
    recipe: Recipe, wanted: str = LATEST, allow_changes: bool = False, *, download: Callable[[Recipe], Path]
) -> Start:
    """Find what a run goes on from.

    Args:
        wanted: "latest", "never", "hub", a step, or a checkpoint's folder.
        download: fetches the last checkpoint from the Hub, for "hub".

    Raises:
        UserError: for a checkpoint that is not there or not whole, or where recipe or code differ.
    """
    run = recipe.output_dir
    if wanted == NEVER:
        return Start()
    if wanted == LATEST:
        start = _latest(recipe, run, allow_changes)
    elif wanted == "true":
        raise UserError("--resume takes latest, never, hub, a step, or a checkpoint's folder")
    else:
        path = (
            download(recipe)
            if wanted == HUB
            else run / f"checkpoint-{int(wanted)}"
            if wanted.isdecimal()
            else Path(wanted)
        )
        start = Start(_named(_taken_back(path, run), run))
        if not start.inside(run) and not allow_changes and (pickles := _pickles(path)):
            raise UserError(
                f"--resume: {path} is of another run and holds {pickles}, which DeepSpeed and FSDP read as pickles: these run any code they hold. "
                "Add --resume-anyway if you trust where it comes from"
            )
        if not start.recorded:
            start.notes.append(
                f"{path} has no manifest: whether it is whole, and what it was made from, cannot be checked"
            )
    start.allow_changes = allow_changes
    if start.recorded:
        ask(start, list(differences(start.recorded, origin(recipe))))
    return start


def ask(start: Start, found: list[str]) -> None:
    """Refuse to go on with something else than was begun, unless the user has said so."""
    if not found:
        return
    if start.allow_changes:
        start.notes += [f"goes on although it differs: {' '.join(line.split())}" for line in found]
        return
    raise UserError(
        "\n".join(
            [
                *start.notes,
                f"{start.checkpoint.path} is of a run that stopped at step {start.checkpoint.step}, and since then something has changed:",
                *(f"  {line}" for line in found),
                "Add --resume-anyway to go on with what is there now, or --resume never to start anew (the earlier run is moved aside)",
            ]
        )
    )


def leave_later_behind(run: Path, checkpoint: Checkpoint) -> list[str]:
    """Set aside what came after the checkpoint that a run goes back to; returns a sentence about it."""
    moved = [set_aside(c.path) for c in checkpoints(run) if c.step > checkpoint.step]
    return (
        [
            f"moved what came after step {checkpoint.step} to {moved[0].parent}: {', '.join(path.name for path in reversed(moved))}"
        ]
        if moved
        else []
    )


def _latest(recipe: Recipe, run: Path, allow_changes: bool) -> Start:
    result = read_json(run / "result.json")
    if isinstance(result, dict):
        begun = read_json(run / "run.json")
        then = begun.get("origin") if isinstance(begun, dict) else None
        same = isinstance(then, dict) and not list(
            differences({**then, "code": None}, {**origin(recipe), "code": None})
        )  # newer code finishes nothing anew
        if same or not allow_changes:
            return Start(finished=result if same else None)
    notes = list(recover(run))
    checkpoint, faulty = newest_whole(run)
    for torn, fault in faulty:
        notes.append(f"{torn.path.name} is not whole: {fault}; moved it to {set_aside(torn.path)}")
    return Start(checkpoint, notes=notes)


def _taken_back(path: Path, run: Path) -> Path:
    """A checkpoint that was set aside in this run, in its place again."""
    if path.resolve().parent != (run / ASIDE).resolve() or not path.is_dir():
        return path
    place = run / path.name.split(".")[0]
    if place.exists():
        raise UserError(f"--resume: {place} is there too; take that one, or move it away first")
    return path.rename(place)


def _pickles(folder: Path) -> str:
    found = [
        p
        for p in (
            *folder.glob("global_step*"),
            *folder.glob("*.bin"),
            *folder.glob("pytorch_model_fsdp*"),
            *folder.glob("optimizer_*"),
        )
        if p.name != "training_args.bin"
    ]
    return ", ".join(sorted({path.name for path in found}))


def _named(path: Path, run: Path) -> Checkpoint:
    step = step_of(path)
    if step is None:
        there = (
            f"{run} has steps {', '.join(str(c.step) for c in checkpoints(run))}"
            if checkpoints(run)
            else f"{run} has none"
        )
        raise UserError(f"--resume: {path} is no checkpoint (a folder with trainer_state.json); {there}")
    checkpoint = Checkpoint(path, step)
    fault = checkpoint.fault() if (path / MANIFEST).is_file() else None
    if fault:
        raise UserError(
            f"--resume: {path} is not whole: {fault}. Take another step, or --resume latest for the newest whole one"
        )
    return checkpoint
