"""BNPO as TRL means it: a mean over the tokens of one micro-batch.

    A_i  = (R_i - mean) / std
    loss = -1/(sum_i L_i) sum_i sum_t min(r_it A_i, clip(r_it, 1 - epsilon, 1 + epsilon) A_i),   i in the micro-batch

TRL: loss_type bnpo, scale_rewards group. It is not the Beta normalisation policy optimisation of arXiv 2506.02864,
which has the same letters. The result depends on the size of a micro-batch, so lean steps leave its rows where they
are; ``dapo`` is the same without that.
"""

from dataclasses import dataclass
from typing import Any

from ratchet.objectives.base import Objective, clipped


@dataclass(frozen=True)
class Bnpo(Objective):
    """A mean over the tokens of each micro-batch."""

    epsilon: float = 0.2

    name = "bnpo"
    paper = "TRL's documentation of GRPOConfig.loss_type"

    def arguments(self) -> dict[str, Any]:
        """A mean over the tokens of a micro-batch."""
        return clipped("bnpo", "group", self.epsilon, self.epsilon)
