"""What each kind of sharding splits, and what of it stands in memory."""

import pytest

from ratchet.plan.placement import Placement
from ratchet.plan.sharding import ddp, fsdp2, sharding_of, unsharded, zero

# weights, gradients, optimiser: over how many of 8 processes
SPLIT = [
    (unsharded(1), (1, 1, 1)),
    (ddp(8), (1, 1, 1)),
    (zero(1, 8), (1, 1, 8)),
    (zero(2, 8), (1, 8, 8)),
    (zero(3, 8), (8, 8, 8)),
    (fsdp2(8), (8, 8, 8)),
    (fsdp2(8, reshards=False), (1, 1, 1)),
]


@pytest.mark.parametrize(("sharding", "over"), SPLIT)
def test_each_stage_splits_what_it_should(sharding, over):
    assert (sharding.weights_over, sharding.gradients_over, sharding.optimizer_over) == over


@pytest.mark.parametrize(
    ("placement", "sharding"),
    [
        (Placement("f", "one", 1, 1, "no"), unsharded(1)),
        (Placement("f", "ddp", 4, 1, "no"), ddp(4)),
        (Placement("f", "zero", 4, 1, "bf16", stage=2), zero(2, 4)),
        (Placement("f", "zero", 4, 1, "bf16", stage=3, offload_optimizer=True), zero(3, 4, offload_optimizer=True)),
        (Placement("f", "fsdp", 4, 1, "bf16", stage=3), fsdp2(4)),
        (Placement("f", "fsdp", 4, 1, "bf16", stage=2), fsdp2(4, reshards=False)),
    ],
)
def test_an_accelerate_file_becomes_its_sharding(placement, sharding):
    assert sharding_of(placement) == sharding


def test_only_deepspeed_keeps_a_master_copy_and_16_bit_adapters():
    assert zero(1, 2).master_copy
    assert not zero(1, 2).adapters_in_float32
    assert not fsdp2(2).master_copy
    assert ddp(2).adapters_in_float32


def test_an_offloaded_optimiser_needs_no_float32_gradients_on_the_gpu():
    assert zero(2, 2).step_gradient_bytes > 0
    assert zero(2, 2, offload_optimizer=True).step_gradient_bytes == 0
