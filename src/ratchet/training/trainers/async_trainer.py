"""TRL's asynchronous trainer with Ratchet's checkpoints and guards. Importing it says that TRL calls it experimental."""

import os
import threading
from typing import Any

from trl.experimental.async_grpo import AsyncGRPOTrainer

from ratchet.errors import UserError
from ratchet.training.trainers.mixins import Evaluating, Guarded, Kept, Observed

PAUSE = 1.0  # seconds between looks at the rollouts' process


class RecipeAsyncTrainer(Evaluating, Kept, Guarded, Observed, AsyncGRPOTrainer):
    """Checkpoints, signals and bad steps as everywhere else; what is generated and scored is TRL's."""

    _total_train_tokens = 0  # TRL's other trainers count them; this one has figures of its own

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """TRL's, watched: should the rollouts' process die (a reward that raises), TRL's loop can wait for its samples for ever."""
        over = threading.Event()
        threading.Thread(target=self._watch, args=(over,), daemon=True, name="rollouts").start()
        try:
            return super().train(*args, **kwargs)
        finally:
            over.set()

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(PAUSE):
            process = getattr(self.rollout_worker, "_process", None)
            if process is not None and process.exitcode not in (None, 0) and not over.wait(PAUSE):
                UserError(
                    f"the process that makes rollouts and rewards died (exit status {process.exitcode}; what it said stands above). What was saved "
                    "stays: mend what failed, and the same command goes on from the newest checkpoint"
                ).say()
                os._exit(UserError.code)  # the main thread waits for a sample that nobody makes
