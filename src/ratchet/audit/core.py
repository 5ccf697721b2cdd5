"""Run every policy over the rows and add up what it earns."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from ratchet.audit.policies import BARE, REASONED, TARGET, Knowledge, completions, prompt_text
from ratchet.audit.scoring import Component, Scorer
from ratchet.errors import UserError
from ratchet.rewards import raised, validate_task
from ratchet.tasks.answers.phrases import any_of, compiled
from ratchet.tasks.base import Grade, Probe, Row, Task

_PLACEHOLDER = compiled(
    any_of(
        r"\[[^\]\n]*(?:\]|$)",
        r"\bto be generated\b",
        r"\b(?:TODO|TBD|FIXME)\b",
        r"^\W*$",
        r"^(?:n/?a|none|null|nan|unknown)$",
    ),
    ignore_case=True,
)


@dataclass
class Line:
    """What one policy earned, added up over the rows it has a completion for."""

    name: str
    kind: str
    n: int = 0
    total: float = 0.0
    correct: int = 0
    parts: list[float] = field(default_factory=list)
    example: str = ""
    """The first completion that was graded right, else the first."""

    @property
    def mean(self) -> float:
        """Mean total reward."""
        return self.total / max(1, self.n)

    @property
    def share(self) -> float:
        """Share graded correct."""
        return self.correct / max(1, self.n)


@dataclass
class Tally:
    """Everything the findings are made from."""

    components: Sequence[Component]
    known: Knowledge
    lines: dict[str, Line] = field(default_factory=dict)
    low: list[float] = field(default_factory=list)
    """Lowest value of each component over everything."""
    high: list[float] = field(default_factory=list)
    unreached: list[list[str]] = field(default_factory=list)
    """For each component, the rows on which no policy reached its highest value."""
    underpaid: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Honest policy -> rows on which a goal stays below its highest value."""
    unjudged: list[tuple[str, str, float]] = field(default_factory=list)
    """Honest policy, row and value of a goal whose highest value nobody states."""
    costly: list[str] = field(default_factory=list)
    """Rows on which reasoning lowers the reward of a right answer."""
    leaked: list[str] = field(default_factory=list)
    placeholders: list[str] = field(default_factory=list)
    prompts: dict[str, dict[str, str]] = field(default_factory=dict)
    """Prompt -> gold -> row."""
    rows: int = 0
    boilerplate: frozenset[str] = frozenset()
    """Lines that stand in many prompts: instructions, not questions."""

    @property
    def gold(self) -> float:
        """Mean reward of the target text."""
        return self.lines[TARGET].mean


def tally(task: Task, rows: Sequence[Row], scorer: Scorer, limit: int | None) -> Tally:
    """Grade and reward every policy's completion of every row.

    Args:
        limit: longest completion in tokens; lengths are estimated.

    Raises:
        UserError: for code of the task or of a reward that raises or returns what it must not.
    """
    if not rows:
        raise UserError(f"{task.name} has no rows to audit")
    validate_task(task, [], rows)
    known = Knowledge.of(task, rows, limit)
    count = len(scorer.components)
    found = Tally(
        components=scorer.components,
        known=known,
        low=[float("inf")] * count,
        high=[float("-inf")] * count,
        unreached=[[] for _ in range(count)],
    )
    prompts = [prompt_text(task, row) for row in rows]
    found.boilerplate = _boilerplate(prompts)
    for row, prompt in zip(rows, prompts, strict=True):
        probes, grades = _graded(task, row, known)
        rewards = scorer.scores(row, [probe.text for probe in probes], grades)
        _add(found, row, probes, grades, rewards)
        _inspect(found, task, row, prompt)
        found.rows += 1
    # where no range is stated, the highest value seen is what gold should earn
    for policy, place, value in found.unjudged:
        if value < max(found.high) - 1e-6:
            found.underpaid[policy].append(place)
    return found


def _boilerplate(prompts: Sequence[str]) -> frozenset[str]:
    """Lines that three prompts and a twentieth of all have in common."""
    counts = Counter(line for prompt in prompts for line in set(prompt.split("\n")))
    enough = max(3, 0.05 * len(prompts))
    return frozenset(line for line, count in counts.items() if count >= enough)


def _graded(task: Task, row: Row, known: Knowledge) -> tuple[list[Probe], list[Grade]]:
    what = "the prompt or a probe"
    try:
        probes = completions(task, row, known)
        what = f"{task.name}.grade"
        grades = [task.grade(probe.text, row) for probe in probes]
    except Exception as error:  # the task's own code may raise anything
        raise raised(what, row, error) from error
    for grade in grades:
        if not isinstance(grade, Grade):
            raise UserError(
                f"{task.name}.grade of row {row['id']} returns a {type(grade).__name__}, not a ratchet.tasks.Grade"
            )
        for name, value in grade.components.items():
            if not 0 <= value <= 1:
                raise UserError(
                    f"{task.name}.grade of row {row['id']}: component {name} is {value}, "
                    "and components lie between 0 and 1"
                )
    return probes, grades


def _add(
    found: Tally, row: Row, probes: Sequence[Probe], grades: Sequence[Grade], rewards: Sequence[Sequence[float]]
) -> None:
    weights = [component.weight for component in found.components]
    best, totals = [float("-inf")] * len(weights), {}
    for probe, grade, values in zip(probes, grades, rewards, strict=True):
        line = found.lines.get(probe.name)
        if line is None:
            line = Line(probe.name, probe.kind, parts=[0.0] * len(weights), example=probe.text)
            found.lines[probe.name] = line
        total = 0.0
        for i, value in enumerate(values):
            total += weights[i] * value
            line.parts[i] += value
            best[i] = max(best[i], value)
            found.low[i], found.high[i] = min(found.low[i], value), max(found.high[i], value)
        if grade.correct and not line.correct:
            line.example = probe.text
        line.n, line.total, line.correct = line.n + 1, line.total + total, line.correct + grade.correct
        totals[probe.name] = total
        if probe.kind == "gold":
            _judge(found, probe.name, str(row["id"]), values)
    for i, component in enumerate(found.components):
        if component.high is not None and best[i] < component.high - 1e-6:
            found.unreached[i].append(str(row["id"]))
    if totals[REASONED] < max(totals[BARE], totals[TARGET]) - 1e-6:
        found.costly.append(str(row["id"]))


def _judge(found: Tally, policy: str, place: str, values: Sequence[float]) -> None:
    """Note where a right answer earns less of a goal than there is."""
    goals = [(component, value) for component, value in zip(found.components, values, strict=True) if component.goal]
    if any(component.high is not None and value < component.high - 1e-6 for component, value in goals):
        found.underpaid[policy].append(place)
    found.unjudged += [(policy, place, value) for component, value in goals if component.high is None]


def _inspect(found: Tally, task: Task, row: Row, prompt: str) -> None:
    """What can be wrong with a row itself."""
    gold = task.gold(row)
    found.prompts.setdefault(prompt, {}).setdefault(gold, str(row["id"]))
    if _PLACEHOLDER.search(gold):
        found.placeholders.append(str(row["id"]))
    asked = "\n".join(line for line in prompt.split("\n") if line not in found.boilerplate)
    # where the answers are few, as letters are, each of them stands in every prompt
    if not task.answers and len(gold) > 1 and _names(asked, gold):
        found.leaked.append(str(row["id"]))


def _names(prompt: str, gold: str) -> bool:
    """Whether an answer stands in a prompt as a word; an answer in lower case in any case."""
    prompt = prompt.casefold() if gold.islower() else prompt
    return re.search(rf"(?<!\w){re.escape(gold)}(?!\w)", prompt) is not None
