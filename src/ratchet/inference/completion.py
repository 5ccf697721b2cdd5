"""What a model wrote, and how it was drawn; without PyTorch, for models that run elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ratchet.tasks.base import Message


@dataclass(frozen=True)
class Completion:
    """What a model wrote."""

    text: str
    tokens: int
    truncated: bool
    """Whether it ran into the limit before it ended."""


@dataclass(frozen=True)
class Sampling:
    """How completions are drawn."""

    max_new_tokens: int
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    samples: int = 1
    """Completions per prompt."""
    batch_size: int = 32
    """Completions generated at a time on one process."""
    seed: int = 0


class Generator(Protocol):
    """Completes conversations: with a model in this process, or behind a server."""

    def __call__(
        self, conversations: Sequence[Sequence[Message]], sampling: Sampling, /
    ) -> tuple[list[list[Completion]], float]:
        """Returns ``sampling.samples`` completions for each conversation, in their order, and the seconds it took."""
        ...
