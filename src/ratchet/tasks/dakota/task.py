r"""Dakota: translation and morphology after S. R. Riggs's nineteenth-century grammar.

Dakota is the language of living communities. The rows are exercises from a historical book, published in machine-made
form and never reviewed by speakers; a model trained on them is a model of that book, not of Dakota as it is spoken.

A row after cleaning (``cleaning.py``):

    {"kind": "affix_insertion", "question": "Insert the Dakota affix(es) into the base form:\n\nBase form: waśte ...",
     "form": "waśte", "answers": ["wićawaśte", "wićawaśte (goodness)"], "language": "dakota", "affixes": ["wića-"],
     "difficulty": "medium", "rule": "grammar_p30_r6", "page": 58, "checkable": True, ...}

The answer may be reasoned towards freely; what counts is the committed one (``answers/text.py``), under documented
normalisation (``orthography.py``), and what it is worth is in ``grading.py``.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from ratchet.errors import UserError
from ratchet.tasks.answers.text import read_written_answer
from ratchet.tasks.base import Grade, Message, Probe, Row, Split, Task, completion_text
from ratchet.tasks.dakota import paradigms as dakota_paradigms
from ratchet.tasks.dakota import rows as dakota_rows
from ratchet.tasks.dakota.conversion import CHECKABLE, converted
from ratchet.tasks.dakota.grading import PARTS, WEIGHTS, components, score
from ratchet.tasks.dakota.orthography import Orthography, normalise
from ratchet.tasks.loading import at_most, capped, count_lines

INSTRUCTION = (
    'Reason first if it helps. Then write the answer, and nothing else, on a last line, as in "Final answer: ...".'
)
_FORMAT = re.compile(r"(?:\A|\n)Final answer: (?!\s)([^\n]+)\s*\Z")
_OPENINGS = (
    "Translate this Dakota",
    "Apply this Dakota",
    "Insert the Dakota",
    "Dakota verb:",
    "Dakota noun:",
    "Write this number",
    "Write this Dakota number",
)
_DIFFICULTIES = ("easy", "medium", "hard", "advanced")


@dataclass
class Generated:
    """Which exercises are made (``data.source: generated``; see ``paradigms.py``)."""

    families: tuple[str, ...] = dakota_paradigms.FAMILIES
    """Which of verbs, nouns, doubled, numbers."""
    careless_share: float = 0.0
    """Share of the training rows whose SFT target is typed without special letters, as much digitised text is."""


@dataclass
class Dakota(Task):
    """Dakota grammar exercises. The fields are the keys of the recipe's ``data`` group."""

    source: str | None = None
    """A folder with the published grammar_tasks_*.jsonl, or one that ratchet prepare wrote, a data set on the Hub
    ("owner/name"), or "generated". Without it: the folder in DAKOTA_DATA_DIR. Nothing else is ever tried."""
    revision: str | None = None
    """Revision of the Hub data set."""
    train_split: Literal["train", "validation", "test"] = "train"
    """Which split is trained on."""
    kinds: tuple[str, ...] | None = None
    """Only these kinds of row, for instance [affix_insertion, morphology]; null takes all that can be checked."""
    difficulties: tuple[str, ...] | None = None
    """Only these of easy, medium, hard, advanced."""
    unchecked: bool = False
    """Also training rows whose answer cannot be checked. For SFT only."""
    bad_rows: Literal["stop", "drop"] = "stop"
    """What a line that is no row does: stops the run, or is dropped and counted."""
    held_out: float = 0.1
    """Share of the rows for validation, and for test, where the published rows are split here."""
    max_train: int | None = None
    """At most so many training rows, drawn with ``seed``."""
    max_validation: int | None = None
    """At most so many validation rows."""
    max_test: int | None = None
    """At most so many test rows."""
    seed: int = 42
    """Seed of the split, the caps, and the order of generated rows."""
    orthography: Orthography = "riggs"
    """"riggs" compares letters as they are written, "modern" takes spellings of one letter (ś ṡ š, ź ż ž, ġ ǧ, ḣ ȟ and
    the like) for one."""
    weights: dict[str, Any] | None = None
    """Kind of row -> {exact, chrf, special, affix, semantic: weight}, instead of ``grading.WEIGHTS``."""
    instruction: str = INSTRUCTION
    """Stands after every question; may be empty."""
    system_prompt: str | None = None
    """A system message before every prompt."""
    generated: Generated = field(default_factory=Generated)
    """Settings of ``source: generated``."""

    name = "dakota"

    def __post_init__(self) -> None:
        self.source = self.source or os.environ.get("DAKOTA_DATA_DIR")
        self._weights = _checked_weights(self.weights)
        for key, allowed in (("kinds", CHECKABLE), ("difficulties", _DIFFICULTIES)):
            unknown = [name for name in getattr(self, key) or () if name not in allowed]
            if unknown:
                raise UserError(f"data.{key}: unknown {', '.join(unknown)}; choose from {', '.join(allowed)}")
        if not 0 < self.held_out < 0.5:
            raise UserError(f"data.held_out must lie between 0 and 0.5; it is {self.held_out}")

    @property
    def label(self) -> str:
        """Generated exercises are not the published rows, and no figure may look as if they were."""
        return "generated Dakota exercises" if self.source == "generated" else self.name

    def load(self, split: str) -> Split:
        """Cleaned rows with an answer that can be checked; with ``unchecked``, training rows without one too."""
        if not self.source:
            raise UserError(
                "data.source is missing: name the folder of the published tasks, or generated (see the README, Dakota)"
            )
        rows, notes = self._rows(split)
        total = len(rows)
        rows = [row for row in rows if row["checkable"] or (self.unchecked and split == self.train_split)]
        if len(rows) < total:
            notes.append(
                f"left out {total - len(rows)} {split} rows whose answer cannot be checked "
                "(data.unchecked takes them in, for SFT)"
            )
        rows = [row for row in rows if not self.kinds or row["kind"] in self.kinds]
        rows = [row for row in rows if not self.difficulties or row["difficulty"] in self.difficulties]
        if not rows:
            named = [f"data.{key}" for key in ("kinds", "difficulties") if getattr(self, key)]
            raise UserError(f"the {split} split has no rows{' with this ' + ' and '.join(named) if named else ''}")
        return Split(capped(rows, getattr(self, f"max_{split}"), self.seed), notes)

    def cluster(self, row: Row) -> str | None:
        """Exercises on one stem, or on one grammar rule: who knows one of them, likely knows the others."""
        return row.get("stem") or row.get("rule") or None

    def count(self, split: str) -> int | None:
        """Rows that are generated, or prepared and not yet narrowed to ``kinds`` and ``difficulties``.

        None for published rows: they are split only when they are read.
        """
        if self.source == "generated":
            return len(self.load(split).rows)
        file = Path(self.source or "").expanduser() / f"{split}.jsonl"
        return at_most(count_lines(file) if file.is_file() else None, getattr(self, f"max_{split}"))

    def _rows(self, split: str) -> tuple[list[Row], list[str]]:
        if self.source == "generated":
            rows = dakota_paradigms.exercises(split, self.generated.families, self.seed, self.generated.careless_share)
            return rows, [f"made {len(rows)} {split} exercises from the facts in ratchet.tasks.dakota.facts"]
        folder = Path(self.source).expanduser()
        if (folder / dakota_rows.MANIFEST).is_file():
            return dakota_rows.read_prepared(folder, split), []
        cleaning = dakota_rows.cleaned(self.source, self.revision, self.bad_rows)
        return dakota_rows.split_rows(cleaning.rows, self.held_out, self.seed)[split], cleaning.notes()

    def prepare(self, folder: Path) -> list[str]:
        """Clean and split the published rows and write them, a report and a manifest into ``folder``.

        Returns:
            What was done, a sentence each.
        """
        if not self._is_published():
            raise UserError(
                f"data.source: {self.source} holds no published rows to prepare; "
                "name the folder of grammar_tasks_*.jsonl"
            )
        return dakota_rows.prepare(self.source, self.revision, self.bad_rows, self.held_out, self.seed, folder)

    def _is_published(self) -> bool:
        if not self.source or self.source == "generated":
            return False
        return not (Path(self.source).expanduser() / dakota_rows.MANIFEST).is_file()

    def messages(self, row: Row) -> list[Message]:
        """One user message: the question, and the instruction where the answer can be checked."""
        text = f"{row['question']}\n\n{self.instruction}" if self.instruction and row["checkable"] else row["question"]
        system = [{"role": "system", "content": self.system_prompt}] if self.system_prompt else []
        return [*system, {"role": "user", "content": text}]

    def commit(self, answer: str, row: Row) -> str:
        """The line that the instruction asks for."""
        return f"Final answer: {answer}" if row.get("checkable", True) else answer

    def target(self, row: Row) -> str:
        """The first accepted answer (of generated rows: as it is typed), on the line that the instruction asks for."""
        return self.commit(row.get("typed") or row["answers"][0], row)

    def gold(self, row: Row) -> str:
        """The first accepted answer, normalised."""
        return normalise(row["answers"][0], self.orthography)

    def grade(self, completion: str | Sequence[Message], row: Row) -> Grade:
        """See ``grading.py``; a row as published (prompt, answer, info) is taken too.

        Components: those of ``grading.components``; ``score``; ``answered`` (there is a committed answer); ``format``
        (it stands on the last line as the instruction asks).
        """
        asked = row.get("question") or row.get("prompt")
        if "answers" not in row:
            row, _ = converted(row)
        text = completion_text(completion)
        # copying some lines of the question commits to none of them
        echo = isinstance(asked, str) and "\n" in text.strip() and text.strip() in asked
        answer = None if echo else read_written_answer(text, _OPENINGS)
        line = _FORMAT.search(text, max(0, len(text) - 700))
        found = components(answer or "", row, self.orthography)
        kind = self._weights.get(row["kind"]) or self._weights["morphology"]
        found["score"] = score(found, row, kind, self.orthography) if answer else 0.0
        found["correct"] = found["exact"]
        found["answered"] = float(answer is not None)
        found["format"] = float(answer is not None and line is not None)
        return Grade(bool(found["exact"]), normalise(answer, self.orthography) if answer else None, found)

    def dressed(self, row: Row) -> Mapping[str, str]:
        """The answer as models write it."""
        answer = row["answers"][0]
        return {
            "bare": answer,
            "boxed": f"Putting the parts together gives \\boxed{{{answer}}}.",
            "in tags": f"<think>A prefix, I think.</think>\n<answer>{answer}</answer>",
            "in bold": f"This follows from the rule.\n\n**{answer}**",
            "said": f"So the answer is {answer}.",
        }

    def probes(self, row: Row) -> Iterator[Probe]:
        """Hacks that only make sense for words: affixes on wrong stems, special letters, the form itself."""
        gold, form = row["answers"][0], row["form"]
        specials = Counter(c for c in gold if not c.isascii() and c.isalpha())
        yield Probe("the form itself", "ignorant", self.commit(form, row))
        if specials:
            yield Probe(
                "special letters sprinkled", "hack", "Dakota has letters of its own. " + " ".join(specials.elements())
            )
            yield Probe("special letters as the answer", "hack", self.commit("".join(specials.elements()), row))
        for affix in row["affixes"][:1]:
            bare = affix.strip("-")
            wrong = f"wićo{bare}" if affix.startswith("-") else f"{bare}tokeća"
            if normalise(wrong) != normalise(gold):
                yield Probe("right affix on a wrong stem", "hack", self.commit(wrong, row))


def _checked_weights(own: Mapping[str, Any] | None) -> Mapping[str, Mapping[str, float]]:
    """The default weights, with the recipe's instead of those that it names.

    Raises:
        UserError: for an unknown kind or component, a weight that is no number of at least 0, or too little for exact.
    """
    found = dict(WEIGHTS)
    for kind, weights in (own or {}).items():
        if kind not in CHECKABLE:
            raise UserError(f"data.weights: unknown kind {kind}; choose from {', '.join(CHECKABLE)}")
        if not isinstance(weights, Mapping) or not weights:
            raise UserError(f"data.weights.{kind} is a group, for instance {{exact: 0.6, chrf: 0.4}}")
        for name, weight in weights.items():
            _check_weight(kind, name, weight)
        if 2 * weights.get("exact", 0.0) < sum(weights.values()) or not any(weights.values()):
            raise UserError(
                f"data.weights.{kind}.exact must be at least half of all weights, "
                "or a wrong answer comes too near to a right one"
            )
        found[kind] = dict(weights)
    return MappingProxyType(found)


def _check_weight(kind: str, name: str, weight: Any) -> None:
    known = ("exact", *PARTS)
    if name not in known:
        raise UserError(f"data.weights.{kind}: unknown component {name}; choose from {', '.join(known)}")
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or weight < 0:
        raise UserError(f"data.weights.{kind}.{name} must be a number of at least 0; it is {weight}")
