"""The tokens that end an answer: one list for the check of templates, generation, evaluation and servers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ratchet.models.adapters import base_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def declared_ends(path: str) -> list[int]:
    """``eos_token_id`` of a model's generation_config.json, or of its config.json; none where neither can be read.

    An adapter's are those of the model that it belongs to.
    """
    from transformers import AutoConfig, GenerationConfig

    path = base_of(path)
    try:
        return _listed(GenerationConfig.from_pretrained(path).eos_token_id)
    except (OSError, ValueError):
        pass
    try:
        config = AutoConfig.from_pretrained(path, trust_remote_code=False)
    except (OSError, ValueError, KeyError):
        return []
    return _listed(config.get_text_config().eos_token_id)


def end_ids(declared: int | Sequence[int] | None, tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """Every token that ends an answer: what the model declares, and the tokenizer's own; in order."""
    own = tokenizer.eos_token_id
    return sorted({*_listed(declared), *([] if own is None else [own])})


def _listed(ids: int | Sequence[int] | None) -> list[int]:
    if ids is None:
        return []
    return [ids] if isinstance(ids, int) else list(ids)
