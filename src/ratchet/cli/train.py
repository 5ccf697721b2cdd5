"""The verbs that train; ``scripts/sft.py`` and ``scripts/grpo.py`` call them for accelerate."""

from ratchet.cli.options import Arguments
from ratchet.recipe import Recipe, load_recipe, show


def sft(arguments: Arguments) -> None:
    """Supervised fine-tuning on a task's targets."""
    recipe = _recipe(arguments, "sft")
    if recipe is None:
        return
    from ratchet.training.trainers.sft import train  # loads torch and trl: a wrong recipe is told before

    train(recipe, arguments["resume"], arguments["resume_anyway"])


def grpo(arguments: Arguments) -> None:
    """GRPO with a task's rewards."""
    recipe = _recipe(arguments, "grpo")
    if recipe is None:
        return
    from ratchet.training.trainers.grpo import train

    train(recipe, arguments["resume"], arguments["resume_anyway"])


def _recipe(arguments: Arguments, trainer: str) -> Recipe | None:
    """The checked recipe; None where it was only to be shown."""
    recipe = load_recipe(arguments["recipe"], arguments.overrides, trainer=trainer)
    if arguments["show_config"]:
        print(show(recipe))
        return None
    return recipe
