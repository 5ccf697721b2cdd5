"""Rewards as TRL calls them, one function per term of the recipe.

TRL's form is ``f(completions, completion_ids, **columns) -> list[float]``.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ratchet.rewards.functions import Sample
from ratchet.rewards.registry import RewardTerm
from ratchet.rewards.scoring import Score, Scorer, ScoringRequest, score
from ratchet.tasks.base import Task, completion_text
from ratchet.tasks.packing import COLUMN, unpack


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
        """The scores on a batch; a list seen last time is not scored again."""
        # by identity: TRL hands the very same list to each reward function, and equal texts in another list are a new
        # batch, drawn from other rows
        if completions is not self._completions:
            rows = map(unpack, columns[COLUMN])
            lengths = _lengths(len(completions), completion_ids)
            self.requests = [
                ScoringRequest(completion_text(completion), row, length, self.limit)
                for completion, row, length in zip(completions, rows, lengths, strict=True)
            ]
            self.scores = self.scorer(self.requests)
            self._completions = completions
            self._tell_listeners()
        return self.scores

    def _tell_listeners(self) -> None:
        samples = [
            Sample(request.text, request.row, score.grade, request.tokens, request.limit)
            for request, score in zip(self.requests, self.scores, strict=True)
        ]
        for listener in self.listeners:
            listener(samples)


def _lengths(count: int, completion_ids: Sequence[Sequence[int]] | None) -> Sequence[int | None]:
    """The completions' lengths in tokens, where TRL says them."""
    return [None] * count if completion_ids is None else [len(tokens) for tokens in completion_ids]


def reward_functions(grader: Grader) -> list[Callable[..., list[float]]]:
    """One function per term, named as the term, so that TRL logs ``rewards/<name>/mean``.

    A completion that could not be scored gets NaN, which TRL leaves out of its means.
    """
    return [_function(grader, i, term.name) for i, term in enumerate(grader.terms)]


def _function(grader: Grader, index: int, name: str) -> Callable[..., list[float]]:
    def reward(
        completions: Sequence[Any], completion_ids: Sequence[Sequence[int]] | None = None, **columns: Any
    ) -> list[float]:
        return [score.rewards[index] for score in grader.scored(completions, completion_ids, columns)]

    reward.__name__ = name
    return reward
