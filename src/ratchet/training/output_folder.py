"""The output folder of a run: prepared beside its place, and put there when everything is known to be right."""

import contextlib
import itertools
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from ratchet.checkpoints.resume import Start, ask, leave_later_behind
from ratchet.errors import UserError
from ratchet.files import hidden_beside, is_volume
from ratchet.models import locate_of
from ratchet.models.adapters import INITIAL_MODEL, mode_of
from ratchet.recipe import Recipe
from ratchet.recipe.makers import check_model_is_made
from ratchet.record.records import FOLDER as RECORDS

EARLIER = "earlier-"  # and a number: folders in a volume for the runs before


def staging(recipe: Recipe) -> Path:
    """Where a run is prepared, beside its output folder, until everything is known to be right."""
    return hidden_beside(recipe.output_dir, "preparing")


def open_staging(recipe: Recipe) -> None:
    """Make an empty staging folder; the output folder stays as it is.

    Raises:
        UserError: where the output folder is a file, or cannot be written.
    """
    if recipe.output_dir.exists() and not recipe.output_dir.is_dir():
        raise UserError(f"output_dir: {recipe.output_dir} is a file; name a folder with --output_dir")
    try:
        shutil.rmtree(staging(recipe), ignore_errors=True)
        staging(recipe).mkdir(parents=True)
    except OSError as error:
        raise UserError(
            f"output_dir: {recipe.output_dir} cannot be written ({error.strerror}); name another with --output_dir"
        ) from None


def publish_output(recipe: Recipe, start: Start, sha256: str) -> None:
    """Turn the staging folder into the output folder; an earlier run there is moved aside, never written over.

    Args:
        sha256: the training rows' checksum.

    Raises:
        UserError: where the run resumes from a checkpoint of other rows.
    """
    folder, prepared = recipe.output_dir, staging(recipe)
    if start.recorded and start.recorded.get("data") != sha256:
        ask(start, ["data    the training rows are others"])
    if start.inside(folder):
        start.notes += leave_later_behind(folder, start.checkpoint)
    elif earlier := _earlier(folder):
        print(f"{folder} holds an earlier run; moved it to {_moved_aside(folder, earlier)}")
    folder.resolve().mkdir(parents=True, exist_ok=True)
    (folder / "result.json").unlink(missing_ok=True)  # a run that is resumed is not finished any more
    for item in prepared.iterdir():
        shutil.rmtree(folder / item.name, ignore_errors=True)
        item.rename(folder / item.name)
    prepared.rmdir()
    (folder / "recipe.yaml").write_text(recipe.as_yaml(), encoding="utf-8")


def _earlier(folder: Path) -> list[Path]:
    """What an earlier run has left in a folder; not what belongs to a volume, or to this start."""
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith((".", EARLIER, "lost+found"))]


def _moved_aside(folder: Path, earlier: Sequence[Path]) -> Path:
    """Move an earlier run out of the way, on its own file system; a link to the folder, or a mount, stays as it is."""
    place = folder.resolve()
    begins = place / EARLIER if is_volume(folder) else place.with_name(f"{place.name}.old-")
    numbered = (begins.with_name(f"{begins.name}{number}") for number in itertools.count(1))
    aside = next(path for path in numbered if not path.exists())
    if aside.parent != place:
        return place.rename(aside)
    aside.mkdir()
    for path in earlier:
        path.rename(aside / path.name)
    return aside


def discard_staging(recipe: Recipe) -> None:
    """Remove what was prepared for a run that does not start."""
    shutil.rmtree(staging(recipe), ignore_errors=True)


class Place:
    """The output folder of a run that is under way, by which it is noticed when somebody renames or deletes it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    def now(self) -> Path | None:
        """Where the folder is; None where it was deleted."""
        held = os.fstat(self._held)
        with contextlib.suppress(OSError):
            if os.path.samestat(held, self.folder.stat()):
                return self.folder
        with contextlib.suppress(OSError):  # where Linux shows what a process holds
            found = Path(os.readlink(f"/proc/self/fd/{self._held}"))
            if os.path.samestat(held, found.stat()):
                return found
        return None


def gather(before: Path, now: Path, written: Sequence[str] = ()) -> None:
    """Bring the records that were written to a folder's old path, after it was renamed, to where it is.

    Of the rest only what this run has ``written`` there is taken away: somebody else may have made the path anew.
    """
    for name in written:
        path = before / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for path in sorted((before / RECORDS).glob("*.jsonl")):
        with (now / RECORDS / path.name).open("a", encoding="utf-8") as file:
            file.write(path.read_text(encoding="utf-8"))
        path.unlink()
    for folder in (before / RECORDS, before):
        with contextlib.suppress(OSError):  # not there, or not empty
            folder.rmdir()


def makes_its_model(recipe: Recipe) -> bool:
    """Whether a run makes the model that it trains: from a configuration, or by merging an adapter.

    Raises:
        UserError: where the recipe contradicts the adapter.
    """
    if recipe.from_scratch is not None:
        return True
    check_model_is_made(recipe)
    return mode_of(recipe.values, locate_of(recipe.values)) == "merge"


def has_initial_model(recipe: Recipe, start: Start) -> bool:
    """Whether the model that the run makes is there already, because the run that made it is resumed."""
    return start.inside(recipe.output_dir) and (recipe.output_dir / INITIAL_MODEL).is_dir()
