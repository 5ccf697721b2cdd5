"""What ``result.json`` holds of a run's evaluations."""

from typing import Any

from ratchet.evaluation.evaluate import Result
from ratchet.recipe import Recipe


def outcome(results: list[tuple[int, Result]], recipe: Recipe, steps: int, seconds: float) -> dict[str, Any]:
    """``result.json``: before and after with interval and n, the baselines, and what it took."""
    found: dict[str, Any] = {
        "task": recipe.task.name,
        "trainer": recipe.trainer,
        "steps": steps,
        "seconds": round(seconds, 1),
    }
    before = [r for step, r in results if step == 0 and recipe.evaluation.before]
    after = [r for step, r in results if step == steps and steps > 0]
    if before:
        found["before"] = before[0].accuracy.as_dict()
    if after:
        found["after"] = after[-1].accuracy.as_dict()
    if results:
        last = results[-1][1]
        found |= {"split": last.split, "majority": last.majority, "chance": last.chance, "evaluation": last.as_dict()}
    return found
