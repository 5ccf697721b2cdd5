"""What a block keeps: each term moves the sum as its comment says."""

import pytest

from ratchet.plan.activations import block, generation, head
from ratchet.plan.job import Adapter
from ratchet.plan.shape import Shape


def test_a_block_of_float32_keeps_what_its_terms_say(job):
    one = job(precision={"weight_bytes": 4})
    shape = one.shape
    h, q, k, i = shape.hidden, shape.query, shape.key, shape.intermediate
    norms = 2 * (3 * h + 1)
    heads = 2 * (q + k) + shape.heads + shape.kv_heads
    assert block(one, 300) == norms + 4 * q + shape.heads + heads + 300 + 4 * i


def test_packed_rows_keep_no_mask(job):
    assert block(job(), 300) - block(job(batch={"packing": True}), 300) == 300


def test_norms_without_weights_keep_less(job):
    plain = Shape("n", "nanochat", 2, 64, 160, 4, 2, 16, 500, False)
    assert block(job(shape=plain), 10) < block(job(), 10)


def test_frozen_matrices_need_no_input(job):
    assert block(job(adapter=Adapter(4, ("q_proj",))), 10) < block(job(), 10)


def test_dropout_keeps_a_mask_and_a_copy(job):
    plain, dropping = (job(adapter=Adapter(4, ("q_proj",), dropout=dropout)) for dropout in (False, True))
    assert block(dropping, 10) > block(plain, 10)


def test_the_head_works_on_tiles(job):
    many, more = (head(job(batch={"sequences": size}), 300, backward=False) for size in (64, 128))
    assert many == more  # both are more than one tile


def test_frozen_heads_need_no_gradient(job):
    embedding = job().shape.embedding * 4
    assert head(job(), 300) - head(job(adapter=Adapter(4, ("q_proj",))), 300) == embedding


@pytest.mark.parametrize("sequences", [1, 8])
def test_keys_and_values_grow_with_the_sequences(job, sequences):
    cache = generation(job(), sequences, 200)["KV cache"]
    assert cache == sequences * generation(job(), 1, 200)["KV cache"]
