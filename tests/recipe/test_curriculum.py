"""What a curriculum may say."""

from pathlib import Path

import pytest

from ratchet.errors import UserError
from ratchet.recipe import load_recipe

DEBUG = Path(__file__).resolve().parents[2] / "recipes/debug/grpo.yaml"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"curriculum.window": "8"}, "curriculum does nothing"),
        ({"curriculum.stages": "{easy: 0.5}"}, "at least two stages"),
        ({"curriculum.stages": "{easy: 0.5, hard: 2}"}, "an accuracy between 0 and 1"),
        ({"curriculum.resample": "-1"}, "must not be negative"),
        ({"curriculum.rest_solved": "1.5"}, "rest_solved"),
        ({"curriculum.temperature_to": "0"}, "must be greater than 0"),
        ({"curriculum.resample": "1", "curriculum.temperature_steps": "5"}, "belong to temperature_to"),
        ({"curriculum.temperature_to": "0.5", "curriculum.temperature_shape": "step"}, "temperature_shape"),
        ({"curriculum.resample": "1", "scale_rewards": "batch"}, "divide by the spread of one round"),
        ({"curriculum.resample": "1", "multi_objective_aggregation": "normalize_then_sum"}, "divide by the spread"),
    ],
)
def test_what_cannot_be_meant_is_refused(given, said):
    with pytest.raises(UserError, match=said):
        load_recipe(DEBUG, [*given.items()], environ={})


def test_groups_that_lie_across_processes_cannot_be_sampled_again():
    given = [("per_device_train_batch_size", "4"), ("num_generations", "8"), ("curriculum.resample", "1")]
    with pytest.raises(UserError, match="has 4 completions on each of 2 processes, and a group 8"):
        load_recipe(DEBUG, given, environ={"WORLD_SIZE": "2"})


def test_each_part_can_be_had_alone():
    for key, value in (("rest_solved", "2"), ("rest_hopeless", "2"), ("resample", "1"), ("temperature_to", "0.5")):
        assert load_recipe(DEBUG, [(f"curriculum.{key}", value)], environ={}).curriculum is not None
