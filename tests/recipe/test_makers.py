"""What is named before it is there: the recipe that makes it."""

import json

import pytest

from ratchet.errors import UserError
from ratchet.recipe import load_recipe
from ratchet.recipe.makers import check_model_is_made, how_to_make


@pytest.fixture
def recipes(tmp_path, monkeypatch):
    """Two recipes, of which the second begins from the first one's output."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    for name, model, output in (
        ("first", "ratchet-tiny", "outputs/first"),
        ("second", "outputs/first", "outputs/second"),
    ):
        text = {"trainer": "sft", "task": "aquarat", "model_name_or_path": model, "output_dir": output}
        (tmp_path / f"recipes/{name}.yaml").write_text(json.dumps({**text, "use_cpu": True, "bf16": False}))
    (tmp_path / "recipes/broken.yaml").write_text("trainer: nothing")
    return lambda name: load_recipe(tmp_path / f"recipes/{name}.yaml", environ={}, to_train=False)


def test_a_recipe_that_begins_from_another_ones_output_says_what_to_run_first(recipes):
    with pytest.raises(
        UserError, match="there is no folder outputs/first. recipes/first.yaml makes it: ratchet sft recipes"
    ):
        check_model_is_made(recipes("second"))
    check_model_is_made(recipes("first"))


def test_a_run_that_is_not_there_yet_is_said_with_what_makes_it(recipes):
    assert how_to_make("outputs/second/") == ". recipes/second.yaml makes it: ratchet sft recipes/second.yaml"
    assert how_to_make("outputs/third") == ""


@pytest.mark.parametrize("verb", ["watch", "report", "chat", "push"])
def test_every_verb_that_takes_a_run_says_it(recipes, script, verb):
    assert "recipes/second.yaml makes it: ratchet sft" in script("ratchet", verb, "outputs/second", code=2).stderr
