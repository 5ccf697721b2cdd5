"""An evaluation goes where the model is: into the card beside it, and into the card and a file of its revision on the Hub."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.files import write_text
from ratchet.hub.card import with_result
from ratchet.hub.repository import sentence


def beside(model: Path, found: Mapping[str, Any]) -> Path | None:
    """Add an evaluation to the card in a model's folder; returns the card, None where there is none with a model-index."""
    card = model / "README.md"
    if not card.is_file() or "\nmodel-index:" not in (text := card.read_text(encoding="utf-8", errors="replace")):
        return None
    write_text(card, with_result(text, found))
    return card


def publish(place: str, name: str, found: Mapping[str, Any]) -> str:
    """Add an evaluation to a revision on the Hub; returns what was done.

    Args:
        place: "owner/model", or "owner/model@revision".
        name: of the file there.

    Raises:
        UserError: where there is no such revision or no card in it, or the Hub refuses.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download

    repository, _, revision = place.partition("@")
    try:
        card = Path(hf_hub_download(repository, "README.md", revision=revision or None)).read_text(encoding="utf-8")
        operations = [
            CommitOperationAdd("README.md", with_result(card, found).encode()),
            CommitOperationAdd(name, (json.dumps(found, indent=2, ensure_ascii=False) + "\n").encode()),
        ]
        HfApi().create_commit(
            repository, operations, commit_message=f"{name}: {found['accuracy']:.3f}", revision=revision or None
        )
    except Exception as error:  # the client raises its own, httpx' and OSErrors
        raise UserError(f"--publish: {place}: {sentence(error, repository)}") from None
    return f"published on {repository}{f' ({revision})' if revision else ''}: its card, and {name}"
