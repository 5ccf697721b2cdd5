"""Rewards built from a task's grade, by name.

``functions.py`` defines them, ``registry.py`` weighs them, ``trl_adapter.py`` hands them to TRL. A recipe lists
rewards by name, each with a weight and its own parameters:

    rewards:
      correctness: {weight: 1.0}
      overlong: {weight: 0.2, cache: 64}

Goals say what is wanted; shaping terms only help to get there. ``check_weights`` refuses a recipe in which all shaping
terms together could make a wrong answer worth as much as a right one.
"""

from ratchet.rewards.functions import Reward, Sample, reward
from ratchet.rewards.registry import REWARDS, RewardTerm, check_weights, rewards_of, total
from ratchet.rewards.rehearsal import check_messages, raised, validate_task

__all__ = [
    "REWARDS",
    "Reward",
    "RewardTerm",
    "Sample",
    "check_messages",
    "check_weights",
    "raised",
    "reward",
    "rewards_of",
    "total",
    "validate_task",
]
