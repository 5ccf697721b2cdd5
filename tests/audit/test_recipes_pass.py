"""Every recipe passes its own audit."""

import pytest
from small_audit import ROOT

from ratchet.audit.gate import audit_recipe
from ratchet.recipe import load_recipe
from ratchet.tasks import load_split

RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: str(p.relative_to(ROOT / "recipes")))
def test_every_recipe_passes_on_its_own_rows(path, aqua_folder, dakota_folder):
    plain = load_recipe(path, environ={"WORLD_SIZE": "8"})
    overrides = []
    if getattr(plain.task, "source", "generated") != "generated":
        if plain.task.name == "dataset":
            pytest.skip("the rows are on the Hub; tests/end_to_end/test_own_rows.py audits rows of their shape")
        overrides = [("data.source", str(dakota_folder if plain.task.name == "dakota" else aqua_folder))]
        overrides += [("data.train_split", "validation")] if plain.task.name == "aquarat" else []
    recipe = load_recipe(path, overrides, environ={"WORLD_SIZE": "8"})
    report = audit_recipe(recipe, load_split(recipe.task).rows[:300])
    assert report.failed == [], report.verdict()
