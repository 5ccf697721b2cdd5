"""Sizes read from a configuration, and what is refused."""

import pytest

from ratchet.errors import UserError
from ratchet.plan.shape import KNOWN, Shape, from_config, known

FIELDS = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 500,
}


def test_missing_fields_have_transformers_defaults():
    shape = from_config(FIELDS, "m", "m")
    assert (shape.kv_heads, shape.head, shape.tied) == (4, 16, False)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "mamba"}, "plan knows the memory of llama"),
        ({"model_type": None}, "no model_type"),
        ({"hidden_size": "wide"}, "invalid literal"),
    ],
)
def test_what_is_not_known_is_said(change, said):
    with pytest.raises(UserError, match=said):
        from_config({**FIELDS, **change}, "m", "m")


def test_a_missing_number_is_named():
    with pytest.raises(UserError, match="vocab_size is missing"):
        from_config({key: value for key, value in FIELDS.items() if key != "vocab_size"}, "m", "m")


def test_a_tied_head_counts_once():
    tied, untied = (from_config({**FIELDS, "tie_word_embeddings": tie}, "m", "m") for tie in (True, False))
    assert untied.parameters - tied.parameters == untied.embedding


def test_every_known_model_is_of_a_known_family():
    assert all(Shape(name, *sizes).parameters > 10**8 for name, sizes in KNOWN.items())


def test_an_unknown_name_is_answered_with_those_that_are_known():
    with pytest.raises(UserError, match="--shape_of: nothing is no folder.*Qwen/Qwen3-0.6B"):
        known("nothing")


def test_loras_two_matrices_are_counted_for_each_target():
    shape = from_config(FIELDS, "m", "m")
    assert shape.lora(8, "o_proj") == shape.layers * 8 * (64 + 64)
    assert shape.lora(8, None) == shape.lora(8, ["q_proj", "v_proj"])  # peft's default
