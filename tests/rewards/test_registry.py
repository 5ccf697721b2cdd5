"""Weights: shaping never pays for a wrong answer."""

import itertools
from pathlib import Path

import pytest

from ratchet.errors import UserError
from ratchet.recipe import load_recipe
from ratchet.rewards import REWARDS, RewardTerm, Sample, check_weights, total
from ratchet.tasks.base import Grade

ROOT = Path(__file__).resolve().parents[2]
GRPO_RECIPES = [
    p
    for p in sorted((ROOT / "recipes").rglob("*.yaml"))
    if load_recipe(p, environ={"WORLD_SIZE": "8"}).trainer == "grpo"
]


@pytest.mark.parametrize("path", GRPO_RECIPES, ids=lambda p: str(p.relative_to(ROOT)))
def test_in_every_recipe_the_best_wrong_answer_is_worth_less_than_the_worst_right_one(path):
    for one in load_recipe(path, environ={"WORLD_SIZE": "8"}).each_task().values():
        _check_rewards(one.rewards)


def _check_rewards(terms):
    texts = ["word", "word " * 200, ""]
    samples = {right: [] for right in (True, False)}
    for right, form, text, tokens in itertools.product((True, False), (0.0, 1.0), texts, (1, 10_000)):
        samples[right].append(
            Sample(text, {}, Grade(right, "C", {"format": form, "score": 1.0 if right else 0.5}), tokens, 100)
        )
    assert max(total(terms, s) for s in samples[False]) < min(total(terms, s) for s in samples[True])


def test_weights_under_which_shaping_could_win_are_refused_with_the_sum():
    with pytest.raises(UserError, match="shaping can move a reward by 1.2"):
        check_weights(
            [
                RewardTerm(REWARDS["correctness"]),
                RewardTerm(REWARDS["overlong"], 0.6),
                RewardTerm(REWARDS["repetition"], 0.6),
            ]
        )


def test_a_recipe_without_a_goal_is_refused():
    with pytest.raises(UserError, match="goal"):
        check_weights([RewardTerm(REWARDS["overlong"], 0.6)])


def test_a_partly_right_answer_counts_against_the_gain_of_a_right_one():
    terms = [
        RewardTerm(REWARDS["score"]),
        RewardTerm(REWARDS["overlong"], 0.3),
        RewardTerm(REWARDS["answer_format"], 0.3),
    ]
    with pytest.raises(UserError, match="worth 0.5 more than a wrong one, but shaping can move a reward by 0.6"):
        check_weights(terms)
