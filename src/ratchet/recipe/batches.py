"""Batches of one run: how many prompts and completions each optimiser step takes, and whether the numbers go together.

GRPO generates for several steps at once (TRL 1.16, ``GRPOConfig.__post_init__``): with P processes, per-device batch b
and s steps per generation (gradient_accumulation_steps unless given), one generation holds P * b * s completions,
which must be whole groups of ``num_generations``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

# The keys that these numbers are made of.
KEYS = frozenset(
    "per_device_train_batch_size per_device_eval_batch_size gradient_accumulation_steps generation_batch_size "
    "steps_per_generation num_generations "
    "num_generations_eval num_iterations eval_strategy".split()
)


@dataclass(frozen=True)
class Batches:
    """The derived sizes of a run."""

    processes: int
    completions_per_step: int
    """Per optimiser step; rows in SFT."""
    prompts_per_step: int
    generation_batch: int
    """Completions generated at a time; 0 in SFT."""
    prompts_per_generation: int
    num_generations: int
    passes: int
    """Optimiser steps' worth of use of each generation (``num_iterations``)."""

    def steps(self, rows: int, epochs: float, max_steps: int) -> int:
        """Optimiser steps of a run over ``rows`` training rows."""
        if max_steps > 0:
            return max_steps
        usable = rows - rows % self.prompts_per_generation if self.generation_batch else rows
        per_epoch = usable * self.num_generations * self.passes / self.completions_per_step
        return ceil(epochs * (ceil(per_epoch) if not self.generation_batch else per_epoch))


def of_rows(get: Callable[[str], Any], processes: int) -> Batches:
    """The sizes of a run that trains on rows as they are; ``get`` looks a recipe's key up."""
    per_step = get("per_device_train_batch_size") * processes * get("gradient_accumulation_steps")
    return Batches(processes, per_step, per_step, 0, 0, 1, 1)


def of_groups(get: Callable[[str], Any], processes: int) -> Batches:
    """The sizes of a run that samples ``num_generations`` completions of each prompt."""
    per_step = get("per_device_train_batch_size") * processes * get("gradient_accumulation_steps")
    micro = get("per_device_train_batch_size") * processes
    generation = get("generation_batch_size") or micro * (
        get("steps_per_generation") or get("gradient_accumulation_steps")
    )
    group = get("num_generations")
    return Batches(
        processes,
        per_step,
        max(1, per_step // group),
        generation,
        max(1, generation // group),
        group,
        get("num_iterations"),
    )


def group_problems(get: Callable[[str], Any], processes: int) -> list[str]:
    """Sentences about sizes of groups that do not go together, each with the nearest values that do."""
    found = []
    per_device, group = get("per_device_train_batch_size"), get("num_generations")
    micro = per_device * processes
    if get("generation_batch_size") and get("steps_per_generation"):
        return ["generation_batch_size and steps_per_generation say the same thing twice; give one of them"]
    generation = of_groups(get, processes).generation_batch
    if get("generation_batch_size") and generation % micro:
        found.append(
            f"generation_batch_size: {generation} is no multiple of {micro} ({per_device} per device x {processes} "
            f"processes); the nearest are {_near(generation, micro)}"
        )
    elif generation % group:
        steps = generation // micro
        sizes = [b for b in range(1, per_device + 4 * group) if (b * processes * steps) % group == 0]
        near = sorted(sorted(sizes, key=lambda b: abs(b - per_device))[:2])
        groups = [g for g in range(2, generation + 1) if generation % g == 0]
        near_groups = sorted(sorted(groups, key=lambda g: abs(g - group))[:2])
        found.append(
            f"{generation} completions per generation ({per_device} per device x {processes} processes x {steps} "
            "steps) are not whole groups of "
            f"num_generations: {group}; take per_device_train_batch_size: {_either(near)}"
            + (f", or num_generations: {_either(near_groups)}" if near_groups else "")
        )
    if get("eval_strategy") != "no":
        evaluated, group = get("per_device_eval_batch_size") * processes, get("num_generations_eval") or group
        if evaluated % group:
            sizes = [b for b in range(1, 8 * group + 1) if (b * processes) % group == 0]
            near = sorted(sorted(sizes, key=lambda b: abs(b - get("per_device_eval_batch_size")))[:2])
            found.append(
                f"per_device_eval_batch_size: {get('per_device_eval_batch_size')} x {processes} processes is no "
                f"multiple of num_generations {group}; take {_either(near)}"
            )
    return found


def too_few_rows(sizes: Batches, rows: int) -> str | None:
    """TRL trains zero steps, and says nothing, when the data is smaller than one generation."""
    needed = sizes.prompts_per_generation if sizes.generation_batch else 1
    if rows >= needed:
        return None
    return (
        f"{rows} training rows are fewer than the {needed} prompts of one generation ({sizes.generation_batch} "
        f"completions / {sizes.num_generations} per prompt): "
        "TRL would train no step at all. Use more rows, or a smaller per_device_train_batch_size, "
        "gradient_accumulation_steps or generation_batch_size"
    )


def _near(value: int, unit: int) -> str:
    return _either(sorted({max(unit, value // unit * unit), ceil(value / unit) * unit}))


def _either(values: list[int]) -> str:
    return " or ".join(map(str, values))
