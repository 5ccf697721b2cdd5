"""Operations and seconds, from the ideal to a range."""

import pytest

from ratchet.plan.devices import device
from ratchet.plan.job import Adapter
from ratchet.plan.work import RUNNING, Range, ideal_rollout, ideal_training
from ratchet.recipe import METHODS


def test_ranges_add_and_scale():
    assert Range(1, 2) + Range(3, 5) == Range(4, 7)
    assert Range(1, 2).times(3) == Range(3, 6)


def test_a_training_pass_costs_three_forward_passes_and_recomputing_one_more(job):
    def seconds(**changes):
        return ideal_training(job(method=METHODS["sft"], **changes), 300, 1, device("h100"))

    forward = seconds() / 3
    assert seconds(batch={"checkpointing": True}) == pytest.approx(4 * forward)
    assert seconds(adapter=Adapter(4, ("q_proj",))) == pytest.approx(2 * forward)  # frozen weights get no gradients


def test_scoring_by_the_reference_model_costs_a_pass(job):
    plain, scored = (ideal_training(job(reference=reference), 300, 1, device("h100")) for reference in (False, True))
    assert scored / plain == pytest.approx(4 / 3)


def test_decoding_goes_in_waves(job):
    one, two = (ideal_rollout(job(), 1, 200, RUNNING * waves, device("h100")) for waves in (1, 2))
    assert two == pytest.approx(2 * one)


def test_twice_the_bandwidth_halves_the_decoding_of_one_sequence(job):
    from dataclasses import replace

    slow = device("h100")
    fast = replace(slow, bandwidth=2 * slow.bandwidth)
    slow_seconds, fast_seconds = (ideal_rollout(job(), 0, 200, 1, one) for one in (slow, fast))
    assert slow_seconds == pytest.approx(2 * fast_seconds, rel=0.05)
