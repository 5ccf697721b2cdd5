"""OPO: On-Policy RL with Optimal Reward Baseline (arXiv 2505.23585).

    b    = sum_i L_i R_i / sum_i L_i
    A_i  = R_i - b
    loss = -1/G sum_i 1/C sum_t A_i log pi(y_it),   C a constant

TRL: loss_type dr_grpo, scale_rewards none; the advantage is our own. Weighting by length lowers the variance of a
gradient that is summed over tokens, and of no other: advantages of a group add up to 0 by length, not by number.
Exactly on-policy, without spread, clipping or KL. The third system had ``length_weighted_mean: true``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ratchet.objectives.base import Objective, each_mean, summed


@dataclass(frozen=True)
class Opo(Objective):
    """A baseline weighted by length."""

    name = "opo"
    paper = "OPO, arXiv 2505.23585"
    on_policy = True
    estimates = True
    because = {
        "loss_type": "its baseline is the best one for a sum over tokens, and not for a mean (1/L)",
        "scale_rewards": "it has no spread in it",
    }

    def arguments(self) -> dict[str, Any]:
        """A sum over tokens by a constant."""
        return summed()

    def advantages(self, rewards: Any, lengths: Any, group: int) -> Any:
        """The distance to the mean by length."""
        return rewards - each_mean(rewards, lengths * 1.0, group)

    def conflicts(self, get: Callable[[str], Any]) -> Iterator[str]:
        """No KL beside it."""
        yield from super().conflicts(get)
        if get("beta"):
            yield f"objective: opo's baseline is for rewards alone, without KL: beta must be 0, it is {get('beta')}"
