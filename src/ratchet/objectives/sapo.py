"""SAPO: Soft Adaptive Policy Optimization (arXiv 2511.20347).

    A_i  = (R_i - mean) / std
    f(r) = 4/tau sigmoid(tau (r - 1)),   tau = temperature_pos where A_i > 0, else temperature_neg
    loss = -1/G sum_i 1/L_i sum_t f(r_it) A_i

TRL: loss_type sapo, scale_rewards group. On-policy f has the value 2/tau and the slope 1, so gradients are GRPO's; the
further a ratio is from 1, the less of its gradient is left, without an edge.
"""

from dataclasses import dataclass
from typing import Any

from ratchet.objectives.base import Objective


@dataclass(frozen=True)
class Sapo(Objective):
    """A soft gate in place of clipping."""

    temperature_pos: float = 1.0
    temperature_neg: float = 1.05

    name = "sapo"
    paper = "SAPO, arXiv 2511.20347"

    def arguments(self) -> dict[str, Any]:
        """A mean over rows of means over tokens."""
        return {
            "loss_type": "sapo",
            "scale_rewards": "group",
            "importance_sampling_level": "token",
            "sapo_temperature_pos": self.temperature_pos,
            "sapo_temperature_neg": self.temperature_neg,
        }
