"""What a run says about itself at the terminal: what is about to happen, and what came of it."""

import os
import shlex
from pathlib import Path
from typing import Any

from ratchet.evaluation.evaluate import Answered, Result
from ratchet.evaluation.statistics import Share
from ratchet.models.sampling import own_sampling
from ratchet.program import program
from ratchet.recipe import Recipe, objective
from ratchet.recipe.precision import described
from ratchet.rewards.judge import Judge, cost
from ratchet.runtime import duration
from ratchet.training.prepare import Run


def announcement(run: Run) -> str:
    """What is about to happen, in numbers."""
    recipe, data, start = run.recipe, run.data, run.start
    sizes, rows = recipe.batches, len(data.train)
    steps = str(sizes.steps(rows, recipe.get("num_train_epochs"), recipe.get("max_steps")))
    if recipe.method.imitates and recipe.get("packing") and recipe.get("max_steps") <= 0:
        steps = "as many as packed rows need (below)"
    model = recipe.values.get("model_name_or_path") or "a new model"
    facts = [("data", note) for note in data.notes]
    facts += [("audit", data.audit)] if data.audit else []
    processes = f"{sizes.processes} process{'es' if sizes.processes > 1 else ''}"
    facts.append(("precision", described(recipe, os.environ)))
    if recipe.method.rewarded and not recipe.learns_from_rewards:
        facts.append(("rewards", "nothing is learned from any; the teacher alone teaches"))
    if recipe.objective is not None:
        facts.append(("objective", objective.described(recipe.objective)))
    facts.append(("each step", f"{recipe.method.each_step(sizes)}{_comma(recipe)} on {processes}"))
    facts.append(("steps", f"{steps}, over {rows} training rows"))
    facts.append(("output", str(recipe.output_dir)))
    own = ", ".join(f"{name}: {value}" for name, value in own_sampling(run.model_path).items())
    if own:
        facts.append(("note", f"sampling is what the recipe says; the model's generation_config.json would add {own}"))
    facts += [("note", note) for note in start.notes]
    if start.checkpoint is not None:
        facts.append(("resumes", f"after step {start.checkpoint.step}, from {start.checkpoint.path}"))
    heading = f"{recipe.path}: {recipe.trainer} of {model} on {recipe.task.label}"
    return "\n".join([heading, *(f"  {name:<11} {text}" for name, text in facts)])


def _comma(recipe: Recipe) -> str:
    return "," if recipe.method.samples else ""


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
        for name, part in (one.parts() if one else {}).items():
            lines.append(f"  {name:<14} {part.accuracy}, always the commonest answer {part.majority:.3f}")
    if results:
        chance = f", guessing {result['chance']:.3f}" if result["chance"] else ""
        lines.append(f"baselines        always the commonest answer {result['majority']:.3f}{chance}")
    for who, share in result.get("distillation", {}).items():
        lines.append(f"  {who:<24} {Share.of(share)}, before the first step")
    judges = [function for function in recipe.foreign if isinstance(function, Judge)]
    if judges:
        lines.append(f"judges           {cost(judges)}")
    if result.get("alarms"):
        lines.append(f"alarms           {', '.join(result['alarms'])}: see above, and result.json")
    lines.append(f"{result['steps']} steps, {duration(result['seconds'])} with start-up; everything is in {folder}")
    start = program()
    seed, quoted = int(recipe.get("seed")) + 1, shlex.quote(str(folder))
    again = shlex.quote(f"{folder}-seed{seed}")
    lines += ["", "next:"]
    if recipe.task.graded:
        lines.append(
            f"  {start} evaluate {quoted}/recipe.yaml --model {quoted} --evaluation.samples 8   # with pass@k"
        )
    lines += [
        f"  {start} chat {quoted}   # ask it something",
        f"  {start} {recipe.method.script} {quoted}/recipe.yaml --seed {seed} --output_dir {again}   # another seed",
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
