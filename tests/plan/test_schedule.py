"""Who waits for whom, simulated."""

from itertools import pairwise

import pytest

from ratchet.plan import schedule as simulated
from ratchet.plan.devices import device
from ratchet.plan.schedule import GPUS, Links, Speeds, drawn_lengths, schedule

H100, EQUAL = device("h100"), [200]
TAIL = [100] * 9 + [1100]  # the same mean


@pytest.fixture
def steps(job):
    def make(lengths, links=None):
        found = schedule(job(), H100, 100, lengths, Speeds(), links or Links())
        return {(step.placement, step.gpus): step for step in found}

    return make


def test_every_placement_is_there_on_every_number_of_gpus(steps):
    found = steps(EQUAL)
    assert {gpus for _, gpus in found} == set(GPUS) and len(found) == 3 * len(GPUS) - 2


def test_among_equals_only_new_weights_are_waited_for(steps):
    found = steps(EQUAL)["colocated", 1]
    assert found.idle == pytest.approx(found.broadcast / found.seconds)


def test_the_more_gpus_the_longer_they_wait_for_the_longest_completion(steps):
    found, equals = steps(TAIL), steps(EQUAL)
    shares = [found["colocated", gpus].idle for gpus in GPUS]
    assert shares[-1] > 0.1 > shares[0] and all(two >= one - 0.02 for one, two in pairwise(shares))
    assert shares[-1] > 5 * equals["colocated", 1024].idle


def test_where_nobody_waits_a_tail_costs_nothing(steps):
    equal, tail = (steps(lengths)["asynchronous", 64] for lengths in (EQUAL, TAIL))
    assert tail.seconds == pytest.approx(equal.seconds)


def test_rollouts_that_go_on_while_others_train_are_faster_than_turns(steps):
    found = steps(TAIL)
    assert all(found["asynchronous", gpus].seconds < found["split", gpus].seconds for gpus in GPUS[1:])


def test_a_slow_link_between_sites_is_what_new_weights_take(steps, job):
    near, far = steps(EQUAL), steps(EQUAL, Links(sites=0.5))
    weights = job().shape.parameters * 2
    assert far["split", 16].broadcast == pytest.approx(weights / 0.5e9) and near["split", 16].broadcast < weights / 1e9
    assert far["colocated", 16] == near["colocated", 16]  # which is at one site


def test_a_sequence_that_ends_makes_room_for_the_next(monkeypatch):
    seconds = [0.0, 1.0, 10.0]  # of a token, for none, one and two sequences
    assert simulated._decoding([3, 5], seconds) == 3 * 10 + 2 * 1
    monkeypatch.setattr(simulated, "RUNNING", 2)
    assert simulated._decoding([3, 5, 4], seconds) == 3 * 10 + 2 * 10 + 2 * 1


def test_lengths_are_those_that_were_measured():
    found = drawn_lengths(999, 512, [(10.0, 20.0, 1), (100.0, 110.0, 3)])
    assert all(10 <= one <= 20 or 100 <= one <= 110 for one in found)
    assert sum(one > 50 for one in found) / len(found) == pytest.approx(0.75, abs=0.03)


def test_assumed_lengths_have_the_mean_and_the_limit_that_were_given():
    found = drawn_lengths(200, 4000, [])
    assert sum(found) / len(found) == pytest.approx(200, rel=0.02)
    assert max(drawn_lengths(200, 300, [])) == 300
