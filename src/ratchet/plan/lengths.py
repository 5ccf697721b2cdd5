"""How long prompts and answers are: as told, as some rows show, or as assumed; which of these is said."""

import dataclasses
from dataclasses import dataclass

from ratchet.errors import UserError
from ratchet.plan.job import Lengths
from ratchet.plan.shape import Shape
from ratchet.recipe import Recipe
from ratchet.tasks import Task, load_split, train_split

ASSUMED_LONGEST, ASSUMED_MEAN = 512, 256
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
    """Where the prompts' lengths come from, for the reader."""


def tokens_of(recipe: Recipe, shape: Shape, prompt: int | None, completion: int | None, row: int | None) -> Tokens:
    """Lengths of a recipe's sequences.

    Args:
        prompt: longest prompt in tokens, where the user knows it; ``completion`` mean answer; ``row`` longest SFT row.
    """
    per_token = 3.5 if shape.vocabulary >= 30_000 else 3.0 if shape.vocabulary > 5_000 else 2.0
    texts = _texts(recipe.task)
    limit, answers = recipe.answer_limit, recipe.get("max_completion_length") if recipe.trainer == "grpo" else 0
    prompts, targets = [len(p) / per_token + 8 for p, _ in texts], [len(t) / per_token for _, t in texts]
    longest, mean = (max(prompts), sum(prompts) / len(prompts)) if texts else (ASSUMED_LONGEST, ASSUMED_MEAN)
    source = (
        f"estimated from {len(texts)} rows at {per_token:g} characters per token"
        if texts
        else f"assumed (no rows at hand; --{'prompt' if recipe.trainer == 'grpo' else 'row'}_tokens N)"
    )
    if prompt is not None:
        longest, mean, source = prompt, min(mean, prompt), "as given"
    if recipe.trainer == "grpo" and (whole := recipe.get("vllm_max_model_length")):
        longest = min(longest, max(1, whole - answers))
    rows = (
        [p + t for p, t in zip(prompts, targets, strict=True)] or [recipe.get("max_length") or 1024]
        if recipe.trainer == "sft"
        else [0]
    )
    cut = (recipe.get("max_length") or max(rows)) if recipe.trainer == "sft" else 0
    whole_row = min(row or max(rows), cut) if recipe.trainer == "sft" else 0
    if recipe.trainer == "sft" and recipe.get("packing"):
        whole_row = cut
    answered = (
        (SHORT_ANSWERS * answers, float(answers)) if completion is None else (float(completion), float(completion))
    )
    told = SHORT_ANSWERS if completion is None else min(1.0, completion / max(1, limit))
    return Tokens(
        longest=Lengths(round(longest), answers, round(whole_row), limit),
        prompt=min(mean, longest),
        completion=answered,
        row=min(sum(rows) / len(rows), cut or 0),
        evaluated=(told * limit, float(limit)),
        source=source,
    )


def _texts(task: Task) -> list[tuple[str, str]]:
    """Prompt and target of some rows, where they can be had without a network and at once."""
    source = getattr(task, "source", None)
    made = getattr(task, "generated", None)
    try:
        if source == "generated" and hasattr(made, "train"):
            rows = (
                dataclasses.replace(task, generated=dataclasses.replace(made, train=300, validation=0, test=0))
                .load("train")
                .rows
            )
        elif source is not None and "/" in str(source) and not str(source).startswith((".", "/", "~")):
            return []  # on the Hub
        else:
            rows = load_split(task, "validation").rows[:500]
        return [("\n".join(m["content"] for m in task.messages(row)), task.target(row)) for row in rows]
    except (UserError, TypeError, ValueError, KeyError):
        return []


def rows_of(recipe: Recipe) -> int | None:
    """Training rows, where they can be counted without reading them."""
    return recipe.task.count(train_split(recipe.task))
