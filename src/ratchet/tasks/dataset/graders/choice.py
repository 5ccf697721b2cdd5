"""Answers that are one of some options."""

from collections.abc import Iterator
from typing import Any

from ratchet.tasks.answers.choice import find_answer
from ratchet.tasks.answers.option_values import strip_label
from ratchet.tasks.base import Probe, Row
from ratchet.tasks.dataset.graders.base import ANSWER, OPTIONS, Grader, Judged, shown

LETTERS = "ABCDEFGHIJ"


class ChoiceGrader(Grader):
    """One of up to ten options, by its letter (``tasks.answers.choice``)."""

    name, example = "choice", "X"
    asks = (
        "Work it out step by step. "
        'Then write the letter of the right option on a last line of its own, as in "{form}".'
    )

    def value(self, given: Any, row: Row) -> str:
        """A letter, the number of an option from 0, or an option's text."""
        options = row[OPTIONS]
        texts = [strip_label(option) for option in options]
        if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < len(options):
            return LETTERS[given]
        text = str(given).strip()
        if len(text.strip("()")) == 1 and text.strip("()").upper() in LETTERS[: len(options)]:
            return text.strip("()").upper()
        if texts.count(text) == 1:
            return LETTERS[texts.index(text)]
        raise ValueError(
            f"it is neither a letter, nor the number, nor the text of one of {len(options)} options: {shown(given)}"
        )

    def gold(self, row: Row) -> str:
        """The letter."""
        return row[ANSWER]

    def judge(self, completion: str, row: Row) -> Judged:
        """Right where the text stands by the letter."""
        answer, span = find_answer(completion, row[OPTIONS])
        return Judged(answer is not None and answer == row[ANSWER], answer, span)

    def probes(self, row: Row) -> Iterator[Probe]:
        """The options copied, and named without choosing one."""
        texts = [strip_label(option) for option in row[OPTIONS]]
        yield Probe(
            "the options, copied", "ignorant", "\n".join(f"{a}) {b}" for a, b in zip(LETTERS, texts, strict=False))
        )
        yield Probe("every value, no letter", "hack", "It could be " + ", ".join(texts) + ".")
