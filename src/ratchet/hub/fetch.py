"""Fetch back from the Hub the last checkpoint that a run pushed."""

import shutil
from pathlib import Path

from ratchet.checkpoints.store import step_of
from ratchet.errors import UserError
from ratchet.hub.repository import sentence
from ratchet.recipe import Recipe

LAST = "last-checkpoint"
"""The folder in a repository to which ``hub_strategy: checkpoint`` pushes, as transformers names it."""


def last_checkpoint(recipe: Recipe) -> Path:
    """Fetch what ``hub_strategy: checkpoint`` pushed last into the run's folder; returns its folder there.

    Raises:
        UserError: where there is none, or the Hub does not give it.
    """
    name, run = recipe.values.get("hub_model_id"), recipe.output_dir
    if not name:
        raise UserError("--resume hub needs hub_model_id, the repository that the run was pushed to")
    place = run / "_from_hub"
    shutil.rmtree(place, ignore_errors=True)
    try:
        _download(name, recipe.get("hub_revision"), place)
        step = step_of(place / LAST)
        if step is None:
            raise UserError(
                f"--resume hub: {name} has no {LAST}/; "
                "runs with push_to_hub: true and hub_strategy: checkpoint push one"
            )
        folder = run / f"checkpoint-{step}"
        if not folder.exists():  # the one that is here is as good, and was not sent over a network
            (place / LAST).rename(folder)
        return folder
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _download(name: str, revision: str | None, place: Path) -> None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        snapshot_download(name, revision=revision, allow_patterns=[f"{LAST}/**"], local_dir=place)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(f"--resume hub: {name} could not be had from the Hub: {sentence(error, name)}") from None
