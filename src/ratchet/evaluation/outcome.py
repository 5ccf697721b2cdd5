"""What ``result.json`` holds of a run's evaluations."""

from collections.abc import Sequence
from typing import Any

from ratchet.evaluation.evaluate import Result
from ratchet.recipe import Recipe


def outcome(results: Sequence[tuple[int, Result]], recipe: Recipe, steps: int, seconds: float) -> dict[str, Any]:
    """``result.json``: before and after with interval and n, the baselines, and what it took.

    Args:
        results: the run's evaluations, each with its step.
    """
    summary: dict[str, Any] = {
        "task": recipe.task.name,
        "trainer": recipe.trainer,
        "steps": steps,
        "seconds": round(seconds, 1),
    }
    # A run that has no step to train is measured at step 0 as well, afterwards.
    before = [result for step, result in results if step == 0 and recipe.evaluation.before]
    after = [result for step, result in results if step == steps and steps > 0]
    if before:
        summary["before"] = before[0].accuracy.as_dict()
    if after:
        summary["after"] = after[-1].accuracy.as_dict()
    if results:
        last = results[-1][1]
        summary["split"] = last.split
        summary["majority"] = last.majority
        summary["chance"] = last.chance
        summary["evaluation"] = last.as_dict()
    for when, measured in (("before", before), ("after", after)):
        for name, part in (measured[-1].parts() if measured else {}).items():
            summary.setdefault("tasks", {}).setdefault(name, {"majority": part.majority})[when] = (
                part.accuracy.as_dict()
            )
    return summary
