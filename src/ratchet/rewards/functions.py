"""The reward functions, each with its formula, its range, and an example.

>>> from ratchet.tasks.base import Grade
>>> right = Sample("6 * 7 = 42\\nAnswer: C", {}, Grade(True, "C", {"format": 1.0}), tokens=12, limit=256)
>>> correctness.function(right), answer_format.function(right), overlong.function(right), repetition.function(right)
(1.0, 1.0, 0.0, 0.0)
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ratchet.errors import UserError
from ratchet.tasks.base import Grade, Row


@dataclass(frozen=True)
class Sample:
    """One completion as a reward sees it."""

    completion: str
    row: Row
    grade: Grade
    tokens: int | None = None
    """Length in tokens; None outside training, where there is no tokenizer."""
    limit: int | None = None
    """``max_completion_length``, in tokens."""


@dataclass(frozen=True)
class Reward:
    """A reward function with the range of its values."""

    name: str
    function: Callable[..., float]
    low: float
    high: float
    goal: bool
    wrong: float
    """The highest value that a goal has for a wrong answer."""
    optional: bool = False
    """Whether it may return None, where it does not apply."""


def reward(
    low: float, high: float, goal: bool = False, wrong: float | None = None
) -> Callable[[Callable[..., float]], Reward]:
    """Make a function of a ``Sample`` (and parameters with defaults) a reward with values from ``low`` to ``high``.

    Args:
        goal: whether this is what is wanted; everything else is shaping, and may never outweigh the goals.
        wrong: of a goal, the highest value for a wrong answer; without it ``low``.
    """

    def wrap(function: Callable[..., Any]) -> Reward:
        _check_signature(function)
        return Reward(function.__name__, function, low, high, goal, low if wrong is None else wrong)

    return wrap


def _check_signature(function: Callable[..., Any]) -> None:
    """Refuse what is written the way TRL's reward functions are.

    Raises:
        UserError: with the way it is written here.
    """
    how = f"def {function.__name__}(sample): ... returns one number for one completion (sample.completion, sample.row)"
    if inspect.iscoroutinefunction(function):
        raise UserError(f"the reward {function.__name__} is async, which would end in no number; write {how}")
    names = list(inspect.signature(function).parameters)
    if not names or names[0] in ("prompts", "completions", "kwargs"):
        raise UserError(
            f"the reward {function.__name__} has the signature of TRL's functions, for a batch; write {how}"
        )


@reward(0.0, 1.0, goal=True)
def correctness(sample: Sample) -> float:
    """1 for a right answer, else 0."""
    return float(sample.grade.correct)


@reward(0.0, 1.0)
def answer_format(sample: Sample) -> float:
    """1 if the answer stands where and as the prompt asks (``Grade.components["format"]``), else 0."""
    return sample.grade.components.get("format", 0.0)


@reward(-1.0, 0.0)
def overlong(sample: Sample, cache: int = 64, limit: int | None = None) -> float:
    """Soft punishment shortly before truncation (DAPO, Yu et al., 2025, arXiv:2503.14476, equation 13).

    With L tokens, limit M (``limit``, else ``max_completion_length``) and ``cache`` c: 0 up to M - c, then
    (M - c - L) / c, and -1 from M on.

    >>> from ratchet.tasks.base import Grade
    >>> [overlong.function(Sample("", {}, Grade(False, None), tokens=n, limit=100), cache=20) for n in (80, 90, 100)]
    [0.0, -0.5, -1.0]
    """
    limit = sample.limit if limit is None else limit
    if sample.tokens is None or limit is None:
        return 0.0
    over = sample.tokens - (limit - cache)
    # subtracted from 0.0, not negated: -min(...) would give -0.0 for short completions
    return 0.0 - min(1.0, max(0.0, over / max(1, cache)))


@reward(-1.0, 0.0)
def repetition(sample: Sample, ngram: int = 4) -> float:
    """Minus the share of word n-grams that occurred before (Yeo et al., 2025, arXiv:2502.03373, appendix).

    >>> from ratchet.tasks.base import Grade
    >>> repetition.function(Sample("so so so so so so", {}, Grade(False, None)), ngram=2)
    -0.8
    """
    words = sample.completion.split()
    count = len(words) - ngram + 1
    if count < 1:
        return 0.0
    distinct = len({tuple(words[i : i + ngram]) for i in range(count)})
    return distinct / count - 1.0


@reward(0.0, 1.0, goal=True, wrong=0.5)
def score(sample: Sample) -> float:
    """The task's own score of an answer: 1 for a right one, at most 0.5 for a partly right one.

    It is ``Grade.components["score"]``.

    >>> from ratchet.tasks.base import Grade
    >>> score.function(Sample("suŋka", {}, Grade(False, "suŋka", {"score": 0.4})))
    0.4
    """
    value = sample.grade.components.get("score")
    if value is None:
        raise ValueError("this task's grade has no component score; take correctness")
    return value
