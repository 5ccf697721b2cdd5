"""Recipes: one YAML file is one run. Nothing else reads YAML, and nothing here imports torch."""

from ratchet.recipe.fields import schema
from ratchet.recipe.load import load_recipe
from ratchet.recipe.method import METHODS, Method
from ratchet.recipe.recipe import Recipe, trl_fields
from ratchet.recipe.show import show

__all__ = ["METHODS", "Method", "Recipe", "load_recipe", "schema", "show", "trl_fields"]
