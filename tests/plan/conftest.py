"""A small model and a job on it, so that a test names only what it changes."""

from dataclasses import replace

import pytest

from ratchet.plan.job import Batch, Job, Lengths, Precision, Rollout
from ratchet.plan.shape import Shape
from ratchet.plan.sharding import unsharded
from ratchet.recipe import METHODS

SMALL = Shape("small", "qwen3", 2, 64, 160, 4, 2, 16, 500, True)
JOB = Job(
    method=METHODS["grpo"],
    shape=SMALL,
    lengths=Lengths(prompt=100, completion=200, row=0, evaluated=200),
    sharding=unsharded(1),
    precision=Precision(2),
    adapter=None,
    batch=Batch(sequences=8, accumulated=False, checkpointing=False),
    rollout=Rollout(sequences=8),
    optim="adamw_torch",
)


@pytest.fixture
def job():
    """Makes a job with changes; those of ``batch`` and the other parts are given as dictionaries."""

    def make(**changes):
        parts = {
            name: replace(getattr(JOB, name), **value) if isinstance(value, dict) else value
            for name, value in changes.items()
        }
        return replace(JOB, **parts)

    return make
