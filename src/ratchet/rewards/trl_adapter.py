"""Rewards as TRL calls them: ``f(completions, completion_ids, **columns) -> list[float]``, one per term of the recipe."""

from collections.abc import Callable, Sequence
from typing import Any

from ratchet.rewards import RewardTerm, Sample
from ratchet.rewards.scoring import Case, Verdict, judge
from ratchet.tasks.base import RESERVED_COLUMNS, Task, completion_text


class Grader:
    """Judges a batch once for all reward functions, which TRL calls one after the other with the same list.

    Args:
        limit: ``max_completion_length``.
        listeners: are handed every graded batch.
        judges: judges a batch, elsewhere; without it this process does.

    Attributes:
        cases, verdicts: of the latest batch.
    """

    def __init__(
        self,
        task: Task,
        terms: Sequence[RewardTerm],
        limit: int | None,
        listeners: Sequence[Callable[[list[Sample]], None]] = (),
        judges: Callable[[Sequence[Case]], list[Verdict]] | None = None,
    ):
        self.task, self.terms, self.limit, self.listeners = task, terms, limit, listeners
        self.judges = judges or (lambda cases: [judge(task, terms, case) for case in cases])
        self.cases: list[Case] = []
        self.verdicts: list[Verdict] = []
        self._completions: Any = None

    def judged(
        self, completions: Sequence[Any], completion_ids: Sequence[Sequence[int]] | None, columns: dict[str, Any]
    ) -> list[Verdict]:
        """The verdicts on a batch; a list seen last time is not judged again."""
        if completions is not self._completions:
            rows = self._rows(len(completions), columns)
            ids = completion_ids if completion_ids is not None else [None] * len(completions)
            self.cases = [
                Case(completion_text(completion), row, None if tokens is None else len(tokens), self.limit)
                for completion, row, tokens in zip(completions, rows, ids, strict=True)
            ]
            self.verdicts = self.judges(self.cases)
            self._completions = completions
            samples = [
                Sample(case.text, case.row, v.grade, case.tokens, case.limit)
                for case, v in zip(self.cases, self.verdicts, strict=True)
            ]
            for listener in self.listeners:
                listener(samples)
        return self.verdicts

    @staticmethod
    def _rows(count: int, columns: dict[str, Any]) -> list[dict[str, Any]]:
        own = {name: values for name, values in columns.items() if name not in RESERVED_COLUMNS}
        return [{name: values[i] for name, values in own.items()} for i in range(count)]


def reward_functions(grader: Grader) -> list[Callable[..., list[float]]]:
    """One function per term, named as the term, so that TRL logs ``rewards/<name>/mean``; NaN where a completion could not be judged."""
    return [_function(grader, i, term.name) for i, term in enumerate(grader.terms)]


def _function(grader: Grader, index: int, name: str) -> Callable[..., list[float]]:
    def scores(
        completions: Sequence[Any], completion_ids: Sequence[Sequence[int]] | None = None, **columns: Any
    ) -> list[float]:
        return [verdict.rewards[index] for verdict in grader.judged(completions, completion_ids, columns)]

    scores.__name__ = name
    return scores
