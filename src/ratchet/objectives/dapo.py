"""DAPO: An Open-Source LLM Reinforcement Learning System at Scale (arXiv 2503.14476).

    A_i  = (R_i - mean) / std
    loss = -1/(sum_i L_i) sum_i sum_t min(r_it A_i, clip(r_it, 1 - epsilon, 1 + epsilon_high) A_i)

TRL: loss_type dapo (tokens of the batch of all processes), scale_rewards group. Its dynamic sampling is
``curriculum: {resample: ...}``, its overlong punishment the reward ``overlong``, its masking of cut-off completions
``mask_truncated_completions``.
"""

from dataclasses import dataclass
from typing import Any

from ratchet.objectives.base import Objective, clipped


@dataclass(frozen=True)
class Dapo(Objective):
    """A mean over all tokens, clipped further above than below."""

    epsilon: float = 0.2
    epsilon_high: float = 0.28

    name = "dapo"
    paper = "DAPO, arXiv 2503.14476"

    def arguments(self) -> dict[str, Any]:
        """A mean over the tokens of all processes."""
        return clipped("dapo", "group", self.epsilon, self.epsilon_high)
