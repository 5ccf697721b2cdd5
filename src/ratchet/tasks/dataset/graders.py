"""How an answer is read and judged: one grader for each kind of answer, named in the recipe's ``data.grader``."""

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ratchet.tasks.answers.choice import find_answer
from ratchet.tasks.answers.number import Number, parse_number, read_number, same_number
from ratchet.tasks.answers.option_values import strip_label
from ratchet.tasks.answers.text import read_written_answer
from ratchet.tasks.base import Probe, Row

LETTERS = "ABCDEFGHIJ"
ANSWER, OPTIONS = "answer", "options"
"""What a row holds for its grader, beside the columns that it came with."""
_HASHES = re.compile(r"####\s*(.+?)\s*\Z", re.S)


class Grader(ABC):
    """Reads what a completion commits to, and compares it with the row's answer."""

    name: str
    asks: str
    """What the prompt asks for; {form} stands for an example of the last line."""
    example: str
    """An answer, to be shown in that line."""

    @abstractmethod
    def value(self, given: Any, row: Row) -> Any:
        """A row's answer as it is kept.

        Raises:
            ValueError: saying in words what is wrong with it.
        """

    @abstractmethod
    def gold(self, row: Row) -> str | None:
        """The row's answer, in the form of ``Grade.answer``."""

    @abstractmethod
    def judge(self, completion: str, row: Row) -> tuple[bool, str | None, tuple[int, int] | None]:
        """Whether a completion is right, what it answers, and where that stands, if that can be told."""

    def dressed(self, row: Row) -> Mapping[str, str]:
        """Name -> completion: the right answer in further forms."""
        gold = self.gold(row)
        return {
            "bare": gold,
            "boxed": f"That settles it.\n\\boxed{{{gold}}}",
            "in tags": f"<think>What is it?</think>\n<answer>{gold}</answer>",
            "in a sentence": f"So the answer is {gold}.",
        }

    def probes(self, row: Row) -> Iterator[Probe]:
        """Cheap answers and hacks of this kind of answer."""
        return iter(())


class NumberGrader(Grader):
    """A number, as ``tasks.answers.number`` reads and compares it."""

    name, example = "number", "42"
    asks = 'Work it out step by step. Then write the number on a last line of its own, as in "{form}".'

    def __init__(self, tolerance: float = 0.0):
        self.tolerance = tolerance

    def value(self, given: Any, row: Row) -> str:
        """The number as written; of a text with "####" (GSM8K) what follows it."""
        if isinstance(given, bool) or not isinstance(given, (int, float, str)):
            raise ValueError(f"a number is wanted, and it is {_shown(given)}")
        text = str(given).strip()
        marked = _HASHES.search(text)
        text = marked[1] if marked else text
        if parse_number(text) is None:
            raise ValueError(f"it holds no number that can be told: {_shown(given)}")
        return text

    def gold(self, row: Row) -> str:
        """The number in digits, with its unit."""
        return str(self._gold(row))

    def judge(self, completion: str, row: Row) -> tuple[bool, str | None, None]:
        """Right where it is the same number; then its answer is written as the row's."""
        found, gold = read_number(completion), self._gold(row)
        if found is None:
            return False, None, None
        correct = same_number(found, gold, self.tolerance)
        return correct, str(gold if correct else found), None

    def dressed(self, row: Row) -> Mapping[str, str]:
        """The usual forms, with a unit where the row has none, and with thousands marked."""
        found, gold = {**super().dressed(row)}, self._gold(row)
        if not gold.unit:
            found["with a unit"] = f"Answer: {gold} pieces"
            found["as money"] = f"The answer is ${gold}."
        shown = str(gold.value)
        if shown.lstrip("-").isdigit() and len(shown) > 4:
            found["with thousands marked"] = f"Answer: {int(shown):,}"
        return found

    def probes(self, row: Row) -> Iterator[Probe]:
        """Numbers of the question, and several numbers at a time."""
        gold = self._gold(row)
        yield Probe("a calculation, not its result", "hack", f"Answer: {gold} + 1")
        yield Probe("a range", "hack", f"Answer: between {gold} and 10000000")

    @staticmethod
    def _gold(row: Row) -> Number:
        return parse_number(row[ANSWER]) or Number(row[ANSWER], "")


class TextGrader(Grader):
    """Words: equal to one of the row's answers, without regard to case, blanks and punctuation at the ends."""

    name, example = "text", "..."
    asks = 'Write the answer on a last line of its own, as in "{form}".'

    def value(self, given: Any, row: Row) -> list[str]:
        """All accepted answers; the first is the one that is shown."""
        found = given if isinstance(given, (list, tuple)) else [given]
        texts = [str(one).strip() for one in found if isinstance(one, (str, int, float)) and str(one).strip()]
        if not texts:
            raise ValueError(f"a text, or a list of texts, is wanted, and it is {_shown(given)}")
        return texts

    def gold(self, row: Row) -> str:
        """The first answer, normalised."""
        return normalised(row[ANSWER][0])

    def judge(self, completion: str, row: Row) -> tuple[bool, str | None, None]:
        """Right where it is one of the answers."""
        said = read_written_answer(completion)
        if said is None or not normalised(said):
            return False, None, None
        answer = normalised(said)
        correct = answer in map(normalised, row[ANSWER])
        return correct, self.gold(row) if correct else answer, None

    def dressed(self, row: Row) -> Mapping[str, str]:
        """The usual forms, and the other accepted answers."""
        more = {f"alias {number}": f"Answer: {text}" for number, text in enumerate(row[ANSWER][1:4], start=1)}
        return {**super().dressed(row), **more}


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
            f"it is neither a letter, nor the number, nor the text of one of {len(options)} options: {_shown(given)}"
        )

    def gold(self, row: Row) -> str:
        """The letter."""
        return row[ANSWER]

    def judge(self, completion: str, row: Row) -> tuple[bool, str | None, tuple[int, int] | None]:
        """Right where the text stands by the letter."""
        answer, span = find_answer(completion, row[OPTIONS])
        return answer is not None and answer == row[ANSWER], answer, span

    def probes(self, row: Row) -> Iterator[Probe]:
        """The options copied, and named without choosing one."""
        texts = [strip_label(option) for option in row[OPTIONS]]
        yield Probe(
            "the options, copied", "ignorant", "\n".join(f"{a}) {b}" for a, b in zip(LETTERS, texts, strict=False))
        )
        yield Probe("every value, no letter", "hack", "It could be " + ", ".join(texts) + ".")


class PythonGrader(Grader):
    """By a function of the user's own: right, or not."""

    name, example = "python", "..."
    asks = ""

    def __init__(self, function: Callable[[str, Row], bool]):
        self.function = function

    def value(self, given: Any, row: Row) -> str:
        """The answer as it is written."""
        return str(given)

    def gold(self, row: Row) -> str | None:
        """The answer, where the row has one."""
        return row[ANSWER]

    def judge(self, completion: str, row: Row) -> tuple[bool, str | None, None]:
        """Right where the function says so; what is answered is read as words.

        Raises:
            TypeError: where it says neither.
        """
        right = self.function(completion, row["columns"])
        if not isinstance(right, bool):
            raise TypeError(f"data.function returns True or False; it returned {type(right).__name__} {right!r:.60}")
        return right, row[ANSWER] if right and row[ANSWER] else read_written_answer(completion), None

    def dressed(self, row: Row) -> Mapping[str, str]:
        """No further forms: only the function knows what it takes."""
        return {}


def normalised(text: str) -> str:
    """A text as it is compared.

    >>> normalised("  Paris,\\u00a0France. ")
    'paris, france'
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split()).strip(" .!?,;:\"'“”‘’«»")


def _shown(given: Any) -> str:
    text = repr(given)
    return text if len(text) <= 60 else text[:57] + "..."


GRADERS: dict[str, type[Grader]] = {grader.name: grader for grader in (NumberGrader, TextGrader, ChoiceGrader)}
