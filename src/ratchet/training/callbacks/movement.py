"""Whether the weights move: the share of them that an optimiser step changes, in the first steps of a run.

A learning rate of zero, a frozen model, an adapter that is not trained, and weights whose type rounds their updates
away all look like training, and change nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from transformers import TrainerCallback

STEPS = 10  # that are looked at: a linear warmup begins with a rate of zero
SAMPLED = 2048  # elements of each tensor
FIGURE = "weights/changed_share"


class Movement(TrainerCallback):
    """Compares a sample of the trained weights before and after each of the first steps.

    Elements without a gradient (an embedding of a token that did not occur, an expert that was not asked) are not
    counted. DeepSpeed updates a copy and takes the gradients with it, so there nothing is measured.
    """

    def __init__(self, trainer: Any):
        self.trainer = trainer
        self.share: float | None = None
        """The highest share of a step so far; None before one was measured."""
        self._left = 0 if trainer.is_deepspeed_enabled else STEPS
        self._before: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []

    def state_dict(self) -> dict[str, Any]:
        """What was measured, and how many steps are still looked at."""
        return {"share": self.share, "left": self._left}

    def load_state_dict(self, found: Mapping[str, Any]) -> None:
        """Resume from what ``state_dict`` returned."""
        self.share, self._left = found["share"], found["left"]

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Remember what is about to be changed."""
        self._before = list(self._sampled()) if self._left else []

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Count what was."""
        if not self._left:
            return
        self._left -= 1
        moving = changed = 0
        for sample, before, has_gradient in self._before:
            moving += int(has_gradient.sum())
            changed += int(((sample != before) & has_gradient).sum())
        trained = any(weight.requires_grad and weight.grad is not None for weight in self.trainer.model.parameters())
        if moving or not trained:  # equal rewards give gradients that are zero everywhere: such a step tells nothing
            share = changed / moving if moving else 0.0
            self.share = share if self.share is None else max(self.share, share)
        self._before = []

    def figures(self) -> dict[str, float]:
        """For the log, while it is measured."""
        return {} if self.share is None or not (self._left or self._just_ended()) else {FIGURE: self.share}

    def _just_ended(self) -> bool:
        return self.trainer.state.global_step <= STEPS

    def _sampled(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """A view of some elements of each trained tensor, their values now, and which of them have a gradient."""
        for weight in self.trainer.model.parameters():
            if weight.grad is None or not weight.requires_grad:
                continue
            values, gradients = _local(weight.detach()).flatten(), _local(weight.grad).flatten()
            stride = max(1, values.numel() // SAMPLED)
            sample = values[::stride]
            yield sample, sample.clone(), gradients[::stride] != 0


def _local(tensor: torch.Tensor) -> torch.Tensor:
    """This process's part of a tensor that FSDP2 has split."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor
