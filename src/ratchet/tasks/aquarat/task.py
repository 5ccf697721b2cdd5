r"""AQuA-RAT: algebra word problems with five options (Ling et al., 2017, arXiv:1705.04146).

A row, as upstream has it:

    {"question": "A ship is leaving a port. It takes 240 seconds to pass through a 750m channel to get to the port
                  gates, and takes 60 seconds to pass through the gates of the port. What is its length?",
     "options": ["A)100 m", "B)150 m", "C)200 m", "D)250 m", "E)300 m"],
     "rationale": "Let the length of the ship be x metres and its speed be y m/sec. Then, x / y = 60 ...  Answer D",
     "correct": "D"}

The prompt asks for reasoning and then a last line with the answer; the supervised target is exactly that; ``grade``
reads the many other ways in which models answer.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ratchet.errors import UserError
from ratchet.tasks.answers.choice import find_answer, read_answer
from ratchet.tasks.answers.option_values import strip_label
from ratchet.tasks.answers.phrases import any_of, compiled
from ratchet.tasks.aquarat import rows as aquarat_rows
from ratchet.tasks.aquarat import word_problems
from ratchet.tasks.base import Grade, Message, Probe, Row, Split, Task, completion_text
from ratchet.tasks.loading import at_most, capped, count_lines, is_folder, read_hub

LETTERS = aquarat_rows.LETTERS
INSTRUCTION = (
    "Work the problem out step by step. "
    'Then write the letter of the right option on a last line of its own, as in "Answer: X".'
)
_WITHOUT_NETWORK = (
    "Without a network, download it once (https://github.com/google-deepmind/AQuA) "
    "and name the folder: --data.source FOLDER"
)
_ANSWER_LINE = re.compile(r"(?:\A|\n)Answer: ([A-E])\s*\Z")


def extract_answer(text: str, options: Sequence[str]) -> str | None:
    """The letter that a completion commits to, or None; ``tasks.answers.choice`` describes the rule and its cost.

    >>> options = ["A)100 m", "B)150 m", "C)200 m", "D)250 m", "E)300 m"]
    >>> extract_answer("It takes 60 s, so the answer is (D) 250 m.", options)
    'D'
    """
    return read_answer(text, options)


def grade(completion: str | Sequence[Message], row: Row) -> Grade:
    """Judge a completion against the row's gold letter.

    Components: ``correct``; ``answered`` (some letter is committed to); ``format`` (the last line is "Answer: " and
    that letter, as the prompt asks), each 0 or 1.

    >>> row = {"options": ["A)1", "B)2", "C)3", "D)4", "E)5"], "correct": "C"}
    >>> grade("1 + 2 = 3\\nAnswer: C", row).correct, grade("Answer: B or C", row).answer
    (True, None)
    """
    text = completion_text(completion)
    answer, span = find_answer(text, row["options"])
    line = _ANSWER_LINE.search(text, max(0, len(text) - 40))
    correct = answer is not None and answer == row["correct"]
    return Grade(
        correct=correct,
        answer=answer,
        components={
            "correct": float(correct),
            "answered": float(answer is not None),
            "format": float(answer is not None and line is not None and line[1] == answer),
        },
        span=span,
    )


ARGUING = 50  # closing lines of a rationale that may argue for another letter


@dataclass
class Generated:
    """How many problems are made, and how (``data.source: generated``; see ``word_problems``)."""

    train: int = 4_000
    """Training problems."""
    validation: int = 500
    """Held-out problems for choices made while training."""
    test: int = 1_000
    """Held-out problems for the final figure."""
    families: tuple[str, ...] = word_problems.PROBLEM_FAMILIES
    """Kinds of problem to draw from."""
    guess_share: float = 0.0
    """Share of training rows that give the answer without working."""
    wrong_share: float = 0.0
    """Share of those whose letter is wrong."""
    lookup_share: float = 0.0
    """Share of rows that only ask for the option with a given number, for a curriculum."""


@dataclass
class AquaRat(Task):
    """AQuA-RAT and everything in its format. The fields are the keys of the recipe's ``data`` group."""

    source: str | None = None
    """"deepmind/aqua_rat" or another data set on the Hub, a folder of JSON lines, or "generated". Without it: the
    folder in AQUA_DATA_DIR, else the Hub. What is named is used or the run stops; nothing else is tried."""
    revision: str | None = None
    """Revision of the Hub data set."""
    train_split: Literal["train", "validation", "test"] = "train"
    """Which split is trained on."""
    max_train: int | None = None
    """At most so many training rows, drawn with ``seed``."""
    max_validation: int | None = None
    """At most so many validation rows."""
    max_test: int | None = None
    """At most so many test rows."""
    seed: int = 42
    """Seed of the caps, and of generated problems."""
    bad_rows: Literal["stop", "drop"] = "stop"
    """What a row that is not as it should be does: stops the run, or is dropped and counted."""
    deduplicate: bool = True
    """Whether training rows with the same question and options are kept once."""
    overlap_ngram: int = 13
    """Training rows that share so many words in a row with a held-out question are removed; 0 keeps all."""
    instruction: str = INSTRUCTION
    """Stands after the options in every prompt; may be empty."""
    system_prompt: str | None = None
    """A system message before every prompt."""
    generated: Generated = field(default_factory=Generated)
    """Settings of ``source: generated``."""

    name = "aquarat"
    answers = tuple(LETTERS)

    def __post_init__(self) -> None:
        self.source = self.source or os.environ.get("AQUA_DATA_DIR") or aquarat_rows.HUB_DATASET

    @property
    def label(self) -> str:
        """Generated problems are not AQuA-RAT, and no figure may look as if they were."""
        return "generated word problems" if self.source == "generated" else self.name

    def load(self, split: str) -> Split:
        """Rows with id, question, options, rationale, correct, ambiguous; see the fields for what is done to them."""
        if self.source == "generated":
            rows = self._capped(self._generate(split), split)
            return Split(rows, [f"made {len(rows)} {split} problems (seed {self.seed})"])
        rows, notes = aquarat_rows.checked_rows(split, self._raw(split), self.bad_rows)
        if split == self.train_split:
            rows, more = self._cleaned(rows, split)
            notes += more
        return Split(self._capped(rows, split), notes)

    def count(self, split: str) -> int | None:
        """The number that is made, or published, or the lines of the file; repeats and overlaps are among them."""
        return at_most(self._count_before_cap(split), getattr(self, f"max_{split}"))

    def _count_before_cap(self, split: str) -> int | None:
        if self.source == "generated":
            return getattr(self.generated, split)
        if is_folder(self.source):
            return count_lines(aquarat_rows.file_of(Path(self.source).expanduser(), split))
        return aquarat_rows.PUBLISHED[split] if self.source == aquarat_rows.HUB_DATASET else None

    def messages(self, row: Row) -> list[Message]:
        """One user message: question, options a line each, instruction."""
        options = [f"{letter}) {strip_label(option)}" for letter, option in zip(LETTERS, row["options"], strict=False)]
        text = "\n".join([row["question"], *options])
        if self.instruction:
            text += f"\n\n{self.instruction}"
        system = [{"role": "system", "content": self.system_prompt}] if self.system_prompt else []
        return [*system, {"role": "user", "content": text}]

    def commit(self, answer: str, row: Row) -> str:
        """The line that the instruction asks for."""
        return f"Answer: {answer}"

    def target(self, row: Row) -> str:
        """The rationale without its own closing letter, then the answer line."""
        ending = f"Answer: {row['correct']}"
        lines = without_closing_letter(row["rationale"]).split("\n")
        for _ in range(ARGUING):
            if not any(lines):
                break
            text = "\n".join([*lines, ending])
            if read_answer(text, row["options"]) == row["correct"]:
                return text
            lines.pop()  # this line still argues for another letter
        return ending

    def gold(self, row: Row) -> str:
        """The gold letter."""
        return row["correct"]

    def grade(self, completion: str | Sequence[Message], row: Row) -> Grade:
        """See the module's ``grade``."""
        return grade(completion, row)

    def dressed(self, row: Row) -> Mapping[str, str]:
        """The letter as models write it."""
        gold = row["correct"]
        return {
            "bare": gold,
            "boxed": f"That leaves one option.\n\\boxed{{{gold}}}",
            "in tags": f"<think>Which one?</think>\n<answer>{gold}</answer>",
            "in bold": f"The final answer is **({gold})**.",
            "lower case": f"answer: {gold.lower()}",
            "with its value": f"Answer: {gold}) {strip_label(row['options'][LETTERS.index(gold)])}",
        }

    def options(self, row: Row) -> list[str]:
        """The options' texts, without their letters."""
        return [strip_label(option) for option in row["options"]]

    def probes(self, row: Row) -> Iterator[Probe]:
        """The options copied, and letters named without choosing one."""
        values = self.options(row)
        yield Probe("the options, copied", "ignorant", "\n".join(row["options"]))
        yield Probe("every value, no letter", "hack", "It could be " + ", ".join(values) + ".")
        yield Probe("letters sprinkled", "hack", "A train B left C at D with E.")

    def _raw(self, split: str) -> Iterator[tuple[str, Any]]:
        if is_folder(self.source):
            return aquarat_rows.read_folder(Path(self.source).expanduser(), split)
        if self.source.count("/") != 1:
            raise UserError(
                f"data.source: {self.source} is neither a folder here, "
                'nor a data set on the Hub (owner/name), nor "generated"'
            )
        return read_hub(self.source, self.revision, split, _WITHOUT_NETWORK, configuration="raw")

    def _generate(self, split: str) -> list[Row]:
        made = self.generated
        rows = word_problems.make_problems(
            split,
            getattr(made, split),
            self.seed,
            made.families,
            made.guess_share,
            made.wrong_share,
            made.lookup_share,
        )
        return [{"id": f"{split}-{i}", **row, "ambiguous": False} for i, row in enumerate(rows)]

    def _cleaned(self, rows: list[Row], split: str) -> tuple[list[Row], list[str]]:
        """Training rows without repeats and without those that overlap the other splits, where these are there."""
        notes = []
        if self.deduplicate:
            kept = aquarat_rows.without_duplicates(rows)
            notes.append(f"removed {len(rows) - len(kept)} repeated {split} rows of {len(rows)}")
            rows = kept
        if self.overlap_ngram and split == "train":
            for other in ("validation", "test"):
                rows, note = self._without_overlap(rows, other)
                notes.append(note)
        return rows, notes

    def _without_overlap(self, rows: list[Row], other: str) -> tuple[list[Row], str]:
        """Training rows that share no long run of words with a held-out split, and a note on the others."""
        try:
            held_out, _ = aquarat_rows.checked_rows(other, self._raw(other), "drop")
        except UserError as error:  # the folder may hold the training rows alone
            return rows, f"overlap with {other} not checked: {error}"
        kept = aquarat_rows.without_overlap(rows, held_out, self.overlap_ngram)
        removed = len(rows) - len(kept)
        return kept, f"removed {removed} train rows that share {self.overlap_ngram} words with {other}"

    def _capped(self, rows: list[Row], split: str) -> list[Row]:
        return capped(rows, getattr(self, f"max_{split}"), self.seed)


# How a rationale closes on its letter: "So the correct answer is (D).", "Hence option B is right", "=> C".
_CLOSING = compiled(
    any_of(
        r"(?:^|[\s.,;:!?)=>-])\W*"
        r"(?:(?:so|hence|thus|therefore|then|and|i think|i choose|clearly)\b\W*)*"
        r"(?:(?:the|our|my|its|it's|it is)\s+)*(?:(?:correct|final|right|best)\s+)*"
        r"(?:answer|ans|option|choice|imo|oa)s?\b"
        r"(?:\s+(?:choice|option|should|would|must|will|be|is|are|letter|was|the|hence|therefore|correct|:|=|-))*"
        r"[^\w\n]*\(?[A-E]\b\)?[^\w\n]*"
        r"(?:(?:is\s+)?(?:the\s+)?(?:correct|right|our|answer|choice|option|ans)[\s\w]{0,20})?\W*\Z",
        r"(?:^|\n|[.=>→⇒∴]\s|\b(?:so|hence|thus|therefore|imo)\b\W*)[^\w\n]*"
        r"(?:option\s+)?\(?[A-E]\)?"
        r"(?:\s+is\s+(?:the\s+)?(?:correct\s+)?(?:answer|option|choice|correct))?[^\w\n]*\Z",
    ),
    ignore_case=True,
)


def without_closing_letter(rationale: str) -> str:
    """The rationale without a last phrase that only names the letter.

    >>> without_closing_letter("Then x = 60y, so x = 250 m. Answer D")
    'Then x = 60y, so x = 250 m.'
    >>> without_closing_letter("540/60 = 9\\nCorrect answer - A")
    '540/60 = 9'
    """
    for _ in range(2):  # "... Answer D. So D."
        match = _CLOSING.search(rationale, max(0, len(rationale) - 90))
        if not match:
            break
        # the pattern begins with what ends the sentence before it
        first = rationale[match.start() : match.start() + 1]
        ending = first if first in ".!)" else ""
        rationale = (rationale[: match.start()] + ending).rstrip(" \n\t-=>:,;→⇒∴(")
    return rationale.rstrip()
