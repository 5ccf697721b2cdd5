"""List, check and thin out a run's checkpoints."""

import time
from pathlib import Path

from ratchet.checkpoints.store import ASIDE, SAVING, Checkpoint, checkpoints, newest_whole, remove, superfluous
from ratchet.errors import UserError
from ratchet.files import alone, lock_of, read_json, size_text


def table(run: Path) -> str:
    """A line per checkpoint: step, when it was made, size, and what is known without reading it all."""
    found = _found(run)
    best = _best(found)
    lines = ["  step  made                        size  "]
    for checkpoint in reversed(found):
        made = checkpoint.manifest.get("made") or time.strftime(
            "%Y-%m-%dT%H:%M:%S%z", time.localtime(checkpoint.path.stat().st_mtime)
        )
        notes = [] if checkpoint.manifest else ["no manifest: TRL's own, or torn"]
        notes += ["the best"] if best == checkpoint.path.name else []
        lines.append(f"{checkpoint.step:>6}  {made:<24}  {size_text(checkpoint.size):>9}  {', '.join(notes)}".rstrip())
    for name, what in (
        (SAVING, "being written, or left by a run that ended meanwhile"),
        (ASIDE, "set aside; nothing reads it, delete it when you like"),
    ):
        if (run / name).is_dir():
            lines.append(
                f"{name}/: {what}: {', '.join(sorted(path.name for path in (run / name).iterdir())) or 'empty'}"
            )
    return "\n".join(line.rstrip() for line in lines)


def verify(run: Path) -> tuple[str, bool]:
    """Read every file of every checkpoint; returns what was found, and whether all are whole."""
    lines, whole = [], True
    for checkpoint in reversed(_found(run)):
        fault = checkpoint.fault()
        whole &= fault is None
        lines.append(f"{checkpoint.path}: {'whole' if fault is None else f'not whole: {fault}'}")
    newest, _ = newest_whole(run)
    lines.append(f"a run would go on from {newest.path.name}" if newest else "a run would begin anew")
    return "\n".join(lines), whole


def prune(run: Path, keep: int, keep_every: int | None) -> str:
    """Delete all but the newest ``keep``, the best, and those at the interval; the newest whole one always stays.

    Raises:
        UserError: while the run goes on.
    """
    with alone(lock_of(run), f"{run}", "RUN_DIR"):
        found = _found(run)
        newest, _ = newest_whole(run)
        doomed = [c for c in superfluous(run, keep, keep_every, Path(_best(found) or "-")) if c != newest]
        freed = sum(c.size for c in doomed)
        for checkpoint in doomed:
            remove(checkpoint)
    return f"deleted {', '.join(c.path.name for c in reversed(doomed)) or 'nothing'} ({size_text(freed)}); {len(found) - len(doomed)} left"


def _found(run: Path) -> list[Checkpoint]:
    if not run.is_dir():
        raise UserError(f"{run} is no run's folder: there is no such folder")
    found = checkpoints(run)
    if not found:
        raise UserError(f"{run} holds no checkpoints (folders checkpoint-<step>); save_strategy: steps makes some")
    return found


def _best(found: list[Checkpoint]) -> str | None:
    state = read_json(found[0].path / "trainer_state.json")
    best = state.get("best_global_step") if isinstance(state, dict) else None
    return f"checkpoint-{best}" if best else None
