"""MaxRL: Maximum Likelihood Reinforcement Learning (arXiv 2602.02710).

    A_i  = (R_i - mean) / mean,   0 where mean is not above 0
    loss = -1/G sum_i 1/C sum_t A_i log pi(y_it),   C a constant

TRL: loss_type dr_grpo, scale_rewards none; the advantage is our own. With rewards of 0 and 1 the gradient is that of
the likelihood of being right, cut off after G terms, where the others have that of the chance of being right: a prompt
that is solved once in G weighs G times as much as its share. prime-rl has the same as ``max_rl``. Rewards must not be
negative.
"""

from dataclasses import dataclass
from typing import Any

from ratchet.objectives.base import Objective, each_mean, summed


@dataclass(frozen=True)
class MaxRl(Objective):
    """Advantages over the group's mean: rarely solved prompts count most."""

    name = "max_rl"
    paper = "MaxRL, arXiv 2602.02710"
    on_policy = True
    estimates = True
    because = {"scale_rewards": "it divides by the mean, and not by the spread"}

    def arguments(self) -> dict[str, Any]:
        """A sum over tokens by a constant."""
        return summed()

    def advantages(self, rewards: Any, lengths: Any, group: int) -> Any:
        """The distance to the mean, in means."""
        mean = each_mean(rewards, rewards.nan_to_num(0.0) * 0.0 + 1.0, group)
        return (rewards - mean) / mean.clamp(min=1e-6) * (mean > 1e-6)
