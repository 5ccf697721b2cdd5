"""Supervised fine-tuning from a recipe: TRL's trainer on the task's targets, with the loss on the completion only."""

from typing import Any

from datasets import Dataset

from ratchet.errors import UserError
from ratchet.evaluation.evaluate import rows_to_evaluate
from ratchet.models import ChatFormat
from ratchet.recipe import Recipe
from ratchet.runtime import main_process
from ratchet.training.arguments import model_settings, starting_model, trainer_extras
from ratchet.training.dataset import shaped
from ratchet.training.prepare import Run
from ratchet.training.services import Services
from ratchet.training.trainers.lean_sft import IGNORED, LeanSFTTrainer
from ratchet.training.trainers.mixins import RecipeTrainer

CHECKED = 20
"""Rows of which the labels are compared with the target."""


class RecipeSFTTrainer(RecipeTrainer, LeanSFTTrainer):
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
        model=starting_model(run),
        args=arguments,
        train_dataset=run.data.train,
        eval_dataset=_held_out(run.recipe, run.chat),
        processing_class=run.tokenizer,
        services=services,
        lean=run.recipe.lean_steps,
        **trainer_extras(run),
    )
    _check_learned(trainer, run)
    if trainer.args.packing and main_process():
        print(_packed(trainer, run), flush=True)
    return trainer


def _packed(trainer: RecipeSFTTrainer, run: Run) -> str:
    """Into how many rows TRL has packed the run's, and how many steps these are."""
    recipe, count = run.recipe, len(trainer.train_dataset)
    steps = recipe.batches.steps(count, recipe.get("num_train_epochs"), recipe.get("max_steps"))
    rows, length = len(run.data.train), trainer.args.max_length
    return f"  {'packed':<11} {rows} rows into {count} of {length} tokens: {steps} steps"


def _held_out(recipe: Recipe, chat: ChatFormat) -> Dataset | None:
    """Targets of the evaluated rows, for the held-out loss, where the recipe evaluates during training."""
    if recipe.get("eval_strategy") == "no":
        return None
    rows = rows_to_evaluate(recipe.task, recipe.evaluation)
    return Dataset.from_list([shaped(recipe, row, chat) for row in rows])


def _check_learned(trainer: RecipeSFTTrainer, run: Run) -> None:
    """Refuse what TRL made of the rows where it learns something else than their targets, or nothing."""
    exact = trainer.completion_only_loss and not trainer.args.packing
    kept = range(min(CHECKED, len(trainer.train_dataset)))
    for index, row in zip(kept, trainer.train_dataset.select(kept), strict=True):
        learned = [token for token, label in zip(row["input_ids"], row["labels"], strict=True) if label != IGNORED]
        if not learned:
            raise UserError(
                "the chat template leaves no token of the target to learn from (all labels are masked); give "
                "another chat_template_path"
            )
        if exact and learned != _target_ids(run, index)[: len(learned)]:
            raise UserError(
                f"training row {index} would learn {run.tokenizer.decode(learned)!r:.120}, which is not its target"
            )


def _target_ids(run: Run, index: int) -> list[int]:
    row = run.data.train[index]
    ids, start = run.chat.sequence(row["prompt"], row["completion"][0]["content"])
    return ids[start:]
