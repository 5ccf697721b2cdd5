"""A method's module in this folder, and the trainer that it builds.

Such a module has ``build(run, services)``, which returns the trainer, and ``adapt(recipe, values)``, which returns the
values that TRL's configuration class is made from. A new method is one such module, and one ``Method`` in
``recipe/method``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol, cast

from ratchet.recipe import Method, Recipe

if TYPE_CHECKING:
    from ratchet.training.prepare import Run
    from ratchet.training.services import Services
    from ratchet.training.trainers.mixins import RecipeTrainer


class TrainerModule(Protocol):
    """What a method's module offers."""

    def adapt(self, recipe: Recipe, values: dict[str, Any]) -> dict[str, Any]:
        """The arguments of TRL's configuration class."""

    def build(self, run: Run, services: Services) -> RecipeTrainer:
        """The trainer of a run."""


def module_of(method: Method) -> TrainerModule:
    """The module that trains by a method."""
    return cast(TrainerModule, importlib.import_module(method.module))


def build_trainer(run: Run, services: Services) -> RecipeTrainer:
    """The trainer of a run, by its recipe's method."""
    return module_of(run.recipe.method).build(run, services)
