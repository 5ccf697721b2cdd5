"""Publish a run when it is convenient: every checkpoint to a branch of its own, the trained model to main, or say what that would be."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ratchet.checkpoints.store import Checkpoint, checkpoints
from ratchet.errors import UserError
from ratchet.files import alone, lock_of, read_json, size_text, write_text
from ratchet.hub.card import model_card
from ratchet.hub.contents import PUSHING, chosen, revision_of, stage, staged
from ratchet.hub.repository import Repository, Upload, of_branch, repository_of, sentence
from ratchet.recipe import Recipe, load_recipe

_EXAMPLE = re.compile(r'(pipeline\("text-generation", model=)"[^"]*"')


def publish(
    run: Path, name: str | None = None, private: bool | None = None, completions: bool = False, dry: bool = False
) -> Iterator[str]:
    """Push what there is of a run; with ``dry`` nothing leaves the machine.

    Args:
        name: of the repository, in the place of the recipe's.
        private: None: as the recipe says.

    Yields:
        What was done, or would be, a line each.

    Raises:
        UserError: where there is nothing to publish, something is secret, or the Hub refuses.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    if not (run / "recipe.yaml").is_file():
        raise UserError(f"{run} is no run's folder: it has no recipe.yaml")
    recipe = load_recipe(run / "recipe.yaml", [("hub_model_id", name)] if name else [], to_train=False)
    repository = repository_of(recipe)
    try:
        validate_repo_id(repository.name)
    except HFValidationError as error:
        raise UserError(f"--repo: {' '.join(str(error).split())}") from None
    repository.private = repository.private if private is None else private
    with alone(lock_of(run), f"{run}", "RUN_DIR"):
        for checkpoint in reversed(checkpoints(run)):
            stage(checkpoint.path, run / PUSHING / revision_of(checkpoint.step), _texts(recipe, run, checkpoint))
        uploads = [of_branch(folder) for folder in staged(run)]
        if (run / "result.json").is_file():
            if name and not dry:  # the card's example is to load what is published
                card = (run / "README.md").read_text(encoding="utf-8")
                write_text(run / "README.md", _EXAMPLE.sub(lambda found: f'{found[1]}"{name}"', card))
            uploads.append(Upload(run, "the trained model", chosen(run, completions or recipe.publish.completions)))
        if not uploads:
            raise UserError(f"{run} holds neither a trained model nor a checkpoint to publish")
        visible = "private" if repository.private else "public"
        whose = "" if "/" in repository.name else "of your account, "
        yield f"{'would push' if dry else 'pushing'} to {repository.name} ({whose}{visible} unless it is there already)"
        for upload in uploads:
            yield from _described(upload)
            if not dry:
                _pushed(repository, upload)
        if dry:
            shutil.rmtree(run / PUSHING, ignore_errors=True)
        else:
            yield f"pushed to {repository.name}"


def _texts(recipe: Recipe, run: Path, checkpoint: Checkpoint) -> dict[str, str]:
    """Card and recipe of a checkpoint; its evaluation is that which ``ratchet evaluate`` has left in it."""
    result: dict[str, Any] = {"steps": checkpoint.step}
    for path in sorted(checkpoint.path.glob("evaluation-*.json")):
        if isinstance(found := read_json(path), dict):
            result |= {"after": found, **{key: found.get(key) for key in ("split", "majority", "chance")}}
    return {"README.md": model_card(recipe, run, result), "recipe.yaml": recipe.as_yaml()}


def _described(upload: Upload) -> Iterator[str]:
    names = upload.files or chosen(upload.folder)
    sizes = {name: (upload.folder / name).stat().st_size for name in names}
    yield f"{upload.place}: {len(names)} files, {size_text(sum(sizes.values()))}"
    yield from (f"  {size_text(size):>10}  {name}" for name, size in sizes.items())


def _pushed(repository: Repository, upload: Upload) -> None:
    try:
        repository.push(upload)
    except Exception as error:  # the client raises its own, httpx' and OSErrors
        raise UserError(
            f"{upload.place} could not be pushed: {sentence(error, repository.name)}. What was pushed before it is there; type it again"
        ) from None
    if upload.folder.parent.name == PUSHING:
        shutil.rmtree(upload.folder)
