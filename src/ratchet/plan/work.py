"""What a run does: steps, tokens, operations, and from them a range of time, energy and money.

Operations are those of matrix products: a token costs twice the parameters it is multiplied with in the forward pass,
twice that again in the backward pass (Kaplan et al., 2020, arXiv:2001.08361), and attention 4 x layers x query width x
half the length on top. A decoding step reads the weights and the keys and values of all sequences once. Between that
ideal and a machine stand the efficiencies below.
"""

from dataclasses import dataclass
from math import ceil

from ratchet.plan.devices import Device
from ratchet.plan.job import Job
from ratchet.plan.lengths import Tokens
from ratchet.recipe import Recipe

# Share of the ideal that is reached, from and to. Training: 11 to 27 % are published for models of 0.6B to 4B on an
# H100 (prime-rl's benchmarks, 2026-02), up to 46 % for tuned pretraining (nanochat). Decoding: vLLM's share of the
# bandwidth.
TRAINING, DECODING, CPU = (0.12, 0.40), (0.25, 0.65), (0.15, 0.8)
DISPATCH = (0.00030, 0.0010)  # seconds per block and token that Python takes under transformers' own generation
START, START_CPU = (40, 300), (3, 20)  # seconds until the first step: imports, loading, compiling, vLLM
STEP = (0.05, 1.0)  # seconds of a step that are none of these: rewards, logging, weights to vLLM
ASSUMED_ROWS = 250  # of an evaluation, where they cannot be counted
MEASURED = (0.85, 1.15)  # about what an earlier run took: from and to
RUNNING = 256  # sequences that vLLM decodes at a time


@dataclass(frozen=True)
class Range:
    """From and to."""

    low: float
    high: float

    def __add__(self, other: "Range") -> "Range":
        return Range(self.low + other.low, self.high + other.high)

    def times(self, factor: float) -> "Range":
        """Both ends multiplied."""
        return Range(self.low * factor, self.high * factor)


@dataclass(frozen=True)
class Work:
    """What a whole run does."""

    steps: int | None
    """Optimiser steps; None where the number of rows is not known."""
    rows: int | None
    epochs: float | None
    """Passes over the rows."""
    lost_rows: int
    """Rows of each epoch that fill no whole generation."""
    completions: int | None
    tokens: Range | None
    """Trained on, prompts included."""
    flops: Range | None
    """Of training, all processes together."""
    seconds: dict[str, Range]
    """Phase -> seconds of one step on one process; evaluations, start and saving of the whole run."""
    total: Range | None
    """Seconds of the run."""


def work(
    recipe: Recipe, job: Job, tokens: Tokens, device: Device, rows: int | None, factors: dict[str, float]
) -> Work:
    """Estimate a run.

    Args:
        factors: phase -> measured seconds over ideal seconds, instead of the efficiencies' range (``plan.measured``).
    """
    get, sizes = recipe.get, recipe.batches
    filled = tokens.row / job.lengths.row if job.batch.packing else 1.0  # of a packed row, by one row of the data
    trained = ceil(rows * filled) if rows else rows
    steps = sizes.steps(trained, get("num_train_epochs"), get("max_steps")) if rows or get("max_steps") > 0 else None
    per_step = sizes.completions_per_step
    if recipe.method.samples:
        low, high = (tokens.prompt + c for c in tokens.completion)
        fresh = sizes.prompts_per_generation
        lost = rows % fresh if rows else 0
        prompts = None if steps is None else steps * per_step / sizes.num_generations / sizes.passes
    else:
        low = high = job.lengths.row if job.batch.packing else min(tokens.row, job.lengths.row)
        lost, prompts = 0, None if steps is None else steps * per_step / filled
    phases = {
        "training": _training(job, Range(low, high), per_step / sizes.processes, device, factors.get("training"))
    }
    if "rollout" in recipe.method.phases:
        each = per_step / sizes.processes / sizes.passes
        once = _rollout(job, tokens, each, device, factors.get("rollout"))
        again = recipe.curriculum.resample if recipe.curriculum is not None else 0
        phases["rollout"] = Range(once.low, once.high * (1 + again))
        phases["rest"] = Range(*(factors["rest"] * end for end in MEASURED)) if "rest" in factors else Range(*STEP)
    evaluations = _evaluations(recipe, steps)
    other = {
        "start": Range(*(START_CPU if job.cpu else START)),
        "evaluation": _evaluation(recipe, job, tokens, device).times(evaluations),
    }
    total = None
    if steps is not None:
        total = _step(phases, recipe.method.overlapped).times(steps) + other["start"] + other["evaluation"]
    return Work(
        steps=steps,
        rows=rows,
        epochs=None if prompts is None or not rows else prompts / rows,
        lost_rows=lost,
        completions=None if steps is None else steps * per_step,
        tokens=None if steps is None else Range(low, high).times(steps * per_step),
        flops=None if steps is None else _flops(job, Range(low, high)).times(steps * per_step),
        seconds={**phases, **other},
        total=total,
    )


def _step(phases: dict[str, Range], at_once: bool) -> Range:
    """Seconds of a step: its phases in turn, or training and rollouts ``at_once``, where the longer one decides."""
    if not at_once:
        return sum(phases.values(), Range(0, 0))
    training, rollout = phases["training"], phases["rollout"]
    return Range(max(training.low, rollout.low), max(training.high, rollout.high)) + phases["rest"]


def _passes(job: Job) -> float:
    """Forward passes' worth of training: backward is two, one for frozen weights; recomputing, scoring one each."""
    scoring = job.reference + (job.method.samples and job.rollout.by_vllm) + job.distillation_passes
    return 1 + (2 if job.adapter is None else 1) + job.batch.checkpointing + scoring


def _forward(job: Job, length: float) -> float:
    """Operations of one sequence's forward pass."""
    shape = job.shape
    return length * (2 * (shape.matrices + shape.embedding) + 4 * shape.layers * shape.query * length / 2)


def _flops(job: Job, length: Range) -> Range:
    return Range(_forward(job, length.low) * _passes(job), _forward(job, length.high) * _passes(job))


def _training(job: Job, length: Range, sequences: float, device: Device, factor: float | None) -> Range:
    ideal = Range(*(ideal_training(job, end, sequences, device) for end in (length.low, length.high)))
    efficiency = CPU if job.cpu else TRAINING
    return _ranged(ideal, efficiency, factor)


def ideal_training(job: Job, length: float, sequences: float, device: Device) -> float:
    """Seconds of training on so many sequences of so many tokens at the device's peak."""
    return _forward(job, length) * _passes(job) * sequences / (device.tflops * 1e12)


def _ranged(ideal: Range, efficiency: tuple[float, float], factor: float | None) -> Range:
    if factor is not None:
        return Range(ideal.low * factor * MEASURED[0], ideal.high * factor * MEASURED[1])
    return Range(ideal.low / efficiency[1], ideal.high / efficiency[0])


def _rollout(job: Job, tokens: Tokens, sequences: float, device: Device, factor: float | None) -> Range:
    ideal = [ideal_rollout(job, tokens.prompt, length, sequences, device) for length in tokens.completion]
    if factor is not None or job.rollout.by_vllm:
        return _ranged(Range(*ideal), CPU if job.cpu else DECODING, factor)
    # transformers generates until the longest of all sequences has ended.
    batches = max(1, sequences / max(1, job.rollout.sequences))
    floors = [job.lengths.completion * job.shape.layers * each * batches for each in DISPATCH]
    found = _ranged(Range(*ideal), CPU if job.cpu else DECODING, None)
    share = tokens.completion[0] / max(1, tokens.completion[1])
    return Range(max(found.low, floors[0] * share), found.high + floors[1])


def ideal_rollout(job: Job, prompt: float, completion: float, sequences: float, device: Device) -> float:
    """Seconds of one generation at full bandwidth and peak: prompts at once, then tokens, in waves of ``RUNNING``."""
    waves, at_once = ceil(sequences / RUNNING), min(sequences, RUNNING)
    reading = waves * completion * _read(job, prompt + completion / 2, at_once) / (device.bandwidth * 1e9)
    computing = sequences * _forward(job, completion) / (device.tflops * 1e12)
    return max(reading, computing) + ideal_prefill(job, prompt, sequences, device)


def ideal_prefill(job: Job, prompt: float, sequences: float, device: Device) -> float:
    """Seconds of reading so many prompts at the device's peak."""
    return sequences * _forward(job, prompt) / (device.tflops * 1e12)


def ideal_token(job: Job, context: float, sequences: int, device: Device) -> float:
    """Seconds of one more token for each of so many sequences, of so many tokens each, at bandwidth and peak."""
    computing = sequences * _forward(job, context) / context / (device.tflops * 1e12)
    return max(_read(job, context, sequences) / (device.bandwidth * 1e9), computing)


def _read(job: Job, context: float, sequences: int) -> float:
    """Bytes that a token of so many sequences reads: the weights, and keys and values of so many tokens each."""
    shape, size = job.shape, job.precision.computed_bytes
    return size * (shape.parameters + sequences * 2 * shape.layers * shape.key * context)


def _evaluations(recipe: Recipe, steps: int | None) -> float:
    """How often held-out rows are answered."""
    times = recipe.evaluation.before + recipe.evaluation.after
    every = recipe.get("eval_steps") or recipe.get("logging_steps")
    if recipe.get("eval_strategy") == "steps" and steps and every:
        times += steps // every if every >= 1 else 1 / every
    elif recipe.get("eval_strategy") == "epoch":
        times += recipe.get("num_train_epochs")
    return times


def _evaluation(recipe: Recipe, job: Job, tokens: Tokens, device: Device) -> Range:
    """One evaluation, by transformers' own generation, batch by batch."""
    limits = (recipe.task.count(recipe.evaluation.split) or ASSUMED_ROWS, recipe.evaluation.max_rows)
    rows = min(limit for limit in limits if limit is not None)
    rows *= 1 + recipe.evaluation.samples
    batches = ceil(rows / job.sharding.processes / recipe.evaluation.batch_size)
    each = min(rows / job.sharding.processes, recipe.evaluation.batch_size)
    ends = []
    for length, efficiency, dispatch in zip(
        tokens.evaluated, (CPU if job.cpu else DECODING)[::-1], DISPATCH, strict=True
    ):
        ideal = ideal_rollout(job, tokens.prompt, length, each, device) / efficiency
        ends.append(batches * max(ideal, length * job.shape.layers * dispatch))
    return Range(*ends)
