"""Cleaning the published Dakota grammar tasks: what is dropped, what is mended, and why, a reason for every row.

A published row, made by a machine from a page of Riggs's grammar and reviewed by nobody:

    {"prompt": "Translate this Dakota sentence to English:\\n\\nwimaćaśta\\n\\nGloss: I am a man",
     "answer": "I am a man",
     "info": {"task_type": "word_translation", "rule_id": "grammar_p11_r3", "dakota_text": "wimaćaśta",
              "difficulty": "medium", "source_pages": [39], ...}}

The gloss line gives the answer away, so it goes; a row whose answer cannot be taken out of its prompt is dropped.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ratchet.tasks.base import Row
from ratchet.tasks.dakota.conversion import converted
from ratchet.tasks.dakota.faults import fault_of, unusable
from ratchet.tasks.dakota.orthography import content_words, normalise, skeleton


@dataclass
class Cleaning:
    """What was kept, and what happened to the rest."""

    rows: list[Row] = field(default_factory=list)
    dropped: Counter = field(default_factory=Counter)
    """Reason -> rows."""
    mended: Counter = field(default_factory=Counter)
    """What was mended -> rows; a row can count several times."""
    broken: list[str] = field(default_factory=list)
    """Rows that are no rows at all, by file and line."""
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Reason -> up to three of the rows, as text."""
    read: int = 0

    def drop(self, reason: str, example: str, rows: int = 1) -> None:
        """Count rows that are not kept."""
        self.dropped[reason] += rows
        if len(self.examples[reason]) < 3:
            self.examples[reason].append(example)

    def notes(self) -> list[str]:
        """A sentence per finding."""
        checkable = sum(row["checkable"] for row in self.rows)
        lines = [f"kept {len(self.rows)} of {self.read} rows ({checkable} with an answer that can be checked)"]
        lines += [f"dropped {count}: {reason}" for reason, count in self.dropped.most_common()]
        return lines + [f"mended {count}: {reason}" for reason, count in self.mended.most_common()]


def clean(raw: Iterable[tuple[str, Any]]) -> Cleaning:
    """Clean published rows.

    Args:
        raw: ("file:line", parsed row or the error of a line that is not JSON).
    """
    found = Cleaning()
    kept: list[Row] = []
    for place, published in raw:
        found.read += 1
        fault = fault_of(published)
        if fault:
            found.drop(fault, f"{place}: {str(published)[:160]}")
            if fault.startswith(("not a row", "empty prompt", "unknown task_type")):
                found.broken.append(f"{place}: {fault}")
            continue
        row, mended = converted(published)
        reason = unusable(published, row)
        if reason:
            found.drop(reason, f"{place}: {row['question'][-120:]!r} => {published['answer'][:80]!r}")
            continue
        found.mended.update(mended)
        kept.append(row)
    found.rows = list(_merged(kept, found))
    return found


def _merged(rows: list[Row], found: Cleaning) -> Iterable[Row]:
    """One row per prompt.

    Answers that are variants become one accepted set; answers that contradict each other drop the prompt.
    """
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        # typists wrote one letter in several ways (ś, š): a prompt that was typed twice is one prompt
        groups[normalise(row["question"], "modern")].append(row)
    for group in groups.values():
        first = group[0]
        if len(group) == 1:
            yield first
        elif all(_variants(row, group) for row in group):
            answers = list(dict.fromkeys(answer for row in group for answer in row["answers"]))
            several = "same prompt with variants of one answer: merged"
            reason = several if len(answers) > 1 else "same prompt and answer: kept once"
            found.mended[reason] += len(group) - 1
            yield {**first, "answers": answers}
        else:
            shown = " | ".join(dict.fromkeys(row["answers"][0] for row in group))
            found.drop(
                "one prompt with answers that contradict each other",
                f"{first['question'][-80:]!r} => {shown[:160]}",
                len(group),
            )


def _variants(row: Row, group: list[Row]) -> bool:
    """Whether the row's answer is a variant of the group's first: one word typed twice, or English of the same sense.

    English answers have the same sense where they name the same persons and share half of the shorter one's words.
    """
    mine, first = row["answers"][0], group[0]["answers"][0]
    if skeleton(mine) == skeleton(first):
        return True
    if row["language"] != "english":
        return False
    persons, words = _sense(mine)
    first_persons, first_words = _sense(first)
    if persons != first_persons:
        return False
    if not words or not first_words:
        return words == first_words
    return len(words & first_words) >= 0.5 * min(len(words), len(first_words))


_PERSONS = frozenset(
    "i me my mine we us our ours thou thee thy thine ye you your yours "
    "he him his she her hers they them their will not".split()
)


def _sense(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Who does it to whom, and the other words; "to walk" and "he walks" are two ways to name a verb."""
    words = frozenset(content_words(text))
    persons = words & _PERSONS
    return (frozenset() if persons <= {"he"} else persons), words - _PERSONS
