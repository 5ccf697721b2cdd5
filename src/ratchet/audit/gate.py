"""The audit of a recipe: in full for ``ratchet audit``, and on a sample, remembered, at the start of a run."""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ratchet
from ratchet.audit import ForeignReward, RecipeRewards, Report, audit, load_function
from ratchet.audit.policies import prompt_text
from ratchet.audit.watched import watched
from ratchet.errors import UserError
from ratchet.files import cache, read_json, with_imports, write_json
from ratchet.program import program
from ratchet.recipe import Recipe
from ratchet.rewards import REWARDS, RewardTerm
from ratchet.tasks.base import Row, Task
from ratchet.tasks.loading import capped
from ratchet.tasks.mixture import TASK

FILE = "audit.json"
ADVICE = (
    "The audit stops this run: with these findings a model can be paid without learning the task. Look closer with\n"
    "    {program} audit {recipe} --html audit.html\n"
    "then mend the reward or the data, write the reason for an exception under audit.accept, "
    "or take the risk with --audit warn"
)


def audits(recipe: Recipe, rows: Sequence[Row], foreign: str | None = None, plain: bool = False) -> list[Report]:
    """The audit of a recipe, or of each task of a mixture by itself, as ``audit_recipe`` makes it."""
    each = _by_task(recipe, rows)
    return [audit_recipe(one, of_task, foreign, plain, name) for name, one, of_task in each if of_task]


def _by_task(recipe: Recipe, rows: Sequence[Row]) -> list[tuple[str, Recipe, list[Row]]]:
    each = recipe.each_task()
    return [(name, one, [row for row in rows if not name or row[TASK] == name]) for name, one in each.items()]


def audit_recipe(
    recipe: Recipe, rows: Sequence[Row], foreign: str | None = None, plain: bool = False, name: str = ""
) -> Report:
    """Audit a recipe's own rewards, or somebody else's function, on rows of its one task.

    Args:
        name: of the task within a mixture.
        foreign: "path/to/file.py:function".
        plain: whether that function takes completions as text.
    """
    if not (recipe.task.graded or recipe.rewards or foreign):
        raise UserError(f"{recipe.path}: nobody checks or rewards these answers, so there is nothing to audit")
    rows = [row for row in rows if row.get("checkable", True)]
    limit = recipe.completion_limit
    if foreign:
        title = foreign
        scorer = ForeignReward(foreign.rpartition(":")[2], load_function(foreign), recipe.task, plain)
    else:
        # Without rewards the grader is audited all the same.
        title = f"{recipe.path}, tasks.{name}" if name else str(recipe.path)
        scorer = RecipeRewards(recipe.rewards or [RewardTerm(REWARDS["correctness"])], limit)
    settings = recipe.audit
    return watched(lambda beat: audit(recipe.task, rows, scorer, limit, title, settings, beat), settings.timeout)


def gate(recipe: Recipe, rows: Sequence[Row], folder: Path) -> str:
    """Audit a sample of the training rows before a run, or remember that it was done; returns a line that says so.

    The outcome goes to ``folder``/audit.json, from where the model card takes it. It is remembered for the same code,
    rewards, thresholds, rows and prompts.

    Raises:
        UserError: with the table, when a finding fails and the recipe does not say ``audit: warn`` or ``audit: off``.
    """
    mode = recipe.audit.mode
    if mode == "off":
        write_json(folder / FILE, {"mode": mode})
        return "off: this recipe does not ask whether its rewards can be cheated"
    each = [
        (name, one, capped([row for row in of_task if row.get("checkable", True)], recipe.audit.rows, 0))
        for name, one, of_task in _by_task(recipe, rows)
    ]
    outcomes = [_outcome(one, sample, name) for name, one, sample in each if sample]
    known = together([outcome for outcome, _ in outcomes])
    remembered = ", remembered from an earlier start" if all(old for _, old in outcomes) else ""
    write_json(folder / FILE, {"mode": mode, **{key: value for key, value in known.items() if key != "text"}})
    failing = [finding["name"] for finding in known["findings"] if finding["fails"]]
    if failing and mode == "stop":
        advice = ADVICE.format(recipe=recipe.path, program=program())
        raise UserError(f"{known['text']}\n\n{advice}")
    if failing:
        print(f"{known['text']}\n")
    names = ", ".join(dict.fromkeys(failing))
    outcome = f"fails ({names}), and the recipe says audit: warn" if failing else "passed"
    asked = sum(len(sample) for *_, sample in each)
    short = "" if known["rows"] == asked else f", as time was up before all {asked} (audit.seconds)"
    counted = f"{known['scores']} answers of policies and hacks to {known['rows']} of {len(rows)} rows"
    return f"{outcome}: {counted}{short}{remembered}"


def _outcome(recipe: Recipe, sample: Sequence[Row], name: str) -> tuple[dict[str, Any], bool]:
    """What the audit of one task came to, and whether that was known."""
    kept = cache("audit") / f"{_fingerprint(recipe, sample)}.json"
    known = read_json(kept)  # None where it was never made, or is torn
    if known is not None:
        return known, True
    report = audit_recipe(recipe, sample, name=name)
    known = {**report.as_dict(), "text": report.table()}
    _remember(kept, known)
    return known, False


def together(outcomes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The outcomes of several tasks (``Report.as_dict``) as one; findings and policies say whose they are."""
    if len(outcomes) == 1:
        return outcomes[0]
    found = {**outcomes[0], "data": " + ".join(one["data"] for one in outcomes)}
    for name in ("rows", "rows_asked", "scores"):
        found[name] = sum(one[name] for one in outcomes)
    found["commonest_answer"] = sum(one["commonest_answer"] * one["rows"] for one in outcomes) / max(1, found["rows"])
    found["passed"] = all(one["passed"] for one in outcomes)
    for kind, key in (("findings", "text"), ("policies", "policy")):
        found[kind] = [{**entry, key: f"{one['data']}: {entry[key]}"} for one in outcomes for entry in one[kind]]
    if all("text" in one for one in outcomes):
        found["text"] = "\n\n".join(one["text"] for one in outcomes)
    return found


def _fingerprint(recipe: Recipe, rows: Sequence[Row]) -> str:
    """A checksum of all that an outcome depends on.

    That is the code of tasks, rewards and audit, the recipe's rewards and thresholds, the rows and their prompts.
    """
    digest = hashlib.sha256()
    for path in code_files():
        digest.update(path.read_bytes())
    for own in recipe.own_files:
        for path in with_imports(own):
            digest.update(path.read_bytes())
    terms = [(term.name, term.weight, sorted(term.parameters.items())) for term in recipe.rewards]
    settings = [
        recipe.completion_limit,
        {**vars(recipe.audit), "mode": "", "seconds": 0, "timeout": 0},
        _settings(recipe.task),
    ]
    digest.update(json.dumps([terms, settings], default=str, sort_keys=True).encode())
    for row in rows:
        digest.update(json.dumps(row, sort_keys=True, default=str).encode())
        digest.update(prompt_text(recipe.task, row).encode())
    return digest.hexdigest()


def _settings(task: Task) -> dict[str, Any]:
    """A task's keys, without what it has worked out since; of one that is no dataclass all that it holds."""
    if not dataclasses.is_dataclass(task):
        return vars(task)
    return {field.name: getattr(task, field.name) for field in dataclasses.fields(task)}


def code_files() -> list[Path]:
    """The files that decide what a completion is worth."""
    package = Path(ratchet.__file__).parent
    rooms = ("tasks", "rewards", "audit", "sandbox")
    return [path for room in rooms for path in sorted((package / room).rglob("*.py"))]


def _remember(path: Path, value: Any) -> None:
    with contextlib.suppress(OSError):  # a cache that cannot be written is done without
        write_json(path, value)
