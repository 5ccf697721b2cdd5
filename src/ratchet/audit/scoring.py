"""What a completion earns: from the recipe's own rewards, or from a reward function of somebody else.

Anything wrong with a reward (it raises, returns nothing, too few values, NaN, or leaves its range) ends as one
``UserError`` that names the function, the row and, where it was missing, the column.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol

from ratchet.audit.watched import Beat, silent
from ratchet.errors import UserError
from ratchet.files import function_in
from ratchet.rewards import RewardTerm, Sample, raised
from ratchet.rewards.foreign import CHARS_PER_TOKEN, TrlFunction
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

    def scores(
        self, rows: Sequence[Row], texts: Sequence[str], grades: Sequence[Grade], beat: Beat = silent
    ) -> list[list[float]]:
        """Unweighted rewards of a batch, shape (texts, components); NaN where a reward does not apply.

        Args:
            beat: is told what is being done, before each call of a reward.
        """


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

    def scores(
        self, rows: Sequence[Row], texts: Sequence[str], grades: Sequence[Grade], beat: Beat = silent
    ) -> list[list[float]]:
        """See ``Scorer``."""
        found = []
        for row, text, grade in zip(rows, texts, grades, strict=True):
            beat(f"rewarding row {row['id']}")
            tokens = math.ceil(len(text) / CHARS_PER_TOKEN)
            sample = Sample(text, row, grade, tokens, self.limit)
            pairs = zip(self.terms, self.components, strict=True)
            found.append([self._value(term, component, sample) for term, component in pairs])
        return found

    @staticmethod
    def _value(term: RewardTerm, component: Component, sample: Sample) -> float:
        try:
            value = term(sample)
        except UserError as error:
            raise UserError(f"rewards.{term.name}: {error}") from None
        except Exception as error:  # the reward's own code may raise anything
            raise raised(f"rewards.{term.name}", sample.row, error) from error
        return math.nan if value is None and term.reward.optional else checked(value, component, sample.row)


@dataclass
class ForeignReward:
    """A reward function as TRL calls it: ``f(prompts, completions, **columns) -> list[float | None]``, or ``async``.

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
        self._call = TrlFunction(self.function, self.task, self.plain)

    def scores(
        self, rows: Sequence[Row], texts: Sequence[str], grades: Sequence[Grade], beat: Beat = silent
    ) -> list[list[float]]:
        """See ``Scorer``; a batch is one call, as in training, with completions to several rows in it."""
        try:
            values = self._called(rows, texts)
        except (Exception, SystemExit) as error:  # somebody else's code may raise anything
            row = rows[0] if len(rows) == 1 else self._raising(rows, texts)
            raise UserError(f"{raised(self.name, row, error)}{self._hint()}") from error
        place = f"{self.name} of row {rows[0]['id']}" + (f" and {len(rows) - 1} more" if len(rows) > 1 else "")
        try:
            values = list(values)
        except TypeError:
            raise UserError(f"{place} returns {values!r}; a reward function returns a list of numbers") from None
        if len(values) != len(texts):
            raise UserError(f"{place} returns {len(values)} values for {len(texts)} completions")
        pairs = zip(rows, values, strict=True)
        # TRL leaves a completion out of a reward that is None for it
        return [[math.nan if value is None else checked(value, self.components[0], row)] for row, value in pairs]

    def _called(self, rows: Sequence[Row], texts: Sequence[str]) -> Any:
        return self._call(rows, texts, [None] * len(texts), {**TRAINER, "environments": [None] * len(texts)})

    def _raising(self, rows: Sequence[Row], texts: Sequence[str]) -> Row:
        """The first row that raises by itself, else the first of the batch."""
        for row, text in zip(rows, texts, strict=True):
            try:
                self._called([row], [text])
            except (Exception, SystemExit):  # as above
                return row
        return rows[0]

    def _hint(self) -> str:
        """What may be wrong where a function raises that was given messages."""
        if self.plain:
            return ""
        return ". It was given lists of messages, as TRL gives them; with --plain it is given text"


def _ignored(*args: Any, **kwargs: Any) -> None:
    """What TRL offers for logging."""


TRAINER = {
    "trainer_state": SimpleNamespace(global_step=0, max_steps=1, epoch=0.0, log_history=[]),
    "log_extra": _ignored,
    "log_metric": _ignored,
}
"""What TRL passes of its trainer."""


def load_function(place: str) -> Callable[..., Any]:
    """The function that "path/to/file.py:function" names.

    Raises:
        UserError: when there is no such file or function, or the file cannot be imported.
    """
    return function_in(place, "--reward")
