"""What is left to read when a run has ended."""

import shlex
from pathlib import Path
from typing import Any

from ratchet.evaluation.evaluate import Answered, Result
from ratchet.program import program
from ratchet.recipe import Recipe
from ratchet.runtime import duration


def summary(results: list[tuple[int, Result]], recipe: Recipe, result: dict[str, Any], page: Path | None) -> str:
    """The measured result, some completions, where the page about the run is, and what to type next."""
    folder, lines = recipe.output_dir, [""]
    before = results[0][1] if "before" in result else None
    after = results[-1][1] if "after" in result else None
    if before and after and recipe.evaluation.show:
        lines += _completions(before, after, recipe.evaluation.show)
    for title, one in (("before", before), ("after", after)):
        if one:
            mean = sum(a.tokens for a in one.answered) / max(1, len(one.answered))
            lines.append(f"accuracy {title:<7} {one.accuracy}, {mean:.1f} tokens per answer")
    if results:
        chance = f", guessing {result['chance']:.3f}" if result["chance"] else ""
        lines.append(f"baselines        always the commonest answer {result['majority']:.3f}{chance}")
    if result.get("alarms"):
        lines.append(f"alarms           {', '.join(result['alarms'])}: see above, and result.json")
    lines.append(f"{result['steps']} steps, {duration(result['seconds'])} with start-up; everything is in {folder}")
    start = program()
    seed, quoted = int(recipe.get("seed")) + 1, shlex.quote(str(folder))
    again = shlex.quote(f"{folder}-seed{seed}")
    lines += [
        "",
        "next:",
        f"  {start} evaluate {quoted}/recipe.yaml --model {quoted} --evaluation.samples 8   # with pass@k",
        f"  {start} chat {quoted}   # ask it something",
        f"  {start} {recipe.trainer} {quoted}/recipe.yaml --seed {seed} --output_dir {again}   # try another seed",
    ]
    lines += ["", f"report: {page}   # open it in a browser"] if page else []
    return "\n".join(lines)


def _completions(before: Result, after: Result, count: int) -> list[str]:
    lines = []
    for first, last in list(zip(before.answered, after.answered, strict=True))[:count]:
        lines.append(f"row {first.id}, gold {first.gold}")
        lines += [
            f"  before {_mark(first)} {_one_line(first.completion)}",
            f"  after  {_mark(last)} {_one_line(last.completion)}",
        ]
    return [*lines, ""]


def _mark(answered: Answered) -> str:
    return "right" if answered.correct else "wrong"


def _one_line(text: str) -> str:
    text = " | ".join(text.strip().splitlines())
    return text if len(text) <= 160 else text[:80] + " ... " + text[-70:]
