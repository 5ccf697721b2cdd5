"""In which type weights are kept and computed with, and whether small updates reach them.

A bfloat16 number has 8 bits of precision: an update below about 0.4 % of a weight is rounded away, and the learning
rates of fine-tuning are far below that. Weights that are trained have to be kept in float32 by somebody: the weights
themselves (with bfloat16 autocast), DeepSpeed's master copy, FSDP2's sharded parameters, or a float32 adapter.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ratchet.recipe.recipe import Recipe

SHORT = ("bfloat16", "float16", "auto")
"""Types of weights that round small updates away; what "auto" takes from a model's file is nearly always one."""


def weights_dtype(recipe: "Recipe") -> str:
    """The type that the weights are loaded in; ``model_init_kwargs`` wins, as in TRL."""
    given = recipe.values.get("model_init_kwargs")
    own = given.get("dtype", given.get("torch_dtype")) if isinstance(given, Mapping) else None
    return str(own or recipe.get("dtype") or "float32").removeprefix("torch.")


def compute_dtype(recipe: "Recipe") -> str:
    """The type of matrix products: bfloat16 under autocast, whatever the weights are kept in."""
    weights = weights_dtype(recipe)
    if weights in SHORT or recipe.get("use_cpu"):
        return weights
    if recipe.values.get("fp16"):
        return "float16"
    return "bfloat16" if recipe.values.get("bf16", True) else weights


def trains_all(recipe: "Recipe") -> bool:
    """Whether the weights themselves are trained, and no adapter beside them."""
    return not recipe.get("use_peft")


def keeps_float32(environ: Mapping[str, str]) -> str:
    """The engine that keeps a float32 copy of 16-bit weights; "" where none does.

    Args:
        environ: as ``accelerate launch`` sets it.
    """
    if environ.get("ACCELERATE_USE_DEEPSPEED") == "true":
        return "DeepSpeed"
    if environ.get("ACCELERATE_USE_FSDP") == "true" and environ.get("ACCELERATE_MIXED_PRECISION", "no") != "no":
        return "FSDP2"
    return ""


def precision_conflicts(recipe: "Recipe", environ: Mapping[str, str]) -> Iterator[str]:
    """Weights that would not move."""
    dtype = weights_dtype(recipe)
    if dtype in SHORT and trains_all(recipe) and not keeps_float32(environ):
        yield (
            f"dtype: {dtype} rounds most updates of full fine-tuning away: nothing here keeps a float32 copy of the "
            "weights. Leave dtype out (float32 weights, computed with in bfloat16), or train with a ZeRO or FSDP2 "
            "configuration (accelerate_configs/zero2.yaml), or train an adapter (use_peft: true)"
        )


def described(recipe: "Recipe", environ: Mapping[str, Any]) -> str:
    """What a run or a plan says about it, in a line."""
    weights, computed = weights_dtype(recipe), compute_dtype(recipe)
    engine = keeps_float32(environ)
    if not trains_all(recipe):
        return f"{weights} weights that stay as they are, and an adapter beside them"
    if engine:
        return f"{computed} weights with a float32 copy that {engine} keeps and shards"
    text = f"{weights} weights" + (f", computed with in {computed}" if computed != weights else "")
    if weights != "float32" or recipe.get("use_cpu"):
        return text
    return f"{text}: 16 bytes a parameter with gradients and AdamW; ZeRO, FSDP2 or an adapter take less on each GPU"
