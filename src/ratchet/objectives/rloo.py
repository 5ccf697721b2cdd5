"""RLOO, REINFORCE leave-one-out: Back to Basics (arXiv 2402.14740).

    A_i  = R_i - mean of the others' = (R_i - mean) G / (G - 1)
    loss = -1/G sum_i 1/C sum_t A_i log pi(y_it),   C a constant

TRL: loss_type dr_grpo, scale_rewards none; the advantage is our own, since the baseline of a completion must not hold
its own reward. On-policy the ratio is 1 and nothing is clipped. TRL's RLOOTrainer clips the ratio of whole completions
and puts the KL into the reward; here a KL is ``beta``, in the loss. The third system had ``leave_one_out: true``.
"""

from dataclasses import dataclass
from typing import Any

from ratchet.objectives.base import Objective, each_mean, summed


@dataclass(frozen=True)
class Rloo(Objective):
    """Every completion is compared with the others of its group."""

    name = "rloo"
    paper = "Back to Basics, arXiv 2402.14740"
    on_policy = True
    estimates = True
    because = {"loss_type": "it is the gradient of a completion's whole log-probability, a sum over tokens"}

    def arguments(self) -> dict[str, Any]:
        """A sum over tokens by a constant."""
        return summed()

    def advantages(self, rewards: Any, lengths: Any, group: int) -> Any:
        """The distance to the mean of the others; of one that is alone, 0."""
        known = (rewards == rewards) * 1.0
        count = each_mean(known, known * 0.0 + 1.0, group) * group
        return (rewards - each_mean(rewards, known, group)) * count / (count - 1).clamp(min=1)
