"""Grading and rewarding in processes of their own, which can be killed: for code that may hang, crash, or never
return.

Nothing else stops Python code that holds the interpreter (a regular expression that backtracks forever, a symbolic
parser that forks itself), so a time limit needs a process. A worker imports no torch, starts in a fraction of a
second, and leads a process group, so that what it started dies with it.
"""

import contextlib
import ctypes
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from multiprocessing import Pipe, connection
from pathlib import Path

from ratchet.errors import UserError
from ratchet.recipe import Recipe, load_recipe
from ratchet.rewards.scoring import UNGRADED, Score, ScoringRequest, failed, score

START = 120.0  # seconds that a worker may take to come up


def reward_pool(recipe: Recipe) -> "RewardPool | None":
    """The worker processes that the recipe asks for; None where the training process scores by itself."""
    count = recipe.faults.reward_workers
    if count is None:
        count = 1 if recipe.has_user_code else 0
    return RewardPool(recipe, count) if count else None


class RewardPool:
    """A pool of workers for one training process.

    Args:
        recipe: whose resolved form lies in its output folder.
    """

    def __init__(self, recipe: Recipe, count: int):
        self.recipe, self.timeout = recipe, recipe.faults.reward_timeout
        self.beat: Callable[[], None] = lambda: None
        """Called whenever a completion was scored, so that slow scoring does not look like a hang."""
        self._workers = [_Worker(recipe.output_dir / "recipe.yaml") for _ in range(count)]

    def __call__(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        """Score a batch: each worker takes the next request when it has done one, and dies when one takes too long."""
        scores: list[Score | None] = [None] * len(requests)
        waiting = list(range(len(requests)))[::-1]
        busy: dict[_Worker, tuple[int, float]] = {}
        while waiting or busy:
            for worker in self._workers:
                if worker not in busy and waiting:
                    index = waiting.pop()
                    if not worker.give(requests[index]):  # it died between two requests: a new one takes this one
                        worker.end()
                        worker.give(requests[index])
                    busy[worker] = (index, time.monotonic() + self.timeout)
            until = min(deadline for _, deadline in busy.values())
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

    def _given_up(self, scores: list[Score | None], busy: Iterable["_Worker"]) -> list[Score]:
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


class _Worker:
    """One process, started when there is something to do."""

    def __init__(self, path: Path):
        self.path = path
        self.process: subprocess.Popen | None = None
        self.pipe: connection.Connection | None = None

    def give(self, request: ScoringRequest) -> bool:
        """Send a request, to a new process where there is none; False where the process had died."""
        if self.process is None:
            self._start()
        try:
            self.pipe.send_bytes(pickle.dumps(request))
        except OSError:
            return False
        return True

    def _start(self) -> None:
        self.pipe, theirs = Pipe()
        words = [sys.executable, "-m", "ratchet.training.reward_workers", str(self.path), str(theirs.fileno())]
        hidden = {"RANK": "0", "WORLD_SIZE": "1", "CUDA_VISIBLE_DEVICES": ""}
        self.process = subprocess.Popen(
            words, pass_fds=[theirs.fileno()], start_new_session=True, env={**os.environ, **hidden}
        )
        theirs.close()
        if not self.pipe.poll(START) or self.take() != "ready":
            raise UserError(
                f"the worker process for rewards did not start ({self.end()}); faults: {{reward_workers: 0}} scores "
                "without one"
            )

    def take(self) -> Score | str | None:
        """What it sends; None where it died."""
        try:
            return pickle.loads(self.pipe.recv_bytes())
        except (EOFError, OSError):
            return None

    def end(self) -> str:
        """Kill it with everything it started; returns how it had ended."""
        if self.process is None:
            return "not started"
        code = None
        with contextlib.suppress(
            subprocess.TimeoutExpired
        ):  # it has just closed its end, perhaps, and is about to end
            code = self.process.wait(0.2)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.pipe.close()
        self.process = self.pipe = None
        return f"exit code {code}" if code is None or code >= 0 else f"signal {signal.Signals(-code).name}"


def work(path: str, handle: int) -> None:
    """A worker's life: score what comes, until nothing does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the training process, which ends this one
    with contextlib.suppress(
        OSError, AttributeError
    ):  # Linux: die with the training process, also in the middle of a request
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    pipe = connection.Connection(handle)
    os.set_inheritable(handle, False)  # or what the user's code starts would keep it open
    recipe = load_recipe(path, environ={}, to_train=False)
    pipe.send_bytes(pickle.dumps("ready"))
    while True:
        try:
            request = pickle.loads(pipe.recv_bytes())
        except EOFError:
            return
        pipe.send_bytes(pickle.dumps(score(recipe.task, recipe.rewards, request)))


if __name__ == "__main__":
    work(sys.argv[1], int(sys.argv[2]))
