"""What a completion earns: from the recipe's own rewards, or from a reward function of somebody else.

Anything wrong with a reward (it raises, returns nothing, too few values, NaN, or leaves its range) ends as one
``UserError`` that names the function, the row and, where it was missing, the column.
"""

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ratchet.audit.policies import CHARS_PER_TOKEN
from ratchet.errors import UserError
from ratchet.files import import_file
from ratchet.rewards import RewardTerm, Sample, raised
from ratchet.tasks.base import Grade, Row, Task


class Component(NamedTuple):
    """One reward as the audit sees it."""

    name: str
    weight: float
    low: float | None
    """Its range; None where nobody states one."""
    high: float | None
    goal: bool


class Scorer(Protocol):
    """Gives every text of a row its rewards."""

    components: Sequence[Component]

    def scores(self, row: Row, texts: Sequence[str], grades: Sequence[Grade]) -> list[list[float]]:
        """Unweighted rewards, shape (texts, components)."""


def checked(value: Any, component: Component, row: Row) -> float:
    """The value as a number within its range.

    Raises:
        UserError: naming reward, row and value.
    """
    place = f"rewards.{component.name} of row {row['id']}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        try:
            value = float(value)  # numpy's and torch's scalars
        except (TypeError, ValueError):
            raise UserError(f"{place} returns {value!r}, which is no number") from None
    if not math.isfinite(value):
        raise UserError(f"{place} returns {value}")
    # a sum of floats may leave its range by rounding
    if component.low is not None and not component.low - 1e-9 <= value <= component.high + 1e-9:
        raise UserError(f"{place} returns {value:g}, outside its stated range {component.low:g} to {component.high:g}")
    return float(value)


@dataclass
class RecipeRewards:
    """The rewards of a recipe. Lengths in tokens are estimated from characters, four to a token."""

    terms: Sequence[RewardTerm]
    limit: int | None

    def __post_init__(self) -> None:
        self.components = [Component(t.name, t.weight, t.reward.low, t.reward.high, t.reward.goal) for t in self.terms]

    def scores(self, row: Row, texts: Sequence[str], grades: Sequence[Grade]) -> list[list[float]]:
        """See ``Scorer``."""
        found = []
        for text, grade in zip(texts, grades, strict=True):
            tokens = math.ceil(len(text) / CHARS_PER_TOKEN)
            sample = Sample(text, row, grade, tokens, self.limit)
            pairs = zip(self.terms, self.components, strict=True)
            found.append([checked(self._call(term, sample), component, row) for term, component in pairs])
        return found

    @staticmethod
    def _call(term: RewardTerm, sample: Sample) -> Any:
        try:
            return term(sample)
        except Exception as error:  # the reward's own code may raise anything
            raise raised(f"rewards.{term.name}", sample.row, error) from error


@dataclass
class ForeignReward:
    """A reward function as TRL calls it: ``f(prompts, completions, **columns) -> list[float]``.

    A function that has an attribute ``range`` (lowest and highest value) is held to it; without one, the highest value
    seen in the audit is what a right answer should earn.
    """

    name: str
    function: Callable[..., Any]
    task: Task
    plain: bool = False
    """Whether completions are passed as text; else as lists of messages, as TRL does for conversations."""

    def __post_init__(self) -> None:
        low, high = getattr(self.function, "range", (None, None))
        self.components = [Component(self.name, 1.0, low, high, True)]
        parameters = inspect.signature(self.function).parameters.values()
        self._takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)
        self._names = {p.name for p in parameters}

    def scores(self, row: Row, texts: Sequence[str], grades: Sequence[Grade]) -> list[list[float]]:
        """See ``Scorer``; the texts of a row are one call, as a group is in GRPO."""
        messages = self.task.messages(row)
        columns: dict[str, list[Any]] = {
            "prompts": [messages[-1]["content"] if self.plain else messages] * len(texts),
            "completions": list(texts) if self.plain else [[{"role": "assistant", "content": text}] for text in texts],
            "completion_ids": [[] for _ in texts],
            **{name: [value] * len(texts) for name, value in row.items()},
        }
        given = {name: values for name, values in columns.items() if self._takes_all or name in self._names}
        try:
            values = self.function(**given)
        except (Exception, SystemExit) as error:  # somebody else's code may raise anything
            raise UserError(f"{raised(self.name, row, error)}{self._hint()}") from error
        try:
            values = list(values)
        except TypeError:
            raise UserError(
                f"{self.name} of row {row['id']} returns {values!r}; a reward function returns a list of numbers"
            ) from None
        if len(values) != len(texts):
            raise UserError(
                f"{self.name} of row {row['id']} returns {len(values)} values for {len(texts)} completions"
            )
        return [[checked(value, self.components[0], row)] for value in values]

    def _hint(self) -> str:
        """What may be wrong where a function raises that was given messages."""
        if self.plain:
            return ""
        return ". It was given lists of messages, as TRL gives them; with --plain it is given text"


def load_function(place: str) -> Callable[..., Any]:
    """The function that "path/to/file.py:function" names.

    Raises:
        UserError: when there is no such file or function, or the file cannot be imported.
    """
    path, _, name = place.rpartition(":")
    if not path.endswith(".py") or not name:
        raise UserError(f"--reward: write path/to/file.py:function, not {place}")
    module = import_file(Path(path), "--reward")
    function = getattr(module, name, None)
    if not callable(function):
        there = ", ".join(n for n, value in vars(module).items() if inspect.isfunction(value)) or "none"
        raise UserError(f"--reward: {path} has no function {name}; it has {there}")
    return function
