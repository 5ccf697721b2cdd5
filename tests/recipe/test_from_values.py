"""A recipe without a file: findings blame what was typed."""

import pytest

from ratchet.errors import UserError
from ratchet.inference.policy import recipe_of
from ratchet.recipe import recipe_from_values

REWARDS = {"correctness": {"weight": 1.0}}
VALUES = {"trainer": "grpo", "task": "aquarat", "model_name_or_path": "ratchet-tiny", "rewards": REWARDS}


def made(*overrides, **values):
    return recipe_from_values({**VALUES, **values}, "--task aquarat", overrides, environ={}, to_train=False)


def test_values_are_checked_and_typed_as_those_of_a_file():
    recipe = made(("learning_rate", "1e-4"), seed=3, data={"source": "generated"})
    assert (recipe.trainer, recipe.get("learning_rate"), recipe.get("seed")) == ("grpo", 1e-4, 3)
    assert recipe.task.source == "generated" and str(recipe.output_dir) == "outputs/recipe"
    assert "source: generated" in recipe.as_yaml()


def test_the_environment_lies_below_the_values_and_the_command_line_above():
    environ = {"RATCHET_SEED": "1", "RATCHET_LEARNING_RATE": "1.0", "RATCHET_LORA_R": "4"}
    recipe = recipe_from_values({**VALUES, "seed": 2}, "here", [("learning_rate", "3.0")], environ, to_train=False)
    assert (recipe.get("seed"), recipe.get("learning_rate"), recipe.get("lora_r")) == (2, 3.0, 4)


def test_a_finding_blames_the_origin_or_the_option():
    with pytest.raises(UserError) as found:
        made(("data.sorce", "x"), lerning_rate=1)
    assert str(found.value).splitlines() == [
        "--task aquarat: 2 findings",
        "--task aquarat: unknown key lerning_rate; did you mean learning_rate?",
        "--data.sorce: unknown key data.sorce; did you mean data.source?",
    ]


def test_a_task_named_for_a_model_leaves_no_file_in_a_message():
    with pytest.raises(UserError) as found:
        recipe_of("ratchet-tiny", "aquarat", [("data.sorce", "x")])
    assert str(found.value).startswith("--task aquarat: 1 finding\n--data.sorce: unknown key data.sorce")
    with pytest.raises(UserError, match="^task: there is no task 'aquarrat'"):
        recipe_of("ratchet-tiny", "aquarrat")
