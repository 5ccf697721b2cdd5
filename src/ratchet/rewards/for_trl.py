"""Rewards as TRL calls them: ``f(completions, completion_ids, **columns) -> list[float]``, one per term of the recipe."""

from collections.abc import Callable, Sequence
from typing import Any

from ratchet.rewards import RewardTerm, Sample
from ratchet.tasks.base import RESERVED_COLUMNS, Task, completion_text


class Grader:
    """Grades a batch once for all reward functions, which TRL calls one after the other with the same list.

    Args:
        limit: ``max_completion_length``.
        listeners: are handed every graded batch.
    """

    def __init__(self, task: Task, limit: int | None, listeners: Sequence[Callable[[list[Sample]], None]] = ()):
        self.task, self.limit, self.listeners = task, limit, listeners
        self._completions: Any = None
        self._samples: list[Sample] = []

    def samples(self, completions: Sequence[Any], completion_ids: Sequence[Sequence[int]] | None, columns: dict[str, Any]) -> list[Sample]:
        """The graded batch; a list seen last time is not graded again."""
        if completions is not self._completions:
            rows = self._rows(len(completions), columns)
            ids = completion_ids if completion_ids is not None else [None] * len(completions)
            texts = [completion_text(completion) for completion in completions]
            self._samples = [
                Sample(text, row, self.task.grade(text, row), None if tokens is None else len(tokens), self.limit)
                for text, row, tokens in zip(texts, rows, ids, strict=True)
            ]
            self._completions = completions
            for listener in self.listeners:
                listener(self._samples)
        return self._samples

    @staticmethod
    def _rows(count: int, columns: dict[str, Any]) -> list[dict[str, Any]]:
        own = {name: values for name, values in columns.items() if name not in RESERVED_COLUMNS}
        return [{name: values[i] for name, values in own.items()} for i in range(count)]


def reward_functions(grader: Grader, terms: Sequence[RewardTerm]) -> list[Callable[..., list[float]]]:
    """One function per term, named as the term, so that TRL logs ``rewards/<name>/mean``."""
    return [_function(grader, term) for term in terms]


def _function(grader: Grader, term: RewardTerm) -> Callable[..., list[float]]:
    def scores(completions: Sequence[Any], completion_ids: Sequence[Sequence[int]] | None = None, **columns: Any) -> list[float]:
        return [term(sample) for sample in grader.samples(completions, completion_ids, columns)]

    scores.__name__ = term.name
    return scores
