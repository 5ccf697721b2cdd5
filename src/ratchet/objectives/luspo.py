"""LUSPO: Length-Unbiased Sequence Policy Optimization (arXiv 2602.05261).

    s_i  = exp(1/L_i sum_t log r_it)
    A_i  = (R_i - mean) / std
    loss = -1/G sum_i L_i min(s_i A_i, clip(s_i, 1 - epsilon, 1 + epsilon_high) A_i)

TRL: loss_type luspo, importance_sampling_level sequence. It is GSPO times each completion's length, so that a long
answer's tokens count as much as a short one's; the loss grows with length, and the learning rate goes with it.
"""

from dataclasses import dataclass
from typing import Any

from ratchet.objectives.base import Objective, clipped


@dataclass(frozen=True)
class Luspo(Objective):
    """GSPO, every completion times its length."""

    epsilon: float = 3e-4
    epsilon_high: float = 4e-4

    name = "luspo"
    paper = "LUSPO, arXiv 2602.05261"
    because = {"importance_sampling_level": "its ratio is that of a whole completion"}

    def arguments(self) -> dict[str, Any]:
        """A ratio by completion, a sum over tokens."""
        return clipped("luspo", "group", self.epsilon, self.epsilon_high, "sequence")
