"""GRPO: DeepSeekMath (arXiv 2402.03300).

    A_i  = (R_i - mean) / std
    loss = -1/G sum_i 1/L_i sum_t min(r_it A_i, clip(r_it, 1 - epsilon, 1 + epsilon) A_i)  (+ beta KL)

TRL: loss_type grpo, scale_rewards group (which divides by std + 1e-4), beta as the recipe says it (the paper: 0.04).
prime-rl's algorithm of this name takes A_i = R_i - mean, without std: that is dr_grpo or rloo here.
"""

from dataclasses import dataclass
from typing import Any

from ratchet.objectives.base import Objective, clipped


@dataclass(frozen=True)
class Grpo(Objective):
    """Advantages over the group's spread; every completion counts the same, whatever its length."""

    epsilon: float = 0.2

    name = "grpo"
    paper = "DeepSeekMath, arXiv 2402.03300"

    def arguments(self) -> dict[str, Any]:
        """A mean over rows of means over tokens."""
        return clipped("grpo", "group", self.epsilon, self.epsilon)
