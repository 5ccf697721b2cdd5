"""Reads the choices' logits off the forward passes of training, and of the initial model."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from ratchet.diagnostics.choice_logprobs import ChoiceTokens, head_of
from ratchet.rewards import Sample


class ChoiceProbe:
    """Keeps the last hidden state of hooked models while it is asked to, and turns it into logits of the choices.

    Args:
        tokens: of the task's choices.
        model: the policy, a causal language model that is not wrapped.
    """

    def __init__(self, tokens: ChoiceTokens, model: Any):
        self.tokens = tokens
        self._hidden: torch.Tensor | None = None
        self._keeping = False
        self.hook(model)

    def hook(self, model: Any) -> None:
        """Also listen to this model; the state that is read is that of the newest pass."""

        def keep(module: Any, given: Any, output: Any) -> None:
            if self._keeping:
                self._hidden = output.last_hidden_state.detach()

        model.base_model.register_forward_hook(keep)

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Keep the state of passes inside. It may be read afterwards, until ``forget``."""
        self._hidden, self._keeping = None, True
        try:
            yield
        finally:
            self._keeping = False

    def forget(self) -> None:
        """Let go of the state: it is as large as a micro-batch's activations of a layer."""
        self._hidden = None

    def place(self, samples: Sequence[Sample], output: dict[str, Any]) -> int:
        """Add ``choice_at`` and ``choice_family`` (B,) to a batch; returns how many completions commit to a choice."""
        ids = output["completion_ids"]
        tokens = [row[: sample.tokens] for row, sample in zip(ids.tolist(), samples, strict=True)]
        places = self.tokens.places(tokens, [_span(sample) for sample in samples])
        output["choice_at"] = torch.tensor([place for place, _ in places], device=ids.device)
        output["choice_family"] = torch.tensor([family for _, family in places], device=ids.device)
        return sum(place >= 0 for place, _ in places)

    def can_read(self, inputs: dict[str, Any]) -> bool:
        """Whether a state was kept, and the batch says where its choices stand."""
        return self._hidden is not None and "choice_at" in inputs

    def logits(self, model: Any, inputs: dict[str, Any], starts: torch.Tensor | int) -> torch.Tensor:
        """Logits of the choices where one is committed: (B, choices); rows without one hold anything.

        Args:
            model: whose pass was kept; its output head is read.
            starts: columns of that pass in which the completions begin, (B,) or one for all.
        """
        # The state at one position predicts the token at the next.
        at = inputs["choice_at"].clamp(min=0) + starts - 1
        hidden = self._hidden[torch.arange(len(at), device=at.device), at]
        families = torch.tensor(self.tokens.families, device=at.device)
        with torch.no_grad():
            return head_of(model).logits(hidden, families[inputs["choice_family"]])


def _span(sample: Sample) -> tuple[str, int] | None:
    """A completion's text and where its committed choice stands; None where the answer is not one letter."""
    span = sample.grade.span
    return (sample.completion, span[0]) if span and span[1] - span[0] == 1 else None
