"""A policy whose answers come from a server, asked with the recipe and the tokenizer of a model that is here."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ratchet.inference.completion import Completion, Sampling
from ratchet.inference.openai_server import AnswerCache, Server, server_generator, server_kind, with_model
from ratchet.inference.policy import Policy, recipe_of
from ratchet.inference.server_dialect import Dialect
from ratchet.models import chat_format, locate
from ratchet.tasks.base import Message


@dataclass
class ServedPolicy(Policy):
    """Asks a server; grades and rewards as ``Policy`` does."""

    server: Server | None = None
    dialect: Dialect | None = None
    """How this server is asked."""

    @classmethod
    def of(
        cls, server: Server, name: str, task: str | None = None, overrides: Sequence[tuple[str, str]] = ()
    ) -> "ServedPolicy":
        """A policy of the server's only model, or of the one that it names.

        Args:
            name: the model whose recipe and tokenizer are taken; nothing of it is loaded.

        Raises:
            UserError: where the recipe is missing, or the server does not answer.
        """
        recipe = recipe_of(name, task, overrides)
        found = with_model(server, "--served-model")
        chat = chat_format(recipe.values, locate(name, weights=False))
        dialect = Dialect(server_kind(found), recipe.values.get("chat_template_kwargs") or {}, chat)
        return cls(recipe, None, chat, found, dialect)

    def complete(self, messages: Sequence[Message], sampling: Sampling) -> list[Completion]:
        """Ask the server."""
        cache = AnswerCache(Path(os.devnull))  # what a person asks is asked anew each time
        (found,), _ = server_generator(self.server, cache, self.dialect)([list(messages)], sampling)
        return found

    def stream(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Ask, and print the answer when it is whole."""
        (completion,) = self.complete(messages, sampling)
        print(completion.text, flush=True)
        return completion
