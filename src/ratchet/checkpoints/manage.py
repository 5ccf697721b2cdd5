"""List, check and thin out a run's checkpoints."""

import time
from pathlib import Path

from ratchet.checkpoints.store import ASIDE, SAVING, Checkpoint, checkpoints, newest_whole, remove, superfluous
from ratchet.errors import UserError
from ratchet.files import alone, lock_of, read_json, size_text

_OTHERS = {
    SAVING: "being written, or left by a run that ended meanwhile",
    ASIDE: "set aside; nothing reads it, delete it when you like",
}


def table(run: Path) -> str:
    """A line per checkpoint: step, when it was made, size, and what is known without reading it all."""
    found = _found(run)
    best = _best(found)
    lines = ["  step  made                        size  "]
    for checkpoint in reversed(found):
        notes = []
        if not checkpoint.manifest:
            notes.append("no manifest: TRL's own, or torn")
        if best == checkpoint.path.name:
            notes.append("the best")
        size = size_text(checkpoint.size)
        lines.append(f"{checkpoint.step:>6}  {_made(checkpoint):<24}  {size:>9}  {', '.join(notes)}")
    for name, what in _OTHERS.items():
        if (run / name).is_dir():
            held = ", ".join(sorted(path.name for path in (run / name).iterdir()))
            lines.append(f"{name}/: {what}: {held or 'empty'}")
    return "\n".join(line.rstrip() for line in lines)


def _made(checkpoint: Checkpoint) -> str:
    """When it was made, by its manifest, or else by its folder."""
    recorded = checkpoint.manifest.get("made")
    return recorded or time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(checkpoint.path.stat().st_mtime))


def verify(run: Path) -> tuple[str, bool]:
    """Read every file of every checkpoint; returns what was found, and whether all are whole."""
    lines, all_whole = [], True
    for checkpoint in reversed(_found(run)):
        fault = checkpoint.fault()
        all_whole &= fault is None
        lines.append(f"{checkpoint.path}: {'whole' if fault is None else f'not whole: {fault}'}")
    newest, _ = newest_whole(run)
    lines.append(f"a run would resume from {newest.path.name}" if newest else "a run would start from the beginning")
    return "\n".join(lines), all_whole


def prune(run: Path, keep: int, keep_every: int | None) -> str:
    """Delete all but the newest ``keep``, the best, and those at the interval; the newest whole one always stays.

    Raises:
        UserError: while a run writes into the folder.
    """
    with alone(lock_of(run), f"{run}", "RUN_DIR"):
        found = _found(run)
        newest, _ = newest_whole(run)
        best = Path(_best(found) or "-")
        doomed = [checkpoint for checkpoint in superfluous(run, keep, keep_every, best) if checkpoint != newest]
        freed = sum(checkpoint.size for checkpoint in doomed)
        for checkpoint in doomed:
            remove(checkpoint)
    names = ", ".join(checkpoint.path.name for checkpoint in reversed(doomed)) or "nothing"
    return f"deleted {names} ({size_text(freed)}); {len(found) - len(doomed)} left"


def _found(run: Path) -> list[Checkpoint]:
    if not run.is_dir():
        raise UserError(f"{run} is no run's folder: there is no such folder")
    found = checkpoints(run)
    if not found:
        raise UserError(f"{run} holds no checkpoints (folders checkpoint-<step>); save_strategy: steps makes some")
    return found


def _best(found: list[Checkpoint]) -> str | None:
    """The best checkpoint's folder, as the newest one's trainer state names it."""
    state = read_json(found[0].path / "trainer_state.json")
    best = state.get("best_global_step") if isinstance(state, dict) else None
    return f"checkpoint-{best}" if best else None
