"""How long prompts and answers are: as told, as some rows show, or as assumed; which of these is said."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ratchet.errors import UserError
from ratchet.plan.job import Lengths
from ratchet.plan.shape import Shape
from ratchet.recipe import Recipe
from ratchet.tasks import Task, load_split, train_split

ASSUMED_LONGEST, ASSUMED_MEAN = 512, 256
ASSUMED_ROW = 1024
TEMPLATE = 8  # tokens of a chat template around a prompt
GENERATED, READ = 300, 500  # rows that are looked at
SHORT_ANSWERS = 0.35  # of the longest that is allowed: the lower end of the range


@dataclass(frozen=True)
class Tokens:
    """Longest lengths, for memory; mean ones, for time."""

    longest: Lengths
    prompt: float
    completion: tuple[float, float]
    """Mean, from and to."""
    row: float
    evaluated: tuple[float, float]
    source: str
    """Where the prompts' lengths come from, in words."""


@dataclass(frozen=True)
class _Lengths:
    """Lengths of prompts, or of rows: the longest, the mean, and where they come from."""

    longest: float
    mean: float
    source: str


def tokens_of(recipe: Recipe, shape: Shape, prompt: int | None, completion: int | None, row: int | None) -> Tokens:
    """Lengths of a recipe's sequences.

    Args:
        prompt: longest prompt in tokens, where the user knows it; ``completion`` mean answer; ``row`` longest SFT row.
    """
    per_token = _characters_per_token(shape)
    texts = _texts(recipe.task)
    prompts = [len(text) / per_token + TEMPLATE for text, _ in texts]
    targets = [len(text) / per_token for _, text in texts]
    asked = _prompts(recipe, prompts, per_token, prompt)
    limit, answers = recipe.answer_limit, recipe.completion_limit or 0
    longest_row, mean_row = _rows(recipe, prompts, targets, row)
    shortest = SHORT_ANSWERS * answers if completion is None else float(completion)
    share = SHORT_ANSWERS if completion is None else min(1.0, completion / max(1, limit))
    return Tokens(
        longest=Lengths(round(asked.longest), answers, round(longest_row), limit),
        prompt=min(asked.mean, asked.longest),
        completion=(shortest, float(answers if completion is None else completion)),
        row=mean_row,
        evaluated=(share * limit, float(limit)),
        source=asked.source,
    )


def _characters_per_token(shape: Shape) -> float:
    """Characters of English text in one token: the larger a vocabulary, the longer its words."""
    if shape.vocabulary >= 30_000:
        return 3.5
    return 3.0 if shape.vocabulary > 5_000 else 2.0


def _prompts(recipe: Recipe, prompts: list[float], per_token: float, given: int | None) -> _Lengths:
    option = "prompt" if recipe.method.samples else "row"
    found = _Lengths(ASSUMED_LONGEST, ASSUMED_MEAN, f"assumed (no rows at hand; --{option}_tokens N)")
    if prompts:
        source = f"estimated from {len(prompts)} rows at {per_token:g} characters per token"
        found = _Lengths(max(prompts), sum(prompts) / len(prompts), source)
    if given is not None:
        found = _Lengths(given, min(found.mean, given), "as given")
    if recipe.method.samples and (whole := recipe.get("vllm_max_model_length")):
        # What does not fit beside the longest answer is cut, or left out.
        found = replace(found, longest=min(found.longest, max(1, whole - recipe.completion_limit)))
    return found


def _rows(recipe: Recipe, prompts: list[float], targets: list[float], given: int | None) -> tuple[float, float]:
    """Longest and mean of rows with a target, prompt and target together; 0 where completions are sampled."""
    if recipe.method.samples:
        return 0, 0
    limit = recipe.get("max_length")
    rows = [prompt + target for prompt, target in zip(prompts, targets, strict=True)] or [limit or ASSUMED_ROW]
    cut = limit or max(rows)
    longest = cut if recipe.method.imitates and recipe.get("packing") else min(given or max(rows), cut)
    return longest, min(sum(rows) / len(rows), cut)


def _texts(task: Task) -> list[tuple[str, str]]:
    """Prompt and target of some rows, where they can be had without a network and at once."""
    try:
        return [(_prompt(task, row), task.target(row)) for row in _some_rows(task)]
    except (UserError, TypeError, ValueError, KeyError):
        return []


def _prompt(task: Task, row: Mapping[str, Any]) -> str:
    return "\n".join(message["content"] for message in task.messages(row))


def _some_rows(task: Task) -> Sequence[Mapping[str, Any]]:
    source, generated = getattr(task, "source", None), getattr(task, "generated", None)
    if source == "generated" and hasattr(generated, "train"):
        few = dataclasses.replace(generated, train=GENERATED, validation=0, test=0)
        return dataclasses.replace(task, generated=few).load("train").rows
    on_hub = source is not None and "/" in str(source) and not str(source).startswith((".", "/", "~"))
    return [] if on_hub else load_split(task, "validation").rows[:READ]


def rows_of(recipe: Recipe) -> int | None:
    """Training rows, where they can be counted without reading them."""
    return recipe.task.count(train_split(recipe.task))
