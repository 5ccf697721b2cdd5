"""Supervised fine-tuning from a recipe: TRL's trainer on the task's targets, with the loss on the completion only."""

from typing import Any

from datasets import Dataset

from ratchet.checkpoints.resume import LATEST
from ratchet.errors import UserError
from ratchet.models import PlainText
from ratchet.recipe import Recipe
from ratchet.training.arguments import make_arguments, model_settings, trainer_extras
from ratchet.training.reward_workers import reward_pool
from ratchet.training.run import Run, run


def train(recipe: Recipe, resume: str = LATEST, anyway: bool = False) -> dict[str, Any]:
    """Run the recipe; see ``training.run``."""
    return run(recipe, make_arguments, build, resume, anyway)


def build(prepared: Run) -> Any:
    """The trainer of a run."""
    from ratchet.training.trainers.mixins import RecipeSFTTrainer

    recipe, arguments = prepared.recipe, prepared.arguments
    arguments.model_init_kwargs = model_settings(prepared)
    arguments.chat_template_path = None  # already on the tokenizer
    trainer = RecipeSFTTrainer(
        model=prepared.model_path,
        args=arguments,
        train_dataset=prepared.data.train,
        eval_dataset=_held_out(recipe, PlainText(prepared.tokenizer)),
        processing_class=prepared.tokenizer,
        **trainer_extras(prepared),
    )
    trainer.judges = reward_pool(recipe)  # for evaluations
    _check_targets(trainer.train_dataset)
    return trainer


def _held_out(recipe: Recipe, plain: PlainText) -> Dataset | None:
    """Targets of the evaluated rows, for the held-out loss, where the recipe evaluates during training."""
    if recipe.get("eval_strategy") == "no":
        return None
    from ratchet.evaluation.evaluate import rows_to_evaluate

    task = recipe.task
    rows = rows_to_evaluate(task, recipe.evaluation)
    return Dataset.from_list(
        [
            {
                "prompt": plain(task.messages(row)),
                "completion": plain([{"role": "assistant", "content": task.target(row)}]),
            }
            for row in rows
        ]
    )


def _check_targets(dataset: Any) -> None:
    """A mask that leaves nothing to learn would train on nothing, without a word."""
    for row in dataset.select(range(min(20, len(dataset)))):
        mask = row.get("completion_mask") or row.get("assistant_masks") or row.get("labels")
        if mask is not None and not any(token not in (0, -100) for token in mask):
            raise UserError(
                "the chat template leaves no token of the target to learn from (the completion mask is empty); give another chat_template_path"
            )
