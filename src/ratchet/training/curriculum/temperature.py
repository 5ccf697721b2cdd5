"""A sampling temperature that changes while a model is trained, for what samples and what scores."""

import math
from typing import Any

from ratchet.recipe.groups import Curriculum

HEAD = "temperature"
"""What TRL calls it in the forward pass that it gives a model (``trl.trainer.utils.add_fused_lm_head``)."""


def temperature_at(settings: Curriculum, begin: float, step: int, steps: int) -> float:
    """The temperature at an optimiser step.

    Args:
        begin: the recipe's ``temperature``.
        step: from 0.
        steps: of the whole run.

    >>> [temperature_at(Curriculum(temperature_to=0.5), 1.0, step, 4) for step in range(6)]
    [1.0, 0.875, 0.75, 0.625, 0.5, 0.5]
    """
    done = min(1.0, step / (settings.temperature_steps or steps))
    if settings.temperature_shape == "cosine":
        done = (1 - math.cos(math.pi * done)) / 2
    return begin + (settings.temperature_to - begin) * done


def scoring_temperature(model: Any) -> Any:
    """The variable (a cell) by which a model that TRL's ``GRPOTrainer`` was given divides logits where it scores.

    TRL binds it when the trainer is built, under whatever wraps the model's forward since then.

    Raises:
        AttributeError: where TRL has given it no such forward.
    """
    function = (model.get_base_model() if hasattr(model, "get_base_model") else model).forward
    while True:
        function = getattr(function, "__func__", function)
        names = function.__code__.co_freevars if hasattr(function, "__code__") else ()
        if HEAD in names:
            return function.__closure__[names.index(HEAD)]
        function = function.__wrapped__
