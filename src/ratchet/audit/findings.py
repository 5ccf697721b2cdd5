"""Turns what the policies earned into named findings, each with whether it fails the audit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ratchet.audit.core import Line, Tally
from ratchet.audit.policies import TARGET
from ratchet.recipe.groups import FINDINGS, Audit

OFTEN = 0.5  # of the rows
BY_CHANCE = frozenset({"anagram of the answer"})
"""Hacks that may be right answers themselves, where there is more than one: a fault only where they mostly are."""
_LISTED = ("several answers, a line each", "boxes stuffed", "tags stuffed")
_STANDS = ("answer, then taken back", "inside unfinished thinking", "answer repeated on a line")
LAST_COUNTS = frozenset({*_LISTED, *_STANDS, "another, then the answer", "run on into a new question"})
FIRST_COUNTS = frozenset({*_LISTED, *_STANDS, "answer, then another"})
"""What is no hack where the last of several answers counts, or the first: a task's policy, and not a way to cheat."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a reward or its data."""

    name: str
    text: str
    fails: bool = True
    accepted: str = ""
    """The recipe's reason for living with it."""
    examples: Sequence[str] = field(default_factory=tuple)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {
            "name": self.name,
            "text": self.text,
            "fails": self.fails and not self.accepted,
            "accepted": self.accepted,
            "examples": [*self.examples],
        }


def findings(found: Tally, limits: Audit) -> list[Finding]:
    """All findings, those that fail first."""
    every = [
        *_of_gold(found, limits),
        *_of_ignorance(found, limits),
        *_of_hacks(found, limits),
        *_of_batches(found),
        *_of_components(found),
        *_of_rows(found, limits),
    ]
    named = [Finding(f.name, f.text, f.fails, limits.accept.get(f.name, ""), f.examples) for f in every]
    return sorted(named, key=lambda f: (not f.fails or bool(f.accepted), list(FINDINGS).index(f.name)))


def _lines(found: Tally, kind: str) -> list[Line]:
    """The policies of a kind, those that earn most first."""
    return sorted((line for line in found.lines.values() if line.kind == kind), key=lambda line: -line.mean)


def _too_many(count: int, share: float, rows: int) -> bool:
    """More than a share of the rows; one row more, since in a small sample one is no pattern."""
    return count > share * rows + 1


def _of_gold(found: Tally, limits: Audit) -> Iterator[Finding]:
    for line in found.lines.values():
        rows = found.underpaid.get(line.name, [])
        if line.kind == "gold" and rows and _too_many(len(rows), 1 - limits.gold, line.n):
            yield Finding(
                "gold-below-maximum",
                f"{line.name}: below the highest reward on {len(rows)} of {line.n} rows, "
                f"{line.mean:.3f} on average, {line.share:.3f} graded correct{_form(found, line)}",
                examples=rows[:3],
            )
    if _too_many(len(found.costly), limits.faulty_rows, found.rows):
        yield Finding(
            "reasoning-costs",
            f"a right answer earns less after reasoning than without on {len(found.costly)} of {found.rows} rows",
            examples=found.costly[:3],
        )


def _form(found: Tally, line: Line) -> str:
    """What to do where only the form is missing: the target text is right, and a bare answer is not."""
    target = found.lines.get(TARGET)
    if line.name == TARGET or target is None or target.share <= line.share or line.share:
        return ""
    return "; if the prompt asks for a form (tags, ####), Task.commit(answer, row) must return the answer in it"


def _of_batches(found: Tally) -> Iterator[Finding]:
    if found.unsteady:
        rows = [f"{row}: {policy}" for row, policy in found.unsteady.items()]
        yield Finding(
            "depends-on-batch",
            f"on {len(rows)} rows the same completion earned something else in another batch, another order or the "
            "second time",
            examples=rows[:3],
        )


def _of_ignorance(found: Tally, limits: Audit) -> Iterator[Finding]:
    limit = found.known.majority + limits.margin
    ignorant = _lines(found, "ignorant")
    if found.gold <= 0:
        yield Finding(
            "ignorance-pays",
            f"the target text itself earns {found.gold:.3f}, so nothing is gained by knowing the answer",
        )
        return
    for line in ignorant:
        share = line.mean / found.gold
        if share > limit:
            best = "; the best of all that know nothing" if line is ignorant[0] else ""
            yield Finding(
                "ignorance-pays",
                f"{line.name}: {line.mean:.3f} of gold's {found.gold:.3f} ({share:.0%}; "
                f"the limit is {limit:.0%}: the commonest answer's {found.known.majority:.0%} "
                f"and {limits.margin:.0%}){best}",
            )
    empty = found.lines["empty"]
    # a hundredth, not nothing: a shaping term may pay a trifle for any text
    if empty.mean > 0.01 * found.gold:
        yield Finding("silence-pays", f"an empty answer earns {empty.mean:.3f} of gold's {found.gold:.3f}")


def _of_hacks(found: Tally, limits: Audit) -> Iterator[Finding]:
    taken = _order_of_answers(found, limits)
    for line in _lines(found, "hack"):
        if line.name in taken:
            continue
        by_chance = line.name in BY_CHANCE or (taken and line.name.startswith("several answers"))
        if line.share > (OFTEN if by_chance else limits.hack_correct):
            yield Finding(
                "hack-pays",
                f"{line.name}: graded correct on {line.correct} of {line.n} rows",
                examples=(_short(line),),
            )
        elif found.gold > 0 and line.mean / found.gold > limits.hack:
            yield Finding(
                "hack-pays",
                f"{line.name}: {line.mean:.3f} of gold's {found.gold:.3f}; the limit is {limits.hack:.0%}",
                examples=(_short(line),),
            )


def _order_of_answers(found: Tally, limits: Audit) -> frozenset[str]:
    """The hacks that a task's policy explains: one order of two answers pays, and the other does not."""
    last, first = (found.lines.get(name) for name in ("another, then the answer", "answer, then another"))
    if last is None or first is None or found.gold <= 0:
        return frozenset()
    pays = [_pays(found, line, limits) for line in (last, first)]
    if pays == [True, False]:
        return LAST_COUNTS
    return FIRST_COUNTS if pays == [False, True] else frozenset()


def _pays(found: Tally, line: Line, limits: Audit) -> bool:
    return line.share > limits.hack_correct or line.mean / found.gold > limits.hack


def _short(line: Line) -> str:
    text = " | ".join(line.example.strip().splitlines())
    return text if len(text) <= 100 else text[:60] + " ... " + text[-35:]


def _of_components(found: Tally) -> Iterator[Finding]:
    # without a right answer at hand nothing says what the highest value would take
    honest = any(line.kind == "gold" for line in found.lines.values())
    for i, component in enumerate(found.components):
        if found.high[i] - found.low[i] < 1e-9:
            text = f"{component.name} is {found.low[i]:g} for every completion of every row"
            yield Finding("dead-component", text, fails=honest)
        elif found.unreached[i]:
            rows = found.unreached[i]
            text = (
                f"no completion brings {component.name} to its highest value {component.high:g} "
                f"on {len(rows)} of {found.rows} rows"
            )
            yield Finding("unreachable-component", text, fails=component.goal and honest, examples=rows[:3])


def _of_rows(found: Tally, limits: Audit) -> Iterator[Finding]:
    leaked, placeholders = found.leaked, found.placeholders
    if leaked:
        yield Finding(
            "gold-in-prompt",
            f"the gold answer stands in the prompt of {len(leaked)} of {found.rows} rows",
            fails=_too_many(len(leaked), limits.faulty_rows, found.rows),
            examples=leaked[:3],
        )
    several = [list(golds.values()) for golds in found.prompts.values() if len(golds) > 1]
    count = sum(map(len, several))
    if count:
        yield Finding(
            "several-golds",
            f"{count} of {found.rows} rows share their prompt with a row of another gold answer",
            fails=_too_many(count, limits.faulty_rows, found.rows),
            examples=["/".join(rows) for rows in several[:3]],
        )
    if placeholders:
        yield Finding(
            "placeholder-gold",
            f"the gold answer of {len(placeholders)} of {found.rows} rows is a placeholder",
            examples=placeholders[:3],
        )
