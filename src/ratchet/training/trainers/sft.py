"""Supervised fine-tuning from a recipe: TRL's trainer on the task's targets, with the loss on the completion only."""

from typing import Any

from datasets import Dataset
from trl import SFTTrainer

from ratchet.errors import UserError
from ratchet.evaluation.evaluate import rows_to_evaluate
from ratchet.models import PlainText
from ratchet.recipe import Recipe
from ratchet.training.arguments import model_settings, trainer_extras
from ratchet.training.prepare import Run
from ratchet.training.services import Services
from ratchet.training.trainers.mixins import RecipeTrainer


class RecipeSFTTrainer(RecipeTrainer, SFTTrainer):
    """Reports the loss on held-out targets and the accuracy of generated answers."""

    trl_evaluates = True


def adapt(recipe: Recipe, values: dict[str, Any]) -> dict[str, Any]:
    """The recipe's values are TRL's own."""
    return values


def build(run: Run, services: Services) -> RecipeSFTTrainer:
    """The trainer of a run."""
    arguments = run.arguments
    arguments.model_init_kwargs = model_settings(run)
    arguments.chat_template_path = None  # already on the tokenizer
    trainer = RecipeSFTTrainer(
        model=run.model_path,
        args=arguments,
        train_dataset=run.data.train,
        eval_dataset=_held_out(run.recipe, PlainText(run.tokenizer)),
        processing_class=run.tokenizer,
        services=services,
        **trainer_extras(run),
    )
    _check_targets(trainer.train_dataset)
    return trainer


def _held_out(recipe: Recipe, plain: PlainText) -> Dataset | None:
    """Targets of the evaluated rows, for the held-out loss, where the recipe evaluates during training."""
    if recipe.get("eval_strategy") == "no":
        return None
    rows = rows_to_evaluate(recipe.task, recipe.evaluation)
    return Dataset.from_list([recipe.method.row(recipe.task, row, plain) for row in rows])


def _check_targets(dataset: Dataset) -> None:
    """Refuse a mask that leaves nothing to learn, with which TRL would train on nothing without a word."""
    for row in dataset.select(range(min(20, len(dataset)))):
        mask = row.get("completion_mask") or row.get("assistant_masks") or row.get("labels")
        if mask is not None and not any(token not in (0, -100) for token in mask):
            raise UserError(
                "the chat template leaves no token of the target to learn from (the completion mask is empty); give "
                "another chat_template_path"
            )
