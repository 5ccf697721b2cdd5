"""GRPO whose rollouts continue while the model is trained: TRL's experimental ``AsyncGRPOTrainer`` with a recipe's
rewards.

Rollouts and rewards are made in a child process of TRL's, which starts from nothing: what is handed to it must say
where its task and rewards come from instead of holding them. Importing this module says that TRL calls it
experimental.
"""

import json
import math
import os
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from accelerate import PartialState
from transformers import TrainerCallback
from trl.experimental.async_grpo import AsyncGRPOTrainer

from ratchet.errors import UserError
from ratchet.recipe import Recipe, load_recipe, schema
from ratchet.rewards import Sample
from ratchet.rewards.trl_adapter import Grader
from ratchet.training.arguments import model_settings, starting_model, trainer_extras
from ratchet.training.prepare import Run
from ratchet.training.services import Services
from ratchet.training.trainers.mixins import RecipeTrainer
from ratchet.training.vllm_server import wait_until_ready

FIELDS = ("max_staleness", "weight_sync_steps", "token_budget")
PAUSE = 1.0  # seconds between looks at the rollouts' process
ANSWERS = "_answers.jsonl"  # in the run's folder, from the rollouts' process to the trainer's


class RecipeAsyncTrainer(RecipeTrainer, AsyncGRPOTrainer):
    """Checkpoints, signals and bad steps as everywhere else; what is generated and scored is TRL's."""

    _total_train_tokens = 0  # TRL's other trainers count them; this one has figures of its own

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """TRL's, watched: should the rollouts' process die (a reward that raises), TRL's loop can wait for its samples
        forever."""
        over = threading.Event()
        threading.Thread(target=self._watch_rollouts, args=(over,), daemon=True, name="rollouts").start()
        try:
            return super().train(*args, **kwargs)
        finally:
            over.set()

    def _watch_rollouts(self, over: threading.Event) -> None:
        while not over.wait(PAUSE):
            process = getattr(self.rollout_worker, "_process", None)
            if process is not None and process.exitcode not in (None, 0) and not over.wait(PAUSE):
                UserError(
                    f"the process that makes rollouts and rewards died (exit status {process.exitcode}; what it said "
                    "stands above). What was saved stays: mend what failed, and the same command resumes from the "
                    "newest checkpoint"
                ).say()
                os._exit(UserError.code)  # the main thread waits for a sample that nobody makes


def adapt(recipe: Recipe, values: dict[str, Any]) -> dict[str, Any]:
    """The values of TRL's ``AsyncGRPOConfig``: those of the recipe that it has, and those of the group
    ``asynchronous``."""
    settings, known = recipe.asynchronous, schema()["async_grpo"]
    found = {key: value for key, value in values.items() if key in known}
    return {
        **found,
        **{name: getattr(settings, name) for name in FIELDS},
        "max_inflight_tasks": -1 if settings.max_inflight is None else settings.max_inflight,
        "queue_maxsize": settings.queue,
        "heartbeat_stale_after_s": settings.silence,
        "vllm_server_base_url": recipe.server_url,
        "request_timeout": int(recipe.faults.server_timeout),
        "dtype": recipe.get("dtype") or "float32",
    }


class Reward:
    """One weighted reward of a recipe, as TRL's child process calls it; it is pickled as the recipe's path and the
    reward's place.

    Args:
        recipe: the resolved recipe in the run's folder.
    """

    def __init__(self, recipe: Path, index: int, name: str):
        self.recipe, self.index, self.__name__ = str(recipe.absolute()), index, name

    def __call__(self, completions: Any, completion_ids: Any = None, **columns: Any) -> list[float | None]:
        """TRL sums rewards without weights, so the weight is in them; None leaves a completion out."""
        recipe, grader = _grader(self.recipe)
        with _SCORING:
            scores = grader.scored(completions, completion_ids, columns)
        failed = next((score.failure for score in scores if score.failure), None)
        if failed is not None and recipe.faults.on_reward_error == "stop":
            raise RuntimeError(f"a reward or the grader failed (faults.on_reward_error): {failed}")
        weight = recipe.rewards[self.index].weight
        found = [weight * score.rewards[self.index] if score.failure is None else math.nan for score in scores]
        return [None if math.isnan(value) else value for value in found]


# TRL calls each reward in a thread of its own; the first one scores for all, and writes down the answers.
_SCORING = threading.Lock()


@lru_cache(maxsize=1)
def _grader(path: str) -> tuple[Recipe, Grader]:
    """The recipe in a run's folder, and its grader, which passes every graded batch on to the trainer's process."""
    recipe = load_recipe(path, environ={}, to_train=False)
    answers = Answers(Path(path).with_name(ANSWERS), recipe)
    return recipe, Grader(recipe.task, recipe.rewards, recipe.completion_limit, [answers.write])


class Answers:
    """What sampled completions answered, from the process that grades them to the alarms of the training process.

    A file is what both processes have: TRL's child is started without a way to hand it a pipe.
    """

    def __init__(self, path: Path, recipe: Recipe):
        self.path, self.task = path, recipe.task
        self._read = 0

    def write(self, samples: Sequence[Sample]) -> None:
        """Append the answers of a graded batch, and the right ones."""
        found = [(sample.grade.answer, self.task.gold(sample.row) or "") for sample in samples]
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")

    def new(self) -> list[tuple[str | None, str]]:
        """Answers and right answers since the last call; a line that is still being written waits for the next one."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._read)
            lines, _, _ = file.read().rpartition(b"\n")
        self._read += len(lines) + bool(lines)
        return [tuple(pair) for line in lines.splitlines() for pair in json.loads(line)]


class AnswersHeard(TrainerCallback):
    """Hands the alarms what was answered, before they look at a log."""

    def __init__(self, answers: Answers, services: Services):
        self.answers, self.services = answers, services

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Answers of an earlier start are in the alarms' own state."""
        if state.is_world_process_zero:
            self.answers.path.unlink(missing_ok=True)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Read what has come since the last step."""
        found = self.answers.new() if state.is_world_process_zero else []
        if found:
            self.services.alarms.monitor.answered(*zip(*found, strict=True))


def build(run: Run, services: Services) -> RecipeAsyncTrainer:
    """The trainer of a run; it waits for the vLLM server first."""
    recipe, arguments = run.recipe, run.arguments
    if PartialState().is_main_process:
        wait_until_ready(recipe)
    settings = model_settings(run)
    settings.pop("attn_implementation", None)  # TRL's own, over trees of samples
    arguments.model_init_kwargs = settings
    path = recipe.output_dir / "recipe.yaml"
    return RecipeAsyncTrainer(
        model=starting_model(run),
        args=arguments,
        reward_funcs=[Reward(path, i, term.name) for i, term in enumerate(recipe.rewards)],
        train_dataset=run.data.train,
        processing_class=run.tokenizer,
        callbacks=[AnswersHeard(Answers(path.with_name(ANSWERS), recipe), services)],
        services=services,
        **trainer_extras(run),
    )
