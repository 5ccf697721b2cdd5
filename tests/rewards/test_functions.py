"""What each reward pays."""

import itertools

import pytest

from ratchet.rewards import REWARDS, Sample
from ratchet.tasks.base import Grade


@pytest.mark.parametrize("reward", REWARDS.values(), ids=lambda r: r.name)
def test_values_stay_within_the_declared_range(reward):
    for right, form, text, tokens in itertools.product(
        (True, False), (0.0, 1.0), ("", "a b c", "x " * 500), (None, 0, 99, 5000)
    ):
        value = reward.function(Sample(text, {}, Grade(right, None, {"format": form, "score": 0.5}), tokens, 100))
        assert reward.low <= value <= reward.high
