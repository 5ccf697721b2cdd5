"""The parts of a job, each by itself, and what is read off a recipe."""

import pytest

from ratchet.plan.job import Adapter, Lengths, Precision, Rollout, job_of
from ratchet.plan.placement import Placement
from ratchet.plan.shape import shape_of
from ratchet.plan.sharding import fsdp2, zero
from ratchet.recipe import load_recipe


@pytest.mark.parametrize(
    ("precision", "computed", "float32"),
    [(Precision(4), 4, 1), (Precision(2), 2, 2), (Precision(4, autocast=True), 2, 2)],
)
def test_autocast_computes_in_two_bytes(precision, computed, float32):
    assert (precision.computed_bytes, precision.float32_elements) == (computed, float32)


def test_adapters_are_trained_in_float32_unless_deepspeed_or_sharded_quantised_weights_forbid(job):
    adapter = Adapter(8, ("all-linear",))
    assert job(adapter=adapter).trained_bytes == 4
    assert job(adapter=adapter, sharding=zero(2, 2)).trained_bytes == 2
    assert job(adapter=adapter, precision={"quantised_bits": 4}).trained_bytes == 4
    assert job(sharding=fsdp2(2)).trained_bytes == 4
    assert job().trained_bytes == 2


def test_adapters_alone_have_gradients(job):
    small, shape = job(adapter=Adapter(8, ("q_proj",))), job().shape
    assert small.trainable == shape.layers * 8 * sum(shape.linear["q_proj"])
    assert job().trainable == shape.parameters


def test_all_linear_names_every_matrix(job):
    shape = job().shape
    assert Adapter(1, ("all-linear",)).adapted(shape) == shape.linear
    assert list(Adapter(1, ("o_proj",)).adapted(shape)) == ["o_proj"]


def test_a_server_takes_its_share_of_other_gpus():
    assert Rollout(8, share=0.9).served
    assert not Rollout(8, colocated=True, share=0.3).served
    assert not Rollout(8).by_vllm


def _read(root, *overrides, kind="one", precision="no"):
    recipe = load_recipe(root / "recipes/aquarat.yaml", overrides, environ={"WORLD_SIZE": "1"}, to_train=False)
    placement = Placement("f", kind, 1, 1, precision, stage=2 if kind == "zero" else 0)
    return job_of(recipe, shape_of(recipe), placement, Lengths(1, 1, 0, 1))


def test_a_reference_model_and_a_copy_of_the_initial_one_exclude_each_other(root):
    with_reference = _read(root, ("beta", "0.1"))
    assert (with_reference.reference, with_reference.initial_copy) == (True, False)
    assert _read(root, ("beta", "0.0")).reference is False


def test_deepspeeds_bf16_casts_the_whole_model(root):
    assert _read(root, ("dtype", "float32")).precision.weight_bytes == 4
    assert _read(root, ("dtype", "float32"), kind="zero", precision="bf16").precision.weight_bytes == 2
