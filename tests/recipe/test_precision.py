"""Weights that would not move are refused, and what is kept in which type is said."""

import pytest

from ratchet.errors import UserError
from ratchet.recipe import load_recipe
from ratchet.recipe.precision import compute_dtype, described

ZERO = {"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_MIXED_PRECISION": "bf16"}
FSDP = {"ACCELERATE_USE_FSDP": "true", "ACCELERATE_MIXED_PRECISION": "bf16"}


def loaded(root, *overrides, environ=None, name="aquarat/sft.yaml", to_train=True):
    overrides = [("data.source", "owner/name"), ("per_device_train_batch_size", "1"), *overrides]
    return load_recipe(root / "recipes" / name, overrides, environ=environ or {}, to_train=to_train)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "auto"])
@pytest.mark.parametrize("environ", [{}, {"ACCELERATE_USE_FSDP": "true"}])
def test_sixteen_bit_weights_without_a_float32_copy_are_refused(root, dtype, environ):
    with pytest.raises(UserError, match="rounds most updates of full fine-tuning away"):
        loaded(root, ("dtype", dtype), environ=environ)


def test_the_type_may_also_stand_in_model_init_kwargs(root):
    with pytest.raises(UserError, match="rounds most updates"):
        loaded(root, ("model_init_kwargs", "{dtype: bfloat16}"))


@pytest.mark.parametrize("environ", [ZERO, FSDP])
def test_engines_that_keep_a_float32_copy_take_them(root, environ):
    assert "float32 copy" in described(loaded(root, ("dtype", "bfloat16"), environ=environ), environ)


def test_an_adapter_beside_sixteen_bit_weights_is_trained_in_float32(root):
    recipe = loaded(root, ("dtype", "bfloat16"), ("use_peft", "true"))
    assert "an adapter" in described(recipe, {})


def test_a_recipe_that_is_only_read_is_not_refused(root):
    assert loaded(root, ("dtype", "bfloat16"), to_train=False)


def test_float32_weights_are_computed_with_in_bfloat16_and_the_cost_is_said(root):
    recipe = loaded(root)
    assert compute_dtype(recipe) == "bfloat16"
    assert "float32 weights, computed with in bfloat16: 16 bytes a parameter" in described(recipe, {})
    assert compute_dtype(loaded(root, ("bf16", "false"))) == "float32"
