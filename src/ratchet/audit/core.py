"""Run every policy over the rows and add up what it earns."""

import math
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ratchet.audit.helpers import shared_out
from ratchet.audit.policies import ASKED, REASONED, TARGET, Knowledge, completions, prompt_text
from ratchet.audit.scoring import Component, Scorer
from ratchet.audit.watched import Beat, silent
from ratchet.errors import UserError
from ratchet.rewards import raised, validate_task
from ratchet.tasks.answers.phrases import any_of, compiled
from ratchet.tasks.base import Grade, Probe, Row, Task

CHUNK = 16  # rows whose completions are mixed
FIRST = 4  # rows that are audited first
BATCH = 64  # completions in one call of a reward
REPEATED = 48  # rows that are rewarded twice

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
    unsteady: dict[str, str] = field(default_factory=dict)
    """Row -> a policy whose completion earned something else in another batch."""
    rows: int = 0
    asked: int = 0
    """Rows that were to be audited; more than ``rows`` where time was up."""
    boilerplate: frozenset[str] = frozenset()
    """Lines that stand in many prompts: instructions, not questions."""

    @property
    def gold(self) -> float:
        """Mean reward of an honest right answer; of goals paid in full, where a task names none."""
        for name in (TARGET, ASKED):
            if name in self.lines and self.lines[name].n:
                return self.lines[name].mean
        return sum(c.weight * (c.high if c.high is not None else 1.0) for c in self.components if c.goal)


class Answered(NamedTuple):
    """A row with the completion of every policy, graded."""

    row: Row
    probes: Sequence[Probe]
    grades: Sequence[Grade]


class Chunk(NamedTuple):
    """Some rows, audited: what is added up of them."""

    start: int
    answered: Sequence[Answered]
    rewards: Sequence[Sequence[Sequence[float]]]
    """Of each row, of each completion, of each component."""
    unsteady: dict[str, str]
    golds: Sequence[str | None]


def tally(
    task: Task,
    rows: Sequence[Row],
    scorer: Scorer,
    limit: int | None,
    seconds: float = math.inf,
    timeout: float = math.inf,
    beat: Beat = silent,
) -> Tally:
    """Grade and reward every policy's completion of every row.

    Args:
        limit: longest completion in tokens; lengths are estimated.
        seconds: after so many no further rows are begun; ``Tally.rows`` says how many were audited.
        timeout: seconds that one call of a task or a reward may take, where the work is shared out to processes.
        beat: is told what is being done, each time before code of a task or a reward is called.

    Raises:
        UserError: for code of the task or of a reward that raises or returns what it must not.
    """
    if not rows:
        raise UserError(f"{task.name} has no rows to audit")
    beat(f"calling {task.name} on its first rows")
    validate_task(task, [], rows)
    prompts = {str(row["id"]): prompt_text(task, row) for row in rows}
    known = Knowledge.of(task, rows, prompts, limit)
    found = _empty(scorer, known, len(rows))
    found.boilerplate = _boilerplate([*prompts.values()])

    def audited(span: range, beat: Beat) -> Chunk:
        answered = [Answered(rows[i], *_graded(task, rows[i], known, beat)) for i in span]
        rewards, unsteady = _rewarded(scorer, answered, span.start, beat)
        return Chunk(span.start, answered, rewards, unsteady, [task.gold(one.row) for one in answered])

    for chunk in _chunks(audited, len(rows), seconds, timeout, beat):
        found.rows += len(chunk.answered)
        found.unsteady |= chunk.unsteady
        for one, rewards, gold in zip(chunk.answered, chunk.rewards, chunk.golds, strict=True):
            _add(found, one.row, one.probes, one.grades, rewards)
            _inspect(found, task, one.row, prompts[str(one.row["id"])], gold)
    # where no range is stated, the highest value seen is what gold should earn
    for policy, place, value in found.unjudged:
        if value < max(found.high) - 1e-6:
            found.underpaid[policy].append(place)
    return found


def _chunks(
    audited: Callable[[range, Beat], Chunk], count: int, seconds: float, timeout: float, beat: Beat
) -> list[Chunk]:
    """The audited rows in their order; the first few show how long a row takes, and so how to share out the others."""
    began = time.monotonic()
    done = [audited(range(min(FIRST, count)), beat)]
    each = (time.monotonic() - began) / FIRST
    # Of rows that take long few make a chunk: one that is begun is done to its end, whatever the time.
    size = max(1, min(CHUNK, int(seconds / 10 / each))) if math.isfinite(seconds) else CHUNK
    spans = [range(start, min(start + size, count)) for start in range(FIRST, count, size)]
    rows = len(done[0].answered)

    def counting(doing: str) -> None:  # called for every completion
        beat(f"{doing} ({rows} of {count} rows audited)")

    for chunk in shared_out(audited, spans, each * count, began + seconds, timeout, counting):
        done.append(chunk)
        rows += len(chunk.answered)
    return sorted(done, key=lambda chunk: chunk.start)


def _empty(scorer: Scorer, known: Knowledge, asked: int) -> Tally:
    count = len(scorer.components)
    return Tally(
        components=scorer.components,
        known=known,
        low=[math.inf] * count,
        high=[-math.inf] * count,
        unreached=[[] for _ in range(count)],
        asked=asked,
    )


def _rewarded(
    scorer: Scorer, answered: Sequence[Answered], start: int, beat: Beat
) -> tuple[list[list[list[float]]], dict[str, str]]:
    """The rewards of each row's completions, from batches in which rows are mixed, as training mixes them.

    And the rows with a completion that earned something else in another batch.

    The first rows are rewarded once more in other batches and another order: what a completion earns must not depend
    on what stands beside it, nor on how often it was asked.
    """
    places = [(i, j) for i, one in enumerate(answered) for j in range(len(one.probes))]
    values = _in_batches(scorer, answered, places, random.Random(start), BATCH, beat)
    unsteady: dict[str, str] = {}
    if start < REPEATED:
        again = _in_batches(scorer, answered, places, random.Random(-1 - start), BATCH // 2 + 1, beat)
        for place in places:
            if not all(map(_alike, values[place], again[place])):
                one = answered[place[0]]
                unsteady.setdefault(str(one.row["id"]), one.probes[place[1]].name)
    return [[values[i, j] for j in range(len(one.probes))] for i, one in enumerate(answered)], unsteady


def _in_batches(
    scorer: Scorer,
    answered: Sequence[Answered],
    places: Sequence[tuple[int, int]],
    rng: random.Random,
    size: int,
    beat: Beat,
) -> dict[tuple[int, int], list[float]]:
    order = rng.sample(places, len(places))
    values = {}
    for first in range(0, len(order), size):
        batch = order[first : first + size]
        beat(f"rewarding {len(batch)} completions of row {answered[batch[0][0]].row['id']} and others")
        scores = scorer.scores(
            [answered[i].row for i, _ in batch],
            [answered[i].probes[j].text for i, j in batch],
            [answered[i].grades[j] for i, j in batch],
            beat,
        )
        values.update(zip(batch, scores, strict=True))
    return values


def _alike(first: float, second: float) -> bool:
    return math.isclose(first, second, abs_tol=1e-6) or (math.isnan(first) and math.isnan(second))


def _boilerplate(prompts: Sequence[str]) -> frozenset[str]:
    """Lines that three prompts and a twentieth of all have in common."""
    counts = Counter(line for prompt in prompts for line in set(prompt.split("\n")))
    enough = max(3, 0.05 * len(prompts))
    return frozenset(line for line, count in counts.items() if count >= enough)


def _graded(task: Task, row: Row, known: Knowledge, beat: Beat) -> tuple[list[Probe], list[Grade]]:
    what = "the prompt or a probe"
    beat(f"asking for the probes of row {row['id']}")
    try:
        probes = completions(task, row, known)
        what = f"{task.name}.grade"
        grades = []
        for probe in probes:
            beat(f"grading row {row['id']}")
            grades.append(task.grade(probe.text, row))
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
            if math.isnan(value):  # the reward does not apply
                continue
            total += weights[i] * value
            line.parts[i] += value
            best[i] = max(best[i], value)
            found.low[i], found.high[i] = min(found.low[i], value), max(found.high[i], value)
        if grade.correct and not line.correct:
            line.example = probe.text
        line.n, line.total, line.correct = line.n + 1, line.total + total, line.correct + grade.correct
        totals[probe.name] = total
        if probe.kind == "gold":
            _judge(found, probe.name, f"{row['id']}: {grade.why}" if grade.why else str(row["id"]), values)
    for i, component in enumerate(found.components):
        if component.high is not None and best[i] < component.high - 1e-6:
            found.unreached[i].append(str(row["id"]))
    short = [totals[name] for name in (ASKED, TARGET) if name in totals]
    if REASONED in totals and totals[REASONED] < max(short) - 1e-6:
        found.costly.append(str(row["id"]))


def _judge(found: Tally, policy: str, place: str, values: Sequence[float]) -> None:
    """Note where a right answer earns less of a goal than there is."""
    pairs = zip(found.components, values, strict=True)
    goals = [(component, value) for component, value in pairs if component.goal and not math.isnan(value)]
    if any(component.high is not None and value < component.high - 1e-6 for component, value in goals):
        found.underpaid[policy].append(place)
    found.unjudged += [(policy, place, value) for component, value in goals if component.high is None]


def _inspect(found: Tally, task: Task, row: Row, prompt: str, gold: str | None) -> None:
    """What can be wrong with a row itself."""
    if not gold and not found.known.golds:  # nothing but a verifier
        return
    gold = gold or ""
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
