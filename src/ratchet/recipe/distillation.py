"""Checks of the group ``distillation`` that need nothing but the recipe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ratchet.recipe.groups import Distillation
from ratchet.recipe.parts import located
from ratchet.recipe.source import Node
from ratchet.rewards import REWARDS, RewardTerm
from ratchet.tasks import Task
from ratchet.tasks.dataset.sources import is_function

if TYPE_CHECKING:
    from ratchet.recipe.recipe import Recipe

OWN = ("start", "live", "average")
"""Teachers that are the student's own weights, of some time."""
DIVERGENCES = ("reverse_kl", "forward_kl", "jsd", "top_k")
"""Forms that compare whole distributions."""


def is_server(teacher: str) -> bool:
    """Whether a teacher is a server's URL."""
    return teacher.startswith(("http://", "https://"))


def server_base(url: str) -> str:
    """A server's URL as clients of OpenAI's API want it.

    >>> server_base("http://127.0.0.1:8000"), server_base("http://127.0.0.1:8000/v1/")
    ('http://127.0.0.1:8000/v1', 'http://127.0.0.1:8000/v1')
    """
    return f"{url.rstrip('/').removesuffix('/v1')}/v1"


def locate_context(tree: Node, path: Path) -> None:
    """Name the file of a context's function, and the folder of a teacher, in full where they lie beside the recipe."""
    node = tree.value.get("distillation")
    if node is None or not isinstance(node.value, dict):
        return
    for key in ("context", "teacher"):
        given = node.value.get(key)
        if given is None or not isinstance(given.value, str):
            continue
        if is_function(given.value) or (key == "teacher" and given.value not in OWN and not is_server(given.value)):
            node.value[key] = located(given, path)


def without_rewards(settings: Distillation | None, task: Task) -> tuple[Distillation | None, list[RewardTerm]]:
    """What a recipe without rewards means: how often the student is right is measured, and not learned from."""
    if settings is not None:
        settings = replace(settings, adv_tau=0.0)
    return settings, [RewardTerm(REWARDS["correctness"])] if task.graded else []


def distillation_conflicts(recipe: Recipe) -> Iterator[str]:
    """What contradicts itself, a sentence each."""
    settings = recipe.distillation
    if settings is None:
        if recipe.method.distils:
            yield "distillation is missing; write for instance distillation: {context: Think step by step.}"
        return
    if not recipe.method.samples or recipe.method.overlapped:
        yield f"distillation is for steps that sample and train in turn; {recipe.method.title} has none"
        return
    yield from _of_weights(recipe, settings)
    yield from _of_teacher(recipe, settings)


def _of_weights(recipe: Recipe, settings: Distillation) -> Iterator[str]:
    if settings.form in ("token", "sequence") and not (settings.teacher_tau or settings.student_tau):
        yield "distillation: teacher_tau and student_tau are both 0, so the teacher says nothing"
    if settings.form not in ("token", "sequence") and not settings.teacher_tau:
        yield f"distillation: teacher_tau is 0, so the form {settings.form} teaches nothing"
    if settings.form == "teacher_samples" and settings.adv_tau and recipe.rewards:
        yield (
            "distillation.form: teacher_samples imitates what the teacher wrote, and has no use for the student's "
            "advantage: take the rewards out (only_where_wrong: true imitates right samples alone), or adv_tau: 0"
        )
    if settings.top_k < 1:
        yield f"distillation.top_k must be at least 1; it is {settings.top_k}"
    if settings.by_length and settings.form != "sequence":
        yield "distillation.by_length is for form: sequence; single tokens have no length"
    if settings.only_where_wrong and not recipe.task.graded:
        yield "distillation.only_where_wrong needs answers that are graded"
    if settings.only_where_wrong and settings.form in DIVERGENCES:
        yield "distillation.only_where_wrong is for the forms token, sequence and teacher_samples"
    objective = recipe.objective
    if objective is not None and objective.estimates and settings.form == "sequence":
        yield (
            f"distillation.form: sequence takes the group's mean from rewards and sums together; objective: "
            f"{objective.name} has a baseline of its own"
        )


def _of_teacher(recipe: Recipe, settings: Distillation) -> Iterator[str]:
    own, get = settings.teacher in OWN, recipe.get
    if own and settings.context is None and settings.teacher != "average":
        yield (
            f"distillation.teacher: {settings.teacher} without a context is the student itself; name a context, or "
            "another teacher"
        )
    if settings.teacher == "average" and get("use_peft"):
        yield "distillation.teacher: average is for full fine-tuning; with LoRA take start (the adapter switched off)"
    anchored = settings.adv_tau and recipe.rewards
    if settings.teacher == "live" and not anchored and settings.form == "teacher_samples":
        yield "distillation.teacher: live imitating its own samples has nothing to hold on to; take start"
    if is_server(settings.teacher):
        if get("temperature") != 1:
            yield (
                "distillation.teacher: a server scores at temperature 1, whatever the sampling: temperature must be "
                f"1, it is {get('temperature'):g}"
            )
        if settings.form not in ("token", "sequence", "top_k"):
            yield f"distillation.form: {settings.form} needs the teacher's weights; with a server take token or top_k"
    if settings.form == "teacher_samples" and get("use_vllm"):
        yield "distillation.form: teacher_samples samples from the teacher, and use_vllm from the student"
    curriculum = recipe.curriculum
    if curriculum is not None and curriculum.temperature_to is not None:
        yield "distillation compares at one temperature; take curriculum.temperature_to out"
    if curriculum is not None and (curriculum.resample or curriculum.rest_solved or curriculum.rest_hopeless):
        yield (
            "curriculum.resample, rest_solved and rest_hopeless leave out prompts whose rewards are all equal, from "
            "which a teacher still teaches; take them out"
        )
