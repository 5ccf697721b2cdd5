"""What an objective is: the loss that GRPO minimises, and the advantage in it.

Notation of all files here: a prompt has G completions; completion i has reward R_i and L_i tokens y_i1, y_i2, ...;
r_it = pi(y_it | ...) / pi_old(y_it | ...) is the ratio of the policy to the one that sampled; A_i is the
advantage; mean and std (unbiased) are the group's; sg() stops the gradient. Every loss is minimised. Nothing here
imports torch: advantages are computed with the operators of the tensors they are given.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Objective:
    """One objective. Its fields are its parameters in a recipe, under ``objective``."""

    name: ClassVar[str]
    paper: ClassVar[str]
    """Where it comes from: title, arXiv number."""
    on_policy: ClassVar[bool] = False
    """Whether it is derived for completions of the very policy that is updated."""
    estimates: ClassVar[bool] = False
    """Whether it has an advantage of its own, in place of TRL's."""
    because: ClassVar[Mapping[str, str]] = {}
    """TRL's key -> why it can have no other value."""

    def arguments(self) -> dict[str, Any]:
        """TRL's arguments (``GRPOConfig``) that express it."""
        raise NotImplementedError

    def advantages(self, rewards: Any, lengths: Any, group: int) -> Any:
        """Where ``estimates``: advantages of completions.

        Args:
            rewards: (N,), those of a group one after the other; NaN where no reward applies.
            lengths: (N,), tokens that the model wrote.
            group: completions of a prompt.

        Returns:
            (N,); NaN where the reward is.
        """
        raise NotImplementedError

    def conflicts(self, get: Callable[[str], Any]) -> Iterator[str]:
        """What of a recipe it does not go with, a sentence each.

        Args:
            get: looks a key of TRL's up.
        """
        if self.on_policy:
            steps, window = get("steps_per_generation"), get("gradient_accumulation_steps") or 1
            if get("num_iterations") > 1 or (steps or window) > window:
                yield (
                    f"objective: {self.name} is derived for completions of the policy that is updated, without a "
                    "ratio to an older one: num_iterations must be 1, and steps_per_generation not above "
                    f"gradient_accumulation_steps ({window})"
                )
        if self.estimates and get("multi_objective_aggregation") == "normalize_then_sum":
            yield (
                f"objective: {self.name} computes its advantage from the sum of the rewards, and "
                "multi_objective_aggregation: normalize_then_sum normalises each by itself"
            )


def clipped(loss: str, scale: str, low: float, high: float, level: str = "token") -> dict[str, Any]:
    """TRL's arguments of min(r A, clip(r, 1 - low, 1 + high) A) with a normaliser (``loss``)."""
    return {
        "loss_type": loss,
        "scale_rewards": scale,
        "importance_sampling_level": level,
        "epsilon": low,
        "epsilon_high": high,
    }


def summed() -> dict[str, Any]:
    """TRL's arguments of a sum over tokens by a constant; on-policy nothing is clipped."""
    return clipped("dr_grpo", "none", 0.2, 0.2)


def capped(scale: str, cap: float) -> dict[str, Any]:
    """TRL's arguments of sg(min(r, cap)) A log pi, a mean over all tokens."""
    return {
        "loss_type": "cispo",
        "scale_rewards": scale,
        "importance_sampling_level": "token",
        "epsilon_high": cap,
    }


def grouped(values: Any, group: int) -> Any:
    """(N,) as (prompts, G)."""
    return values.reshape(-1, group)


def each_mean(values: Any, weights: Any, group: int) -> Any:
    """For every entry (N,) the weighted mean of its group's, without those that are NaN; NaN where all are."""
    known = values == values
    weights = grouped(weights * known, group)
    sums = (grouped(values.nan_to_num(0.0), group) * weights).sum(1) / weights.sum(1)
    return sums.repeat_interleave(group)
