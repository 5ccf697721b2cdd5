"""Which rewards there are, and the weighted terms of a recipe."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from ratchet.errors import UserError
from ratchet.rewards import functions
from ratchet.rewards.functions import Reward, Sample

ROUNDING = 1e-6  # a sum of floats may leave its range by so much
REWARDS: dict[str, Reward] = {r.name: r for r in vars(functions).values() if isinstance(r, Reward)}


@dataclass(frozen=True)
class RewardTerm:
    """One reward of a recipe."""

    reward: Reward
    weight: float = 1.0
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name under which TRL logs it."""
        return self.reward.name

    def __call__(self, sample: Sample) -> float:
        """The unweighted reward of a sample."""
        return self.reward.function(sample, **self.parameters)


def fault_of(term: RewardTerm, value: Any) -> str:
    """What is wrong with a value that a reward has returned; empty where nothing is."""
    if value is None and term.reward.optional:
        return ""
    if not hasattr(value, "__float__"):  # numpy's and torch's scalars have it, texts and None have not
        return f"it must return a number, it returns {type(value).__name__} {value!r:.80}"
    number = float(value)
    if not isfinite(number):
        return f"it must return a finite number, it returns {value!r:.80}"
    low, high = term.reward.low, term.reward.high
    if not low - ROUNDING <= number <= high + ROUNDING:  # what a wrong answer can gain at most rests on it
        return f"it returns {number:g}, outside its stated range {low:g} to {high:g}"
    return ""


def rewards_of(task: type) -> dict[str, Reward]:
    """The rewards that a recipe may name: Ratchet's own, and those that the task's class brings in ``rewards``.

    Raises:
        UserError: where one of these is no reward.
    """
    own = getattr(task, "rewards", ())
    for one in own:
        if not isinstance(one, Reward):
            name = getattr(one, "__name__", repr(one))
            raise UserError(
                f"rewards of {task.__name__}: {name} is no reward; put @reward(low=0.0, high=1.0) above the function "
                "(from ratchet.rewards import reward)"
            )
    return {**REWARDS, **{r.name: r for r in own}}


def total(terms: Sequence[RewardTerm], sample: Sample) -> float:
    """The weighted sum, which is what GRPO sees."""
    return sum(term.weight * value for term in terms if (value := term(sample)) is not None)


def check_weights(terms: Sequence[RewardTerm]) -> None:
    """Refuse weights under which a wrong answer can be worth as much as a right one.

    A right answer gains at least each goal's weight times what lies between its highest value and that of a wrong
    answer; all shaping terms together move a reward by at most the sum of their weights times their spans. The first
    must be the larger.

    Raises:
        UserError: where it is not, or where there is no goal at all.
    """
    goals = [term for term in terms if term.reward.goal]
    if not goals:
        named = ", ".join(term.name for term in terms) or "(nothing)"
        raise UserError(f"rewards: none of {named} is a goal; add correctness: {{weight: 1.0}}")
    gain = sum(term.weight * (term.reward.high - term.reward.wrong) for term in goals)
    reaches = {term.name: _reach(term) for term in terms if not term.reward.goal}
    reach = sum(reaches.values())
    if gain <= reach:
        parts = ", ".join(f"{name} {part:g}" for name, part in reaches.items())
        raise UserError(
            f"rewards: a right answer is worth {gain:g} more than a wrong one, "
            f"but shaping can move a reward by {reach:g} ({parts}); "
            f"lower the shaping weights so that they sum to less than {gain:g}"
        )


def _reach(term: RewardTerm) -> float:
    """How far a term can move a reward, up or down."""
    return abs(term.weight) * (term.reward.high - term.reward.low)
