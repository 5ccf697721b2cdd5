"""GSPO: Group Sequence Policy Optimization (arXiv 2507.18071).

    s_i  = exp(1/L_i sum_t log r_it)
    A_i  = (R_i - mean) / std
    loss = -1/G sum_i min(s_i A_i, clip(s_i, 1 - epsilon, 1 + epsilon_high) A_i)

TRL: loss_type grpo, importance_sampling_level sequence; the bounds are the paper's, far narrower than those of single
tokens. The third system's branch of this name clips from above alone, and later took the sum in place of the mean of
the log-ratios, which no option of TRL's has.
"""

from dataclasses import dataclass
from typing import Any

from ratchet.objectives.base import Objective, clipped


@dataclass(frozen=True)
class Gspo(Objective):
    """One ratio for a whole completion."""

    epsilon: float = 3e-4
    epsilon_high: float = 4e-4

    name = "gspo"
    paper = "GSPO, arXiv 2507.18071"
    because = {"importance_sampling_level": "its ratio is that of a whole completion"}

    def arguments(self) -> dict[str, Any]:
        """A ratio by completion, a mean over rows."""
        return clipped("grpo", "group", self.epsilon, self.epsilon_high, "sequence")
