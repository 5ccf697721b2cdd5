"""Seconds are charged to one phase at a time."""

import time

from ratchet.diagnostics.clock import Clock


def test_a_phase_inside_another_is_counted_once():
    clock, start = Clock(), time.perf_counter()
    with clock.phase("outer"):
        time.sleep(0.02)
        with clock.phase("inner"):
            time.sleep(0.05)
    found, whole = clock.take(), time.perf_counter() - start
    assert found["inner"] >= 0.05 and found["outer"] >= 0.02
    assert found["inner"] + found["outer"] <= whole
    assert clock.take() == {}


def test_a_phase_that_an_exception_left_open_is_closed_with_the_one_around_it():
    clock = Clock()
    clock.begin("training")
    clock.begin("rollout")
    clock.end("training")
    clock.take()
    time.sleep(0.01)
    assert clock.take() == {}
