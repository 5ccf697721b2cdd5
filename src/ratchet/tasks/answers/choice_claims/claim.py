"""What evidence is found in, and what it comes to."""

from collections.abc import Sequence
from typing import NamedTuple


class Claim(NamedTuple):
    """One place where the text says something about the answer."""

    start: int
    end: int
    letters: str  # one letter, or several where the text hedges between them
    denied: bool = False


class Passage:
    """One stretch of text and the options it answers to.

    Args:
        text: already in plain letters (see ``markup.plain``).
        options: the row's options, labelled or not.
        opens: whether the stretch begins where the completion does, so that its first line may be the answer.

    Attributes:
        low: the text in lower case, character for character.
    """

    __slots__ = ("low", "opens", "options", "text")

    def __init__(self, text: str, options: Sequence[str], opens: bool = True):
        self.text, self.options, self.opens = text, options, opens
        low = text.lower()
        if len(low) != len(text):  # a few characters lower to two; positions must stay
            low = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
        self.low = low


def last_occurrences(low: str, word: str, most: int, start: int = 0) -> list[int]:
    """Where a word stands after ``start``, from the last place backwards, at most so many times."""
    places: list[int] = []
    at = low.rfind(word, start)
    while at >= 0 and len(places) < most:
        places.append(at)
        at = low.rfind(word, start, at)
    return places
