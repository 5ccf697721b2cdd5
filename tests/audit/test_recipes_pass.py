"""Every recipe passes its own audit."""

import shutil

import pytest
from small_audit import ROOT

from ratchet.audit.gate import audits
from ratchet.recipe import load_recipe
from ratchet.tasks import load_split

RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: str(p.relative_to(ROOT / "recipes")))
def test_every_recipe_passes_on_its_own_rows(path, aqua_folder, dakota_folder):
    plain = load_recipe(path, environ={"WORLD_SIZE": "8"})
    tasks = [one.task for one in plain.each_task().values()]
    if any(task.name == "dataset" and ".py:" not in task.source for task in tasks):
        pytest.skip("the rows are on the Hub; tests/end_to_end/test_own_rows.py audits rows of their shape")
    if any(getattr(task, "grader", "") == "code" for task in tasks) and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    if not plain.task.graded:
        pytest.skip("nobody checks or rewards its answers")
    overrides = []
    if plain.task.name in ("aquarat", "dakota") and plain.task.source != "generated":
        overrides = [("data.source", str(dakota_folder if plain.task.name == "dakota" else aqua_folder))]
        overrides += [("data.train_split", "validation")] if plain.task.name == "aquarat" else []
    recipe = load_recipe(path, overrides, environ={"WORLD_SIZE": "8"})
    rows = load_split(recipe.task).rows
    for report in audits(recipe, rows[:: max(1, len(rows) // (30 if recipe.task.slow else 300))]):
        assert report.failed == [], report.verdict()
