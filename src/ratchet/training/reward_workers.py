"""Grading and rewarding in processes of their own, which can be killed: a user's own code may never return."""

import time
from collections.abc import Callable, Iterable, Sequence
from multiprocessing import connection

from ratchet.errors import UserError
from ratchet.recipe import Recipe, load_recipe
from ratchet.rewards.reward_model import RewardModel
from ratchet.rewards.scoring import UNGRADED, Score, ScoringRequest, failed, score
from ratchet.workers import Worker, serve

MOST = 8
"""Workers of a training process at most: more than cores, since what is slow often waits for a server."""
SLOW = 0.5
"""Seconds after which a batch that is still being scored is worth another worker."""


def reward_pool(recipe: Recipe) -> "RewardPool | None":
    """The worker processes that the recipe asks for; None where the training process scores by itself."""
    count = recipe.faults.reward_workers
    if count is None and any(isinstance(function, RewardModel) for function in recipe.foreign):
        count = 1  # each would hold the model
    elif count is None:
        count = MOST if recipe.has_user_code or recipe.task.slow else 0
    return RewardPool(recipe, count) if count else None


class RewardPool:
    """A pool of workers for one training process. It begins with one; others come where that one is slow.

    Args:
        recipe: whose resolved form lies in its output folder.
        count: of workers at most.
    """

    def __init__(self, recipe: Recipe, count: int):
        self.recipe, self.timeout = recipe, recipe.faults.reward_timeout
        self.beat: Callable[[], None] = lambda: None
        """Called whenever a completion was scored, so that slow scoring does not look like a hang."""
        path = str(recipe.output_dir / "recipe.yaml")
        self._workers = [Worker("ratchet.training.reward_workers", path) for _ in range(count)]

    def __call__(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        """Score a batch: each worker takes the next request when it has done one, and dies when one takes too long."""
        scores: list[Score | None] = [None] * len(requests)
        waiting = list(range(len(requests)))[::-1]
        busy: dict[Worker, tuple[int, float]] = {}
        further = time.monotonic() + SLOW
        while waiting or busy:
            for number, worker in enumerate(self._workers):
                if worker in busy or not waiting:
                    continue
                if number and worker.process is None:
                    if time.monotonic() < further:
                        break
                    further = time.monotonic() + SLOW
                index = waiting.pop()
                self._give(worker, requests[index])
                busy[worker] = (index, time.monotonic() + self.timeout)
            until = min(deadline for _, deadline in busy.values())
            if waiting and len(busy) < len(self._workers):
                until = min(until, further)
            ready = connection.wait([worker.pipe for worker in busy], max(0.0, until - time.monotonic()))
            for worker, (index, deadline) in list(busy.items()):
                if worker.pipe in ready:
                    scores[index] = worker.take() or self._failed(f"its process died ({worker.end()})")
                elif time.monotonic() >= deadline:
                    worker.end()
                    scores[index] = self._failed(
                        f"no answer within {self.timeout:g} s (faults.reward_timeout); its process was killed"
                    )
                else:
                    continue
                del busy[worker]
                self.beat()
                if (
                    scores[index].failure is not None
                    and self.recipe.faults.on_reward_error == "stop"
                    and requests[index].rewarded
                ):
                    return self._given_up(scores, busy)
        return scores

    @staticmethod
    def _give(worker: Worker, request: ScoringRequest) -> None:
        try:
            worker.give(request)
        except OSError as error:
            raise UserError(f"{error}; faults: {{reward_workers: 0}} scores without one") from None

    def _given_up(self, scores: list[Score | None], busy: Iterable[Worker]) -> list[Score]:
        """The run stops, the others are not waited for."""
        for worker in busy:
            worker.end()
        nothing = Score(UNGRADED, (0.0,) * len(self.recipe.rewards))
        return [nothing if score is None else score for score in scores]

    def _failed(self, error: str) -> Score:
        return failed(self.recipe.rewards, "grade or rewards", error)

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.end()


def _start(path: str) -> Callable[[ScoringRequest], Score]:
    recipe = load_recipe(path, environ={}, to_train=False)
    return lambda request: score(recipe.task, recipe.rewards, request)


if __name__ == "__main__":
    serve(_start)
