"""The verbs that train; the scripts of their names call them for accelerate."""

import signal

from ratchet.cli.verb import Arguments
from ratchet.launch.signals import STOPPING
from ratchet.recipe import load_recipe, show


def sft(arguments: Arguments) -> None:
    """Supervised fine-tuning on a task's targets."""
    _train(arguments, "sft")


def grpo(arguments: Arguments) -> None:
    """GRPO with a task's rewards."""
    _train(arguments, "grpo")


def distill(arguments: Arguments) -> None:
    """Distillation from a teacher that is told more, or is larger."""
    _train(arguments, "distill")


def _train(arguments: Arguments, script: str) -> None:
    recipe = load_recipe(arguments["recipe"], arguments.overrides, trainer=script)
    if arguments["show_config"]:
        print(show(recipe))
        return
    # What loads torch and trl comes after the recipe was checked: a wrong one is told at once.
    from ratchet.training.run import train

    train(recipe, arguments["resume"], arguments["resume_anyway"])
    for number in STOPPING:  # a finished run stays one, though its process takes a while to leave
        signal.signal(number, signal.SIG_IGN)
