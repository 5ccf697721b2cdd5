"""Recipes: one YAML file is one run. Nothing else reads YAML, and nothing here imports torch."""

from ratchet.recipe.load import Recipe, load_recipe, schema, trl_fields
from ratchet.recipe.show import show

__all__ = ["Recipe", "load_recipe", "schema", "show", "trl_fields"]
