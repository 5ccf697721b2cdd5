"""What a request must hold beside OpenAI's own fields, so that a server samples and renders as the recipe says.

A server fills what a request leaves open from the model's generation_config.json (a repetition penalty, top_k, min_p,
a minimal length), and knows nothing of a recipe's chat template. What takes such fields, and by which names, differs:

    vLLM, SGLang          further fields of the request, and chat_template_kwargs
    transformers serve    the whole generation configuration as JSON, and chat_template_kwargs; others are refused
    others                OpenAI's fields alone; what is left open is the server's to say, and a line says so
"""

import json
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ratchet.inference.completion import Sampling
from ratchet.models.chat_format import merged
from ratchet.tasks.base import Message

if TYPE_CHECKING:
    from ratchet.models import ChatFormat

Kind = Literal["vllm", "transformers", "other"]

NEUTRAL = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "min_tokens": 0}
"""vLLM's and SGLang's names, and the values that change nothing."""
NEUTRAL_HERE = {
    **{
        "top_k": 0,
        "min_p": 0.0,
        "typical_p": 1.0,
        "epsilon_cutoff": 0.0,
        "eta_cutoff": 0.0,
        "repetition_penalty": 1.0,
    },
    **{"encoder_repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "min_new_tokens": 0, "min_length": 0},
    **{"num_beams": 1},
}
"""Those of transformers' GenerationConfig; what is left out is taken from the model's own."""


@dataclass
class Dialect:
    """How a server is asked, so that it is asked what a model here is asked."""

    kind: Kind = "other"
    template: Mapping[str, Any] = field(default_factory=dict)
    """``chat_template_kwargs`` of the recipe."""
    chat: "ChatFormat | None" = None
    """The chat format of the model that the server is believed to have, where its tokenizer is known here."""
    merge_system: bool = False
    """The recipe's, for where the chat format is not known."""
    difference: str = ""
    """Where the server read a prompt as another number of tokens than here, for a reader."""

    def messages(self, messages: Sequence[Message]) -> list[Message]:
        """A conversation as it is sent: what spells a special token stays text."""
        if self.chat is not None:
            return self.chat.messages(messages)
        return merged(messages) if self.merge_system else list(messages)

    def fields(self, sampling: Sampling) -> dict[str, Any]:
        """What a request holds beside OpenAI's own fields."""
        rendering = {"chat_template_kwargs": dict(self.template)} if self.template else {}
        ends = [] if self.chat is None else list(self.chat.ends)
        if self.kind == "vllm":
            stops = {"stop_token_ids": ends} if ends else {}
            return {**NEUTRAL, **stops, **rendering}
        if self.kind == "transformers":
            drawn = {**NEUTRAL_HERE, "do_sample": sampling.temperature > 0, "max_new_tokens": sampling.max_new_tokens}
            stops = {"eos_token_id": ends} if ends else {}
            return {"generation_config": json.dumps({**drawn, **stops}, sort_keys=True), **rendering}
        return {}

    def left_open(self) -> str:
        """What the server is left to decide, in a sentence; empty where nothing is."""
        if self.kind != "other":
            return ""
        rendering = f"; chat_template_kwargs ({', '.join(self.template)}) cannot be sent" if self.template else ""
        return (
            "the server is neither vLLM, SGLang nor transformers serve, so top_k, min_p, penalties and the chat "
            f"template are as it has them{rendering}"
        )

    def compare(self, messages: Sequence[Message], read: Any) -> None:
        """Remember the first prompt that the server read as another number of tokens than it has here.

        Args:
            messages: as they were sent.
            read: the answer's ``usage.prompt_tokens``; what is no number is no evidence.
        """
        if self.chat is None or self.difference or not isinstance(read, int) or read == 0:
            return
        here = len(self.chat.ids(self.chat.prompt(messages)))
        if here != read:
            self.difference = (
                f"the server read a prompt as {read} tokens that has {here} by the recipe's tokenizer and chat "
                f"template, so it renders another one; it begins with {messages[-1]['content']!r:.60}"
            )


def kind_of(url: str, owners: Sequence[str]) -> Kind:
    """Which server answers at a base URL.

    Args:
        owners: ``owned_by`` of the models that it lists.
    """
    if {"vllm", "sglang"} & set(owners):
        return "vllm"
    try:
        with urllib.request.urlopen(f"{url.rstrip('/').removesuffix('/v1')}/openapi.json", timeout=5) as answer:
            paths = json.load(answer)["paths"]
    except (OSError, ValueError, KeyError, TypeError):
        return "other"
    return "transformers" if "/load_model" in paths else "other"
