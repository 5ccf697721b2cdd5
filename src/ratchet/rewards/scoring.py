"""One completion's grade and rewards, or what went wrong in getting them: a user's own code may do anything."""

import math
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ratchet.errors import UserError
from ratchet.rewards.functions import Sample
from ratchet.rewards.registry import RewardTerm, fault_of
from ratchet.tasks.base import Grade, Row, Task

UNGRADED = Grade(False, None)


@dataclass(frozen=True)
class Failure:
    """Why a completion could not be scored."""

    function: str
    """What was called: "grade", or "rewards.<name>"."""
    error: str
    traceback: str = ""


@dataclass(frozen=True)
class Score:
    """A completion's grade and its unweighted rewards, one per term; NaN where one does not apply.

    Where there is a failure, neither means anything.
    """

    grade: Grade
    rewards: tuple[float, ...]
    failure: Failure | None = None


@dataclass(frozen=True)
class ScoringRequest:
    """A completion that is to be scored."""

    text: str
    row: Row
    tokens: int | None = None
    limit: int | None = None
    rewarded: bool = True
    """Whether rewards are wanted too; an evaluation wants the grade alone."""


class Scorer(Protocol):
    """Scores a batch of completions, in their order: in this process, or in worker processes that can be killed."""

    def __call__(self, requests: Sequence[ScoringRequest], /) -> list[Score]: ...


def score(task: Task, terms: Sequence[RewardTerm], request: ScoringRequest) -> Score:
    """Grade a completion and reward it; what goes wrong is a ``Failure``, never an exception."""
    called = "grade"
    try:
        grade = task.grade(request.text, request.row)
        if not isinstance(grade, Grade):
            return failed(terms, called, f"it must return a Grade, it returns {_shown(grade)}")
        sample = Sample(request.text, request.row, grade, request.tokens, request.limit)
        rewards: list[float] = []
        for term in terms if request.rewarded else ():
            called = f"rewards.{term.name}"
            value = term(sample)
            if fault := fault_of(term, value):
                return failed(terms, called, fault)
            rewards.append(math.nan if value is None else float(value))  # TRL passes over NaN
    except Exception as error:  # the user's own code may raise anything
        return failed(terms, called, f"{type(error).__name__}: {error}", traceback.format_exc())
    return Score(grade, tuple(rewards))


def surely(task: Task, terms: Sequence[RewardTerm], request: ScoringRequest) -> Score:
    """``score``, where a failure is an end.

    Raises:
        UserError: naming what failed, and the row.
    """
    found = score(task, terms, request)
    if found.failure:
        raise UserError(f"{found.failure.function} failed on row {request.row.get('id', '?')}: {found.failure.error}")
    return found


def weighted(terms: Sequence[RewardTerm], found: Score) -> float:
    """What a score is worth: the weighted sum of the rewards that apply."""
    pairs = zip(terms, found.rewards, strict=True)
    return sum(term.weight * value for term, value in pairs if not math.isnan(value))


def failed(terms: Sequence[RewardTerm], function: str, error: str, trace: str = "") -> Score:
    """The score of a completion that could not be scored."""
    return Score(UNGRADED, (float("nan"),) * len(terms), Failure(function, error, trace))


def _shown(value: Any) -> str:
    return f"{type(value).__name__} {value!r:.80}"
