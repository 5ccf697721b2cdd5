"""Recipes: one YAML file is one run. Nothing else reads YAML, and nothing here imports torch."""

from ratchet.recipe.load import Recipe, load_recipe, recipe_from_values, schema, trl_fields
from ratchet.recipe.show import show

__all__ = ["Recipe", "load_recipe", "recipe_from_values", "schema", "show", "trl_fields"]
