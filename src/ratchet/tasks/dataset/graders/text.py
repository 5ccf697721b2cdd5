"""Answers in words."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from ratchet.tasks.answers.similarity import chrf
from ratchet.tasks.answers.text import read_written_answer
from ratchet.tasks.base import Row
from ratchet.tasks.dataset.graders.base import ANSWER, Grader, Judged, shown


class TextGrader(Grader):
    """Words: equal to one of the row's answers, without regard to case, blanks and punctuation at the ends.

    The component ``score``, for the reward of that name, is 1 for a right answer and half the chrF of a wrong one.
    """

    name, example = "text", "..."
    asks = 'Write the answer on a last line of its own, as in "{form}".'

    def value(self, given: Any, row: Row) -> list[str]:
        """All accepted answers; the first is the one that is shown."""
        found = given if isinstance(given, (list, tuple)) else [given]
        texts = [str(one).strip() for one in found if isinstance(one, (str, int, float)) and str(one).strip()]
        if not texts:
            raise ValueError(f"a text, or a list of texts, is wanted, and it is {shown(given)}")
        return texts

    def gold(self, row: Row) -> str:
        """The first answer, normalised."""
        return normalised(row[ANSWER][0])

    def answered_with(self, row: Row) -> str:
        """The first answer, as it was written."""
        return row[ANSWER][0]

    def judge(self, completion: str, row: Row) -> Judged:
        """Right where it is one of the answers."""
        said = read_written_answer(completion)
        if said is None or not normalised(said):
            return Judged(False, None, components={"score": 0.0})
        answer = normalised(said)
        accepted = tuple(map(normalised, row[ANSWER]))
        correct = answer in accepted
        partly = 1.0 if correct else 0.5 * chrf(answer, accepted)
        return Judged(correct, accepted[0] if correct else answer, components={"score": partly})

    def dressed(self, row: Row) -> Mapping[str, str]:
        """The usual forms, and the other accepted answers."""
        more = {f"alias {number}": f"Answer: {text}" for number, text in enumerate(row[ANSWER][1:4], start=1)}
        return {**super().dressed(row), **more}


def normalised(text: str) -> str:
    """A text as it is compared.

    >>> normalised("  Paris,\\u00a0France. ")
    'paris, france'
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split()).strip(" .!?,;:\"'“”‘’«»")
