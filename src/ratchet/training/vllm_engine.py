"""The engine that samples inside the training process (``vllm_mode: colocate``): of the recipe's type, and checked.

TRL names no type, and vLLM takes bfloat16 for a float32 model: no tensor would be equal after a synchronisation, and
no log-probability be the trainer's.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from accelerate.utils import is_peft_model
from transformers.integrations import is_deepspeed_zero3_enabled

from ratchet.recipe import Recipe
from ratchet.recipe.precision import compute_dtype


@contextmanager
def engine_as_the_recipe_says(recipe: Recipe) -> Iterator[None]:
    """What TRL makes of vLLM inside computes in the type that training computes in."""
    if not recipe.colocated:
        yield
        return
    from trl.generation import vllm_generation

    make = vllm_generation.LLM
    settings: dict[str, Any] = {"dtype": compute_dtype(recipe), "use_tqdm_on_load": sys.stderr.isatty()}
    if recipe.get("use_cpu"):
        settings["enforce_eager"] = True  # compiling takes longer than what it would save

    def of_the_recipe(*args: Any, **given: Any) -> Any:
        return make(*args, **{**settings, **given})

    vllm_generation.LLM = of_the_recipe
    try:
        yield
    finally:
        vllm_generation.LLM = make


FIGURE = "weights/sampler_apart"
SMALLEST = 1e-30
PART = 2**24
"""Elements that are added up at a time."""
EVERY = 50
"""Generations between two comparisons, after the first."""


class WeightsOfTheEngine:
    """Compares the engine's weights with the trainer's, after some of the synchronisations.

    One number each, the sum of all absolute values, is the same where every tensor is, however the engine fuses them.
    Weights that are sharded, or merged with an adapter for the synchronisation alone, are not compared.
    """

    def __init__(self, trainer: Any, dtype: str):
        self.trainer, self.dtype = trainer, getattr(torch, dtype, None)  # "auto" is known to the engine alone
        self._generations = 0

    def apart(self) -> float | None:
        """Their relative difference, at the first and every ``EVERY``-th call; None where it is not looked at."""
        due = self._generations % EVERY == 0
        self._generations += 1
        if not due or self.dtype is None or not self._are_whole():
            return None
        of_this_type = partial(size_of_weights, dtype=self.dtype)
        ours = of_this_type(self.trainer.accelerator.unwrap_model(self.trainer.model))
        (theirs,) = self.trainer.vllm_generation.llm.apply_model(of_this_type)
        return abs(ours - theirs) / max(ours, SMALLEST)

    def _are_whole(self) -> bool:
        trainer = self.trainer
        sharded = trainer.is_fsdp_enabled or (trainer.is_deepspeed_enabled and is_deepspeed_zero3_enabled())
        split = trainer.args.vllm_tensor_parallel_size > 1
        return not (sharded or split or is_peft_model(trainer.model))


def size_of_weights(model: torch.nn.Module, dtype: torch.dtype) -> float:
    """The sum of the absolute values of all weights in a type, shared ones once; in parts, to need little memory."""
    parts = (part for weight in model.parameters() for part in weight.detach().flatten().split(PART))
    return float(sum(part.to(dtype).double().abs().sum() for part in parts))
