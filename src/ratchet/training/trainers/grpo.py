"""GRPO from a recipe: TRL's trainer with the task's rewards."""

from typing import Any

from accelerate import PartialState

from ratchet.checkpoints.resume import LATEST
from ratchet.recipe import Recipe
from ratchet.rewards.trl_adapter import Grader, reward_functions
from ratchet.training.arguments import make_arguments, model_settings, trainer_extras
from ratchet.training.reward_workers import reward_pool
from ratchet.training.run import Run, run
from ratchet.training.vllm_server import Server, wait_until_ready


def train(recipe: Recipe, resume: str = LATEST, anyway: bool = False) -> dict[str, Any]:
    """Run the recipe; see ``training.run``."""
    return run(recipe, make_arguments, build, resume, anyway)


def build(prepared: Run) -> Any:
    """The trainer of a run."""
    from ratchet.training.callbacks.curriculum import Stages
    from ratchet.training.trainers.mixins import RecipeGRPOTrainer

    recipe, arguments = prepared.recipe, prepared.arguments
    if recipe.asynchronous is not None:
        from ratchet.training.trainers.async_grpo import build as build_asynchronous

        return build_asynchronous(prepared, model_settings(prepared), trainer_extras(prepared))
    arguments.model_init_kwargs = model_settings(prepared)
    arguments.reward_weights = [term.weight for term in recipe.rewards]
    workers, served = reward_pool(recipe), recipe.served
    if served and PartialState().is_main_process:
        wait_until_ready(recipe)
    grader = Grader(recipe.task, recipe.rewards, recipe.completion_limit, scorer=workers)
    trainer = RecipeGRPOTrainer(
        model=prepared.model_path,
        args=arguments,
        reward_funcs=reward_functions(grader),
        train_dataset=prepared.data.train,
        eval_dataset=prepared.data.train.select(range(1)) if recipe.get("eval_strategy") != "no" else None,
        processing_class=prepared.tokenizer,
        **trainer_extras(prepared),
    )
    if served:
        trainer.server = Server(trainer, recipe)
    listeners = [prepared.alarms.saw]
    if recipe.curriculum is not None:
        trainer.stages = Stages(recipe.curriculum, trainer.accelerator)
        trainer.add_callback(trainer.stages)
        listeners.append(trainer.stages.saw)
    trainer.grader, trainer.judges, trainer.listeners = grader, workers, listeners
    grader.listeners = listeners
    return trainer
