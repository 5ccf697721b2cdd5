"""Changes that make a job fit."""

import pytest

from ratchet.plan.advice import fits, largest_batch, remedies
from ratchet.plan.job import Adapter
from ratchet.plan.memory import memory
from ratchet.plan.sharding import ddp, zero


def test_what_fits_leaves_room_for_a_larger_batch(job):
    one = job()
    assert largest_batch(one, memory(one).peak) >= one.batch.sequences


def test_nothing_fits_nowhere(job):
    assert largest_batch(job(), 1.0) == 0
    assert remedies(job(), 1.0) == []


def test_a_single_change_that_is_enough_stands_alone(job):
    enough = memory(job(batch={"sequences": 4, "accumulated": True})).peak
    assert any(text.startswith("per_device_train_batch_size: 4") for text in remedies(job(), enough))


def test_at_most_three_are_named(job):
    assert len(remedies(job(evaluated=64), memory(job()).peak)) <= 3


@pytest.mark.parametrize(
    ("changes", "word", "offered"),
    [
        ({"sharding": ddp(4)}, "zero3.yaml", True),
        ({"sharding": zero(3, 4)}, "zero3.yaml", False),
        ({"sharding": ddp(4), "adapter": Adapter(8, ("q_proj",)), "precision": {"quantised_bits": 4}}, "zero3", False),
        ({"adapter": Adapter(8, ("q_proj",))}, "load_in_4bit", True),
        ({"adapter": Adapter(8, ("q_proj",)), "sharding": zero(3, 4)}, "load_in_4bit", False),
        ({"cpu": True, "precision": {"weight_bytes": 4}}, "dtype", False),
    ],
)
def test_only_what_goes_together_is_offered(job, changes, word, offered):
    from ratchet.plan.advice import _changes

    assert any(word in name for name, _ in _changes(job(**changes))) == offered


def test_fits_compares_the_peak(job):
    peak = memory(job()).peak
    assert fits(job(), peak)
    assert not fits(job(), peak - 1)
