"""Put an evaluation where the model is: into the card beside it, or into card and files of its revision on the Hub."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.files import write_text
from ratchet.hub.card import with_result
from ratchet.hub.repository import sentence


def beside(model: Path, entry: Mapping[str, Any]) -> Path | None:
    """Add an evaluation to the card in a model's folder; returns the card, None where none has a model-index."""
    card = model / "README.md"
    if not card.is_file():
        return None
    text = card.read_text(encoding="utf-8", errors="replace")
    if "\nmodel-index:" not in text:  # somebody else's card, or no card at all
        return None
    write_text(card, with_result(text, entry))
    return card


def publish(place: str, name: str, entry: Mapping[str, Any]) -> str:
    """Add an evaluation to a revision on the Hub; returns what was done.

    Args:
        place: "owner/model", or "owner/model@revision".
        name: of the evaluation's file there.
        entry: the evaluation as it is written as JSON.

    Raises:
        UserError: where there is no such revision or no card in it, or the Hub refuses.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download

    repository, _, branch = place.partition("@")
    revision = branch or None
    try:
        card = Path(hf_hub_download(repository, "README.md", revision=revision)).read_text(encoding="utf-8")
        text = json.dumps(entry, indent=2, ensure_ascii=False) + "\n"
        operations = [
            CommitOperationAdd("README.md", with_result(card, entry).encode()),
            CommitOperationAdd(name, text.encode()),
        ]
        message = f"{name}: {entry['accuracy']:.3f}"
        HfApi().create_commit(repository, operations, commit_message=message, revision=revision)
    except Exception as error:  # the client raises its own, httpx' and OSErrors
        raise UserError(f"--publish: {place}: {sentence(error, repository)}") from None
    where = f"{repository} ({revision})" if revision else repository
    return f"published on {where}: its card, and {name}"
