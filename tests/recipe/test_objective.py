"""The recipe's ``objective``: TRL's arguments that follow from it, and what contradicts it."""

import pytest
import yaml

from ratchet.errors import UserError
from ratchet.objectives import OBJECTIVES
from ratchet.recipe import load_recipe
from ratchet.recipe.objective import described

BASE = {
    **{"trainer": "grpo", "task": "aquarat", "data": {"source": "generated"}, "model_name_or_path": "ratchet-tiny"},
    **{"rewards": {"correctness": {"weight": 1.0}}, "num_generations": 4, "per_device_train_batch_size": 4},
}


@pytest.fixture
def recipe(tmp_path):
    """Loads a recipe of these keys."""

    def load(overrides=(), below=None, **keys):
        path = tmp_path / "mine.yaml"
        if below is not None:
            (tmp_path / "below.yaml").write_text(yaml.safe_dump({**BASE, **below}))
            path.write_text(yaml.safe_dump({"extends": "below.yaml", **keys}))
        else:
            path.write_text(yaml.safe_dump({**BASE, **keys}))
        return load_recipe(path, overrides, environ={})

    return load


@pytest.mark.parametrize("name", OBJECTIVES)
def test_its_arguments_are_those_of_the_run_and_of_the_recipe_that_is_saved(recipe, tmp_path, name):
    found = recipe(objective=name)
    wanted = OBJECTIVES[name]().arguments()
    assert {key: found.get(key) for key in wanted} == wanted
    (tmp_path / "saved.yaml").write_text(found.as_yaml())
    again = load_recipe(tmp_path / "saved.yaml", environ={})
    assert again.objective == found.objective and again.values == found.values


def test_parameters_stand_beside_the_name(recipe):
    found = recipe(objective={"name": "cispo", "cap": 3})
    assert found.get("epsilon_high") == 3 and described(found.objective).startswith(
        "cispo with cap 3 (loss_type cispo"
    )


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"objective": "clip"}, "what other systems call so is grpo"),
        ({"objective": "ratio"}, "aipo"),
        ({"objective": "gpso"}, "did you mean gspo?"),
        ({"objective": {"cap": 3}}, "there is no name"),
        ({"objective": {"name": "cispo", "epsilon": 0.2}}, "unknown key objective.epsilon"),
        ({"objective": {"name": "cispo", "cap": -1}}, "objective.cap must be greater than 0"),
        ({"objective": "opo", "loss_type": "grpo"}, "the best one for a sum over tokens, and not for a mean"),
        ({"objective": "dr_grpo", "scale_rewards": "group"}, "contradicts objective: dr_grpo"),
        ({"objective": "opo", "num_iterations": 2}, "num_iterations must be 1"),
        ({"objective": "rloo", "steps_per_generation": 4}, "steps_per_generation not above"),
        ({"objective": "opo", "beta": 0.1}, "beta must be 0, it is 0.1"),
        ({"objective": "max_rl", "multi_objective_aggregation": "normalize_then_sum"}, "from the sum of the rewards"),
        ({"objective": "gspo", "trainer": "sft", "rewards": None}, "objective is for trainer: grpo"),
    ],
)
def test_what_contradicts_it_is_refused_with_the_reason(recipe, keys, said):
    with pytest.raises(UserError, match=said):
        recipe(**keys)


def test_what_says_the_same_does_not_contradict(recipe):
    assert recipe(objective="dr_grpo", scale_rewards=False, loss_type="dr_grpo").get("scale_rewards") == "none"


def test_it_comes_before_what_the_recipe_extends_and_what_the_command_line_says_comes_before_both(recipe):
    assert recipe(below={"loss_type": "dapo"}, objective="dr_grpo").get("loss_type") == "dr_grpo"
    assert recipe([("objective", "dr_grpo")], loss_type="dapo").get("loss_type") == "dr_grpo"
    with pytest.raises(UserError, match="loss_type: dapo contradicts objective: dr_grpo"):
        recipe(below={"objective": "dr_grpo"}, loss_type="dapo")
    with pytest.raises(UserError, match="--loss_type: loss_type: dapo contradicts"):
        recipe([("loss_type", "dapo")], objective="dr_grpo")
