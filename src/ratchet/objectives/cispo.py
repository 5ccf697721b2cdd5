"""CISPO: MiniMax-M1 (arXiv 2506.13585).

    A_i  = (R_i - mean) / std
    loss = -1/(sum_i L_i) sum_i sum_t sg(min(r_it, cap)) A_i log pi(y_it)

TRL: loss_type cispo, in which ``epsilon_high`` is the cap itself and not its distance from 1; there is no lower bound,
as in the paper's runs. Tokens beyond the cap keep a gradient, which clipping takes from them. The cap of 5 is that of
ScaleRL (arXiv 2510.13786). The third system's loss is a relative of it: tokens outside of [1/8, 8] are left
out instead.
"""

from dataclasses import dataclass
from typing import Any

from ratchet.objectives.base import Objective, capped


@dataclass(frozen=True)
class Cispo(Objective):
    """REINFORCE with capped weights, which no gradient passes."""

    cap: float = 5.0

    name = "cispo"
    paper = "MiniMax-M1, arXiv 2506.13585"
    because = {"epsilon_high": "TRL's epsilon_high is the cap itself here; write objective: {name: cispo, cap: ...}"}

    def arguments(self) -> dict[str, Any]:
        """Weighted log-probabilities, a mean over all tokens."""
        return capped("group", self.cap)
