"""GRPO whose rollouts go on while the model is trained: TRL's experimental ``AsyncGRPOTrainer`` with a recipe's rewards and Ratchet's checkpoints.

Rollouts and rewards are made in a child process of TRL's, which starts anew: what is handed to it must say where its task and rewards
come from instead of holding them.
"""

import math
from functools import lru_cache
from pathlib import Path
from typing import Any

from accelerate import PartialState

from ratchet.recipe import Recipe, load_recipe
from ratchet.recipe.fields import schema
from ratchet.rewards.trl_adapter import Grader
from ratchet.training.vllm_server import wait_until_ready

FIELDS = ("max_staleness", "weight_sync_steps", "token_budget")


def arguments_of(recipe: Recipe, values: dict[str, Any]) -> dict[str, Any]:
    """The values of TRL's ``AsyncGRPOConfig``: those of the recipe that it has, and those of the group ``asynchronous``."""
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
    """One weighted reward of a recipe, as TRL's child process calls it; it is pickled as the recipe's path and the reward's place.

    Args:
        recipe: the resolved recipe in the run's folder.
    """

    def __init__(self, recipe: Path, index: int, name: str):
        self.recipe, self.index, self.__name__ = str(recipe.absolute()), index, name

    def __call__(self, completions: Any, completion_ids: Any = None, **columns: Any) -> list[float | None]:
        """TRL sums rewards without weights, so the weight is in them; None leaves a completion out."""
        recipe, grader = _grader(self.recipe)
        scores = grader.scored(completions, completion_ids, columns)
        failed = next((score.failure for score in scores if score.failure), None)
        if failed is not None and recipe.faults.on_reward_error == "stop":
            raise RuntimeError(f"a reward or the grader failed (faults.on_reward_error): {failed}")
        weight = recipe.rewards[self.index].weight
        found = [weight * score.rewards[self.index] if score.failure is None else math.nan for score in scores]
        return [None if math.isnan(value) else value for value in found]


@lru_cache(maxsize=1)
def _grader(path: str) -> tuple[Recipe, Grader]:
    recipe = load_recipe(path, environ={}, to_train=False)
    return recipe, Grader(recipe.task, recipe.rewards, recipe.completion_limit)


def build(prepared: Any, settings: dict[str, Any], extras: dict[str, Any]) -> Any:
    """The trainer of a run.

    Args:
        settings: what the model is loaded with, and ``extras`` LoRA.
    """
    from ratchet.training.trainers.async_trainer import RecipeAsyncTrainer

    recipe = prepared.recipe
    if PartialState().is_main_process:
        wait_until_ready(recipe)
    # The attention is TRL's own, over trees of samples.
    prepared.arguments.model_init_kwargs = {
        key: value for key, value in settings.items() if key != "attn_implementation"
    }
    trainer = RecipeAsyncTrainer(
        model=prepared.model_path,
        args=prepared.arguments,
        reward_funcs=[
            Reward(recipe.output_dir / "recipe.yaml", i, term.name) for i, term in enumerate(recipe.rewards)
        ],
        train_dataset=prepared.data.train,
        processing_class=prepared.tokenizer,
        **extras,
    )
    trainer.listeners = []
    return trainer
