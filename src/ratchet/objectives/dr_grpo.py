"""Dr. GRPO: Understanding R1-Zero-Like Training (arXiv 2503.20783).

    A_i  = R_i - mean
    loss = -1/G sum_i 1/C sum_t min(r_it A_i, clip(r_it, 1 - epsilon, 1 + epsilon) A_i),   C a constant

TRL: loss_type dr_grpo (C is max_completion_length), scale_rewards none. Neither long wrong answers nor easy prompts
weigh less. prime-rl's default advantage is this one; its normaliser is DAPO's.
"""

from dataclasses import dataclass
from typing import Any

from ratchet.objectives.base import Objective, clipped


@dataclass(frozen=True)
class DrGrpo(Objective):
    """Advantages without the spread, sums over tokens over a constant."""

    epsilon: float = 0.2

    name = "dr_grpo"
    paper = "Dr. GRPO, arXiv 2503.20783"
    because = {
        "loss_type": "dividing by a completion's own length makes long wrong answers cheap, which it removes",
        "scale_rewards": "dividing by the spread makes very easy and very hard prompts weigh more, which it removes",
    }

    def arguments(self) -> dict[str, Any]:
        """A sum over tokens by a constant."""
        return clipped("dr_grpo", "none", self.epsilon, self.epsilon)
