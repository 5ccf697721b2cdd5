"""VESPO: Variational Sequence-Level Soft Policy Optimization (arXiv 2602.10693).

    w_i  = exp(sum_t log r_it)
    A_i  = (R_i - mean) / std
    phi  = w_i^k exp(lambda (1 - w_i)),   k and lambda by the sign of A_i
    loss = -1/(sum_i L_i) sum_i sum_t sg(phi(w_i)) A_i log pi(y_it)

TRL: loss_type vespo, scale_rewards group; with vLLM the sampler's part of w_i is in it too. On-policy phi is 1 and the
gradient that of dapo.
"""

from dataclasses import dataclass
from typing import Any

from ratchet.objectives.base import Objective


@dataclass(frozen=True)
class Vespo(Objective):
    """Completions weigh less the further their whole ratio is from 1."""

    k_pos: float = 2.0
    lambda_pos: float = 3.0
    k_neg: float = 3.0
    lambda_neg: float = 2.0

    name = "vespo"
    paper = "VESPO, arXiv 2602.10693"

    def arguments(self) -> dict[str, Any]:
        """A mean over all tokens."""
        return {
            "loss_type": "vespo",
            "scale_rewards": "group",
            "importance_sampling_level": "token",
            "vespo_k_pos": self.k_pos,
            "vespo_lambda_pos": self.lambda_pos,
            "vespo_k_neg": self.k_neg,
            "vespo_lambda_neg": self.lambda_neg,
        }
