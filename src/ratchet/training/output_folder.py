"""The output folder of a run: prepared beside its place, and put there when everything is known to be right."""

import shutil
from pathlib import Path

from ratchet.checkpoints.resume import Start, ask, leave_later_behind
from ratchet.errors import UserError
from ratchet.recipe import Recipe

INITIAL_MODEL = "initial_model"  # the folder of a model built from a configuration


def staging(recipe: Recipe) -> Path:
    """Where a run is prepared, beside its output folder, until everything is known to be right."""
    return recipe.output_dir.with_name(f".{recipe.output_dir.name}.preparing")


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
    elif folder.exists() and any(folder.iterdir()):
        aside = _free_name(folder)
        folder.rename(aside)
        print(f"{folder} holds an earlier run; moved it to {aside}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").unlink(missing_ok=True)  # a run that is resumed is not finished any more
    for item in prepared.iterdir():
        shutil.rmtree(folder / item.name, ignore_errors=True)
        item.rename(folder / item.name)
    prepared.rmdir()
    (folder / "recipe.yaml").write_text(recipe.as_yaml(), encoding="utf-8")


def _free_name(folder: Path) -> Path:
    names = (folder.with_name(f"{folder.name}.old-{number}") for number in range(1, 10_000))
    return next(path for path in names if not path.exists())


def discard_staging(recipe: Recipe) -> None:
    """Remove what was prepared for a run that does not start."""
    shutil.rmtree(staging(recipe), ignore_errors=True)


def has_initial_model(recipe: Recipe, start: Start) -> bool:
    """Whether the model from a configuration is there already, because the run that made it is resumed."""
    return start.inside(recipe.output_dir) and (recipe.output_dir / INITIAL_MODEL).is_dir()
