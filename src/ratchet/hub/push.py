"""Publish a run at any time: every checkpoint to its own branch, the model to main; or say what that would be."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ratchet.checkpoints.store import Checkpoint, checkpoints
from ratchet.errors import UserError
from ratchet.files import alone, lock_of, read_json, size_text, write_text
from ratchet.hub.card import model_card
from ratchet.hub.contents import PUSHING, revision_of, stage, staged
from ratchet.hub.repository import Repository, Upload, of_branch, repository_of, sentence
from ratchet.recipe import Recipe, load_recipe

_EXAMPLE = re.compile(r'(pipeline\("text-generation", model=)"[^"]*"')
"""The line of the card's example that names the model."""


def publish(
    run: Path,
    name: str | None = None,
    private: bool | None = None,
    completions: bool = False,
    dry: bool = False,
    base: str | None = None,
) -> Iterator[str]:
    """Push what there is of a run; with ``dry`` nothing leaves the machine.

    Args:
        name: of the repository, instead of the recipe's.
        private: None: as the recipe says.
        base: the model on the Hub that an adapter belongs to, instead of the recipe's ``publish.base``.

    Yields:
        What was done, or would be, a line each.

    Raises:
        UserError: where there is nothing to publish, something is secret, or the Hub refuses.
    """
    if not (run / "recipe.yaml").is_file():
        raise UserError(f"{run} is no run's folder: it has no recipe.yaml")
    given = [(key, value) for key, value in (("hub_model_id", name), ("publish.base", base)) if value]
    recipe = load_recipe(run / "recipe.yaml", given, to_train=False)
    repository = repository_of(recipe)
    _check_name(repository.name)
    repository.private = repository.private if private is None else private
    with alone(lock_of(run), f"{run}", "RUN_DIR"):
        if name and not dry and (run / "result.json").is_file():
            _rename_in_example(run / "README.md", name)
        uploads = _uploads(recipe, run, completions or recipe.publish.completions)
        yield _headline(repository, dry)
        for upload in uploads:
            yield from _described(upload)
            if not dry:
                _push(repository, upload)
        if dry:
            shutil.rmtree(run / PUSHING, ignore_errors=True)
        else:
            yield f"pushed to {repository.name}"


def _check_name(name: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise UserError(f"--repo: {' '.join(str(error).split())}") from None


def _rename_in_example(card: Path, name: str) -> None:
    """Let the card's example load what is published, instead of what the recipe names."""
    if card.is_file():
        text = card.read_text(encoding="utf-8")
        write_text(card, _EXAMPLE.sub(lambda found: f'{found[1]}"{name}"', text))


def _uploads(recipe: Recipe, run: Path, completions: bool) -> list[Upload]:
    """Every checkpoint, the oldest first, and the trained model where the run has finished."""
    base = recipe.publish.base
    for checkpoint in reversed(checkpoints(run)):
        stage(checkpoint.path, run / PUSHING / revision_of(checkpoint.step), _texts(recipe, run, checkpoint), base)
    uploads = [of_branch(folder) for folder in staged(run)]
    if (run / "result.json").is_file():
        place = stage(run, run / PUSHING / "main", {}, base, completions)
        uploads.append(Upload(place, "the trained model"))
    if not uploads:
        raise UserError(f"{run} holds neither a trained model nor a checkpoint to publish")
    return uploads


def _headline(repository: Repository, dry: bool) -> str:
    verb = "would push" if dry else "pushing"
    whose = "" if "/" in repository.name else "of your account, "
    visible = "private" if repository.private else "public"
    return f"{verb} to {repository.name} ({whose}{visible} unless it is there already)"


def _texts(recipe: Recipe, run: Path, checkpoint: Checkpoint) -> dict[str, str]:
    """Card and recipe of a checkpoint; its evaluation is that which ``ratchet evaluate`` has left in it."""
    result: dict[str, Any] = {"steps": checkpoint.step}
    for path in sorted(checkpoint.path.glob("evaluation-*.json")):
        entry = read_json(path)
        if isinstance(entry, dict):
            result["after"] = entry
            result |= {key: entry.get(key) for key in ("split", "majority", "chance")}
    return {"README.md": model_card(recipe, run, result), "recipe.yaml": recipe.as_yaml(Path.cwd())}


def _described(upload: Upload) -> Iterator[str]:
    files = sorted(path for path in upload.folder.rglob("*") if path.is_file())
    sizes = {path.relative_to(upload.folder).as_posix(): path.stat().st_size for path in files}
    yield f"{upload.place}: {len(sizes)} files, {size_text(sum(sizes.values()))}"
    for name, size in sizes.items():
        yield f"  {size_text(size):>10}  {name}"


def _push(repository: Repository, upload: Upload) -> None:
    try:
        repository.push(upload)
    except Exception as error:  # the client raises its own, httpx' and OSErrors
        raise UserError(
            f"{upload.place} could not be pushed: {sentence(error, repository.name)}. "
            "What was pushed before it is there; rerun the same command"
        ) from None
    if upload.folder.parent.name == PUSHING:
        shutil.rmtree(upload.folder)
