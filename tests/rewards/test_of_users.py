"""Rewards as users write them: what is none, or returns none, is a sentence before anything is trained."""

import math

import numpy
import pytest
import torch

from ratchet.errors import UserError
from ratchet.recipe import load_recipe
from ratchet.rewards import RewardTerm, reward, validate_task
from ratchet.rewards.scoring import ScoringRequest, score
from ratchet.tasks import Grade, Split, Task

TASK = """
import math
from ratchet.rewards import reward
from ratchet.tasks import Grade, Split, Task

{reward}

class Mine(Task):
    name = "mine"
    rewards = (mine,)
    def load(self, split): return Split([{{"id": "1"}}])
    def messages(self, row): return [{{"role": "user", "content": "?"}}]
    def target(self, row): return "a"
    def gold(self, row): return "a"
    def grade(self, completion, row): return Grade(completion == "a", completion or None)
"""


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("def mine(sample): return 1.0", "mine is no reward; put @reward"),
        ("@reward(low=0.0, high=1.0)\nasync def mine(sample): return 1.0", "the reward mine is async"),
        ("@reward(low=0.0, high=1.0)\ndef mine(completions, **kwargs): return [1.0]", "signature of TRL's functions"),
        ("@reward(low=0.0, high=1.0)\ndef mine(): return 1.0", "signature of TRL's functions"),
    ],
    ids=["no decorator", "async", "TRL's", "no argument"],
)
def test_what_is_no_reward_is_said_with_how_it_is_written(tmp_path, written, says):
    (tmp_path / "mine.py").write_text(TASK.format(reward=written))
    (tmp_path / "a.yaml").write_text(
        "trainer: grpo\ntask: mine.py\nmodel_name_or_path: ratchet-tiny\nrewards: {correctness: {weight: 1.0}}\n"
    )
    with pytest.raises(UserError, match=says):
        load_recipe(tmp_path / "a.yaml", environ={})


class Echo(Task):
    name = "echo"

    def load(self, split):
        return Split([{"id": "1"}])

    def messages(self, row):
        return [{"role": "user", "content": "?"}]

    def target(self, row):
        return "a"

    gold = target

    def grade(self, completion, row):
        return Grade(completion == "a", completion or None)


def term(value) -> RewardTerm:
    @reward(low=0.0, high=1.0)
    def mine(sample):
        return value

    return RewardTerm(mine)


FAULTS = {
    "NaN": (math.nan, "finite number"),
    "text": ("1.0", "it must return a number, it returns str '1.0'"),
    "list": ([1.0], "it must return a number"),
    "none": (None, "it must return a number"),
    "large": (50.0, "it returns 50, outside its stated range 0 to 1"),
    "negative": (-0.5, "outside its stated range"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_value_is_found_before_training_and_in_it(fault):
    value, says = FAULTS[fault]
    task = Echo()
    with pytest.raises(UserError, match=says):
        validate_task(task, [term(value)], task.load("train").rows)
    assert says in score(task, [term(value)], ScoringRequest("a", {"id": "1"})).failure.error


@pytest.mark.parametrize("value", [1, True, 1.0 + 1e-9, numpy.float32(1), torch.tensor(1.0)])
def test_every_kind_of_number_is_a_value(value):
    task = Echo()
    validate_task(task, [term(value)], task.load("train").rows)
    assert score(task, [term(value)], ScoringRequest("a", {"id": "1"})).failure is None
