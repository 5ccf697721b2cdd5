"""The last checkpoint of a run that was pushed, back from the Hub."""

import shutil
from pathlib import Path

from ratchet.checkpoints.store import step_of
from ratchet.errors import UserError
from ratchet.hub.repository import sentence
from ratchet.recipe import Recipe


def last_checkpoint(recipe: Recipe) -> Path:
    """Fetch what ``hub_strategy: checkpoint`` pushed last, into the run's folder; returns the checkpoint's folder there.

    Raises:
        UserError: where there is none, or the Hub does not give it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    name, run = recipe.values.get("hub_model_id"), recipe.output_dir
    if not name:
        raise UserError("--resume hub needs hub_model_id, the repository that the run was pushed to")
    place = run / "_from_hub"
    shutil.rmtree(place, ignore_errors=True)
    try:
        snapshot_download(
            name, revision=recipe.get("hub_revision"), allow_patterns=["last-checkpoint/**"], local_dir=place
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        shutil.rmtree(place, ignore_errors=True)
        raise UserError(f"--resume hub: {name} could not be had from the Hub: {sentence(error, name)}") from None
    step = step_of(place / "last-checkpoint")
    if step is None:
        shutil.rmtree(place, ignore_errors=True)
        raise UserError(
            f"--resume hub: {name} has no last-checkpoint/; runs with push_to_hub: true and hub_strategy: checkpoint push one"
        )
    folder = run / f"checkpoint-{step}"
    if not folder.exists():
        (place / "last-checkpoint").rename(folder)
    shutil.rmtree(place, ignore_errors=True)
    return folder
