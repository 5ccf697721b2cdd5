"""Rewards built from a task's grade, by name; ``functions.py`` defines them, ``for_trl.py`` hands them to TRL.

A recipe lists rewards by name, each with a weight and its own parameters:

    rewards:
      correctness: {weight: 1.0}
      overlong: {weight: 0.2, cache: 64}

Goals say what is wanted; shaping terms only help to get there. ``check_weights`` refuses a recipe in which all shaping
terms together could make a wrong answer worth as much as a right one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ratchet.errors import UserError
from ratchet.rewards import functions
from ratchet.rewards.functions import Reward, Sample, reward
from ratchet.tasks.base import Grade, Row, Task

REWARDS: dict[str, Reward] = {r.name: r for r in vars(functions).values() if isinstance(r, Reward)}

__all__ = [
    "REWARDS",
    "Reward",
    "RewardTerm",
    "Sample",
    "check_weights",
    "validate_task",
    "reward",
    "rewards_of",
    "total",
]


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


def rewards_of(task: type) -> dict[str, Reward]:
    """The rewards that a recipe may name: Ratchet's own, and those that the task's class brings in ``rewards``."""
    own = getattr(task, "rewards", ())
    return {**REWARDS, **{r.name: r for r in own}}


def total(terms: Sequence[RewardTerm], sample: Sample) -> float:
    """The weighted sum, which is what GRPO sees."""
    return sum(term.weight * term(sample) for term in terms)


def validate_task(task: Task, terms: Sequence[RewardTerm], rows: Sequence[Row]) -> None:
    """Grade and reward an empty completion and the target of some rows, so that what fails, fails before training.

    Raises:
        UserError: naming the row and what was called, for instance a reward that needs a column the rows lack.
    """
    _check_ids(task, rows)
    for row in rows[:3]:
        what = "messages"
        try:
            _check_messages(task, row)
            what = "gold"
            _check_kind(task, row, what, task.gold(row), str)
            what = "target"
            for text in ("", _check_kind(task, row, what, task.target(row), str)):
                what = "grade"
                grade = _check_kind(task, row, what, task.grade(text, row), Grade)
                for term in terms:
                    what = f"rewards.{term.name}"
                    float(term(Sample(text, row, grade, len(text), len(text) + 1)))
        except UserError:
            raise
        except Exception as error:  # whatever the user's own code raises
            raise raised(what if what.startswith("rewards.") else f"{task.name}.{what}", row, error) from error


def raised(what: str, row: Row, error: BaseException) -> UserError:
    """What to say about code of a task or a reward that raised."""
    missing = f"; the row has no column {error}" if isinstance(error, KeyError) else ""
    return UserError(
        f"{what} of row {row.get('id', '?')} raises {type(error).__name__}: {error}{missing}; the row has {', '.join(map(str, row))}"
    )


def _check_ids(task: Task, rows: Sequence[Row]) -> None:
    seen = set()
    for row in rows:
        if "id" not in row:
            raise UserError(f"every row of {task.name} needs an id; one has {', '.join(map(str, row)) or 'nothing'}")
        if row["id"] in seen:
            raise UserError(f"every row of {task.name} needs an id of its own; two have {row['id']}")
        seen.add(row["id"])


def _check_messages(task: Task, row: Row) -> None:
    messages = task.messages(row)
    fits = (
        isinstance(messages, list)
        and messages
        and all(isinstance(m, dict) and isinstance(m.get("content"), str) and "role" in m for m in messages)
    )
    if not fits:
        shown = str(messages)[:80]
        raise UserError(
            f'{task.name}.messages of row {row["id"]} must return a list of {{"role": ..., "content": ...}}; it returns {shown!r}'
        )


def _check_kind(task: Task, row: Row, what: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise UserError(
            f"{task.name}.{what} of row {row['id']} must return a {kind.__name__}, it returns {str(value)[:80]!r}"
        )
    return value


def check_weights(terms: Sequence[RewardTerm]) -> None:
    """Refuse weights under which a wrong answer can be worth as much as a right one.

    A right answer gains at least each goal's weight times what lies between its highest value and that of a wrong answer;
    all shaping terms together move a reward by at most the sum of their weights times their spans. The first must be the
    larger.
    """
    goals = [term for term in terms if term.reward.goal]
    if not goals:
        raise UserError(
            f"rewards: none of {', '.join(t.name for t in terms) or '(nothing)'} is a goal; add correctness: {{weight: 1.0}}"
        )
    gain = sum(term.weight * (term.reward.high - term.reward.wrong) for term in goals)
    shaping = [term for term in terms if not term.reward.goal]
    reach = sum(abs(term.weight) * (term.reward.high - term.reward.low) for term in shaping)
    if gain <= reach:
        parts = ", ".join(f"{t.name} {abs(t.weight) * (t.reward.high - t.reward.low):g}" for t in shaping)
        raise UserError(
            f"rewards: a right answer is worth {gain:g} more than a wrong one, but shaping can move a reward by {reach:g} ({parts}); "
            f"lower the shaping weights so that they sum to less than {gain:g}"
        )
