"""Rewards as TRL calls them: ``f(completions, completion_ids, **columns) -> list[float]``, one per term of the recipe."""

from collections.abc import Callable, Sequence
from typing import Any

from ratchet.rewards import RewardTerm, Sample
from ratchet.rewards.scoring import Score, Scorer, ScoringRequest, score
from ratchet.tasks.base import RESERVED_COLUMNS, Task, completion_text


class Grader:
    """Scores a batch once for all reward functions, which TRL calls one after the other with the same list.

    Args:
        limit: ``max_completion_length``.
        listeners: are handed every graded batch.
        scorer: scores a batch, in worker processes perhaps; without it this process does.

    Attributes:
        requests, scores: the latest batch and what it was worth.
    """

    def __init__(
        self,
        task: Task,
        terms: Sequence[RewardTerm],
        limit: int | None,
        listeners: Sequence[Callable[[list[Sample]], None]] = (),
        scorer: Scorer | None = None,
    ):
        self.task, self.terms, self.limit, self.listeners = task, terms, limit, listeners
        self.scorer = scorer or (lambda requests: [score(task, terms, request) for request in requests])
        self.requests: list[ScoringRequest] = []
        self.scores: list[Score] = []
        self._completions: Any = None

    def scored(
        self, completions: Sequence[Any], completion_ids: Sequence[Sequence[int]] | None, columns: dict[str, Any]
    ) -> list[Score]:
        """The scores on a batch; a list seen last time is not judged again."""
        if completions is not self._completions:
            rows = self._rows(len(completions), columns)
            ids = completion_ids if completion_ids is not None else [None] * len(completions)
            self.requests = [
                ScoringRequest(completion_text(completion), row, None if tokens is None else len(tokens), self.limit)
                for completion, row, tokens in zip(completions, rows, ids, strict=True)
            ]
            self.scores = self.scorer(self.requests)
            self._completions = completions
            samples = [
                Sample(request.text, request.row, v.grade, request.tokens, request.limit)
                for request, v in zip(self.requests, self.scores, strict=True)
            ]
            for listener in self.listeners:
                listener(samples)
        return self.scores

    @staticmethod
    def _rows(count: int, columns: dict[str, Any]) -> list[dict[str, Any]]:
        own = {name: values for name, values in columns.items() if name not in RESERVED_COLUMNS}
        return [{name: values[i] for name, values in own.items()} for i in range(count)]


def reward_functions(grader: Grader) -> list[Callable[..., list[float]]]:
    """One function per term, named as the term, so that TRL logs ``rewards/<name>/mean``; NaN where a completion could not be judged."""
    return [_function(grader, i, term.name) for i, term in enumerate(grader.terms)]


def _function(grader: Grader, index: int, name: str) -> Callable[..., list[float]]:
    def reward(
        completions: Sequence[Any], completion_ids: Sequence[Sequence[int]] | None = None, **columns: Any
    ) -> list[float]:
        return [score.rewards[index] for score in grader.scored(completions, completion_ids, columns)]

    reward.__name__ = name
    return reward
