"""What diagnostics read of a trainer, public and private.

That the installed TRL has the private ones is checked with ``training.trl_internals``.
"""

from typing import Any, Protocol

import torch
from accelerate import Accelerator


class ObservedTrainer(Protocol):
    """A trainer of any method, before its first step."""

    accelerator: Accelerator
    model: torch.nn.Module
    processing_class: Any
    """The tokenizer."""
    is_deepspeed_enabled: bool


class ObservedRolloutTrainer(ObservedTrainer, Protocol):
    """TRL's ``GRPOTrainer``."""

    args: Any
    ref_model: torch.nn.Module | None
    num_generations: int
    reward_func_names: list[str]
    reward_weights: torch.Tensor
    """One for each reward function."""
    starts: torch.Tensor | int
    """Columns of the newest pass in which the completions begin, (B,) or one for all."""
    _logs: dict[str, Any]
    """Rewards by function, and advantages, of the newest generation over all processes."""

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, logits_to_keep: int
    ) -> tuple[torch.Tensor, torch.Tensor | None, Any]:
        """Log-probabilities (B, T) of the completions' tokens, as training computes them."""
