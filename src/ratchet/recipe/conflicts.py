"""Checks that need several of a recipe's values, or what the launcher set up, at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratchet.recipe.distillation import distillation_conflicts
from ratchet.recipe.groups import FINDINGS, Curriculum
from ratchet.recipe.limits import TRACKERS, tracker_names
from ratchet.recipe.method import METHODS, trainers_that

GRADED = ("correctness", "score", "answer_format")
"""Rewards that are read off a task's grade."""

if TYPE_CHECKING:
    from ratchet.recipe.recipe import Recipe


def conflicts(recipe: Recipe) -> Iterator[str]:
    """What contradicts itself in a recipe, a sentence each, with the place where one key is to blame."""
    place, tree = f"{recipe.path}: ", recipe.tree.value
    folder = recipe.values.get("output_dir")
    if isinstance(folder, str) and Path(folder).name in ("", ".."):
        yield f"{place}output_dir: {folder!r} names no folder of its own; write outputs/NAME"
    for name, node in _trusting(tree):
        yield (
            f"{node.origin}: {name} runs code that comes with a model; a recipe cannot decide that, the command line "
            "can (--trust_remote_code true)"
        )
    named = recipe.values.get("model_name_or_path")
    if not named and recipe.from_scratch is None:
        yield (
            f"{place}model_name_or_path is missing (a model on the Hub, a folder, or ratchet-tiny), and there is no "
            "from_scratch"
        )
    if named and recipe.from_scratch is not None:
        yield f"{tree['model_name_or_path'].origin}: model_name_or_path and from_scratch exclude each other"
    if recipe.get("load_in_4bit") and recipe.get("load_in_8bit"):
        yield f"{place}load_in_4bit and load_in_8bit exclude each other"
    if (recipe.get("load_in_4bit") or recipe.get("load_in_8bit")) and not recipe.get("use_peft"):
        yield f"{place}quantised weights cannot be trained; add use_peft: true (QLoRA)"
    if recipe.get("load_best_model_at_end") and recipe.get("eval_strategy") == "no":
        yield f"{place}load_best_model_at_end needs eval_strategy: steps or epoch"
    best, known = recipe.get("metric_for_best_model"), measured(recipe)
    # TRL measures more where there are held-out targets (eval_loss and what goes with it).
    if best is not None and not recipe.method.imitates and best.removeprefix("eval_") not in known:
        yield f"{place}metric_for_best_model: nothing measures {best}; choose from {', '.join(known)}"
    if recipe.publish.evaluate == "hf-jobs" and not (recipe.get("push_to_hub") and recipe.publish.source):
        yield (
            f"{place}publish.evaluate: hf-jobs needs push_to_hub: true, and publish.source, from which the job "
            "installs Ratchet"
        )
    yield from (f"{place}{text}" for text in _own_groups(recipe))
    yield from (f"{place}{text}" for text in _variants(recipe))
    yield from (f"{place}{text}" for text in distillation_conflicts(recipe))
    yield from (f"{place}{text}" for text in recipe.method.conflicts(recipe))


def _variants(recipe: Recipe) -> Iterator[str]:
    """Groups of keys that select a variant of another trainer than the recipe's."""
    for method in METHODS.values():
        if method.group and method.variant_of != recipe.trainer and getattr(recipe, method.group) is not None:
            yield f"{method.group} is for trainer: {method.variant_of}"


def measured(recipe: Recipe) -> list[str]:
    """The figures of an evaluation (``evaluation.evaluate.Result.figures``), by which the best checkpoint can be
    chosen; SFT has TRL's too."""
    k = [f"pass@{2**i}" for i in range(recipe.evaluation.samples.bit_length()) if 2**i <= recipe.evaluation.samples]
    shares = ["accuracy", "exact_match", *k]
    return [
        *shares,
        *(f"{name}_{end}" for name in shares for end in ("low", "high")),
        "n",
        "majority",
        "truncated",
        "unparsed",
        "mean_tokens",
    ]


def _trusting(tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What in a file says that code from elsewhere may run."""
    inits = tree.get("model_init_kwargs")
    if inits is not None and isinstance(inits.value, str) and not _said_by_user(inits):
        yield "model_init_kwargs as text, which TRL parses and may be a trust_remote_code that", inits
    settings = getattr(inits, "value", None)
    for keys in (tree, settings if isinstance(settings, dict) else {}):
        for name, runs in (("trust_remote_code", True), ("weights_only", False)):
            node = keys.get(name)
            if node is not None and bool(node.value) == runs and not _said_by_user(node):
                yield f"{name}: {str(runs).lower()}", node


def _said_by_user(node: Any) -> bool:
    """Whether a value is the command line's or the environment's: only what a file says has a line."""
    return re.search(r":\d+$", node.origin) is None


def _own_groups(recipe: Recipe) -> Iterator[str]:
    unknown = [name for name in recipe.audit.accept if name not in FINDINGS]
    if unknown:
        yield f"audit.accept: there is no finding {', '.join(unknown)}; there are {', '.join(FINDINGS)}"
    for name, reason in recipe.audit.accept.items():
        if not isinstance(reason, str) or not reason.strip():
            yield f"audit.accept.{name} needs the reason for living with it, in words"
    if recipe.method.rewarded and getattr(recipe.task, "unchecked", False):
        yield (
            f"data.unchecked brings in rows whose answer cannot be checked; they are for {trainers_that('imitates')}"
        )
    yield from _ungraded_rewards(recipe)
    if not recipe.task.graded:
        yield from _without_grades(recipe)
    if recipe.lean.tokens_per_micro_batch is not None and not recipe.method.leans:
        yield f"lean.tokens_per_micro_batch is for {trainers_that('leans')}"
    for pair in recipe.diagnostics.heat_maps:
        if not isinstance(pair, list) or len(pair) != 2 or not all(type(i) is int and i >= 0 for i in pair):
            yield f"diagnostics.heat_maps holds [layer, head] pairs, counted from 0; one is {pair}"
    if not all(isinstance(tag, (str, int, float)) for tag in recipe.tracking.tags):
        yield f"tracking.tags is a list of words; it is {recipe.tracking.tags}"
    unknown = [str(name) for name in tracker_names(recipe.get("report_to")) if name not in TRACKERS]
    if unknown:
        yield f"report_to: there is no tracker {', '.join(unknown)}; there are {', '.join(TRACKERS)}"
    if recipe.curriculum is not None:
        yield from _curriculum(recipe, recipe.curriculum)
    if recipe.objective is not None:
        yield from recipe.objective.conflicts(recipe.get)


def _ungraded_rewards(recipe: Recipe) -> Iterator[str]:
    """Rewards of grades that nobody gives."""
    for name, one in recipe.each_task().items():
        graded = [term.name for term in one.rewards if term.name in GRADED]
        if graded and not one.task.graded:
            place = f"tasks.{name}: " if name else ""
            yield (
                f"{place}data.grader: none gives no reward, and {', '.join(graded)} would pay for none; it is for "
                f"{trainers_that('imitates')}, or for rewards of your own, judges and models alone"
            )


def _without_grades(recipe: Recipe) -> Iterator[str]:
    settings = recipe.evaluation
    if settings.before or settings.after or recipe.get("eval_strategy") != "no":
        yield (
            "data.grader: none has no accuracy to measure; write evaluation: {before: false, after: false}, "
            "and no eval_strategy"
        )


def _curriculum(recipe: Recipe, settings: Curriculum) -> Iterator[str]:
    if not (recipe.method.samples and recipe.method.rewarded):
        yield f"curriculum is for {trainers_that('rewarded')}; {recipe.method.name} has no measured answers"
        return
    rests = settings.rest_solved or settings.rest_hopeless
    if not (settings.stages or rests or settings.resample or settings.measured or settings.temperature_to is not None):
        yield "curriculum does nothing: name stages, rest_solved, rest_hopeless, resample, measured or temperature_to"
    if not 0 <= settings.hardest <= settings.easiest <= 1:
        yield "curriculum.hardest and easiest are shares between 0 and 1, the first not above the second"
    if settings.measured is None and (settings.hardest, settings.easiest) != (0.0, 1.0):
        yield "curriculum.hardest and easiest belong to measured, which is not given"
    if len(settings.stages) == 1:
        yield "curriculum.stages needs at least two stages, for instance {easy: 0.8, medium: 0.75, hard: 0.7}"
    for name, accuracy in settings.stages.items():
        if isinstance(accuracy, bool) or not isinstance(accuracy, (int, float)) or not 0 < accuracy <= 1:
            yield f"curriculum.stages.{name} is an accuracy between 0 and 1; it is {accuracy}"
    if settings.temperature_to is None and (settings.temperature_steps or settings.temperature_shape != "linear"):
        yield "curriculum.temperature_steps and temperature_shape belong to temperature_to, which is not given"
    if settings.resample:
        yield from _sampling_again(recipe)


def _sampling_again(recipe: Recipe) -> Iterator[str]:
    batches = recipe.batches
    if recipe.get("scale_rewards") == "batch" or recipe.get("multi_objective_aggregation") == "normalize_then_sum":
        yield (
            "curriculum.resample puts groups of several rounds together; scale_rewards: batch and "
            "multi_objective_aggregation: normalize_then_sum divide by the spread of one round"
        )
    each = batches.generation_batch // batches.processes
    if each % batches.num_generations:
        yield (
            f"curriculum.resample needs whole groups on each process: a generation has {each} completions on each of "
            f"{batches.processes} processes, and a group {batches.num_generations}"
        )


def launcher_conflicts(recipe: Recipe, environ: Mapping[str, str]) -> Iterator[str]:
    """Where what ``accelerate launch`` set up contradicts the recipe, in ways that fail late or not at all."""
    deepspeed = environ.get("ACCELERATE_USE_DEEPSPEED") == "true"
    fsdp = environ.get("ACCELERATE_USE_FSDP") == "true"
    precision = environ.get("ACCELERATE_MIXED_PRECISION", "no")
    bf16 = recipe.values.get("bf16", not recipe.values.get("fp16", False))
    if precision == "bf16" and not bf16 and (deepspeed or not recipe.get("use_cpu")):
        yield (
            "the accelerate configuration says mixed_precision: bf16 and the recipe bf16: false; make them agree "
            "(--bf16 true, or accelerate launch --mixed_precision no)"
        )
    if precision == "fp16" and not recipe.values.get("fp16"):
        yield (
            "the accelerate configuration says mixed_precision: fp16 and the recipe does not; set fp16: true and "
            "bf16: false, or use a bf16 configuration"
        )
    if deepspeed and not recipe.method.deepspeed:
        yield (
            f"{recipe.method.group or recipe.method.name} runs with FSDP2, DDP or one process, not with DeepSpeed; "
            "use accelerate_configs/fsdp2.yaml"
        )
    if fsdp and recipe.get("use_cpu"):
        yield (
            "FSDP does not run on CPUs (accelerate would quietly fall back to DDP); use a ddp or DeepSpeed "
            "configuration, or leave use_cpu out"
        )
    if deepspeed and environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes"):
        yield (
            "ACCELERATE_USE_CPU with a DeepSpeed configuration quietly gives plain DDP; unset it and pass --use_cpu "
            "true"
        )
    steps = environ.get("ACCELERATE_GRADIENT_ACCUMULATION_STEPS")
    if steps and steps not in ("auto", "1", str(recipe.get("gradient_accumulation_steps"))):
        yield (
            f"the accelerate configuration says gradient_accumulation_steps: {steps}, the recipe "
            f"{recipe.get('gradient_accumulation_steps')}; take it out of the configuration"
        )
