r"""Reading the number that a completion answers with, and comparing it with the right one.

What the text commits to is read as for words (``tasks.answers.text``); of that, the number is

1. the whole of it, without currency, lead-in and markup ("$1,234", "x = 7", ``\frac{3}{4}``, "141 pens", "1.2e3"),
2. else what stands behind its last "=" ("5 * 3 = 15 pens"),
3. else the one number in it, where it states it ("She makes $18 every day"); two numbers are none.

Numbers are compared exactly, as decimals, and fractions to 1e-9: "3.0" is 3, "1/3" is no 0.33. A unit counts where
both have one ("5 km" is no "5 m", and is 5); currencies are not told apart; "12 %" is 12, and no 0.12.

>>> [str(read_number(text)) for text in ("5 * 3 = 15\n#### 1,234", "The answer is $141.", "Either 3 or 4.")]
['1234', '141', 'None']
"""

import re
import unicodedata
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from ratchet.tasks.answers.option_values import Value, units_agree
from ratchet.tasks.answers.phrases import any_phrase, compiled
from ratchet.tasks.answers.text import read_written_answer
from ratchet.tasks.answers.vocabulary import results

SAID = 200  # characters of an answer that are read
LARGEST_POWER = 30  # of ten, in scientific notation
CLOSE = 1e-9

_SCIENTIFIC = compiled(
    r"(?<![\w.])(-?\d+(?:\.\d+)?)",
    r"(?:\s*(?:\\times|\\cdot|[×x*·])\s*10\s*\^\s*\{?\s*(-?\d{1,2})\s*\}?|[eE]([+-]?\d{1,2})(?!\w))",
)
_SPACED = compiled(r"(?<![\d.,])\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?![\d])")
_NOTE = compiled(r"\s*\([^()]*\)\s*\.?\Z")
_DECIMAL = compiled(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?![.,]?\d|[/^:])")
_ANY = compiled(
    r"(?<![\w.,^/])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:\s*/\s*\d+)?",
    r"(?![.,]?\d|[eE][+-]?\d|\s*[\^:/])",
)
_UNSAID = compiled(
    r"\b",
    any_phrase(
        *("somebody", "someone", "think of", "might", "may", "maybe", "perhaps", "possibly", "could", "not", "never"),
        *("no", "nor", "neither", "either", "guess", "wrong", "incorrect", "between", "than", "cannot", "forget"),
    ),
    r"\b|n't|\?",
)
_SEVERAL = compiled(r"\b(?:and|or)\b|[,;]")


class Number(NamedTuple):
    """A number with what it counts."""

    value: Decimal | float | str
    """A decimal where it is written as one; a ratio ("2:3") is a text."""
    unit: str

    def __str__(self) -> str:
        shown = self.value
        if isinstance(shown, Decimal):
            shown = f"{shown.normalize():f}"
        elif isinstance(shown, float):
            shown = f"{shown:.12g}"
        return f"{shown} {self.unit}".strip()


def read_number(text: str) -> Number | None:
    """The number that a completion commits to; None where there is none, or several. Never raises."""
    said = read_written_answer(text)
    return None if said is None else parse_number(said)


def parse_number(said: str) -> Number | None:
    """The number that an answer is, or states."""
    said = _in_digits(said[:SAID])
    whole = _quantity(said)
    if whole is not None:
        return whole
    before, equals, after = said.rpartition("=")
    if equals:
        again = "=" in before and _SEVERAL.search(before.rpartition("=")[2])  # "x = 3 and y = 4"
        return None if again else _quantity(after) or _only_one(after)
    return _only_one(said)


def _in_digits(said: str) -> str:
    """Scientific notation, spaces between thousands and signs for fractions as plain digits."""
    if not said.isascii():
        said = "".join(map(_without_vulgar_fraction, said))
    said = _SPACED.sub(lambda match: "".join(match[0].split()), said)
    return _SCIENTIFIC.sub(_plain_decimal, said)


def _without_vulgar_fraction(character: str) -> str:
    if "VULGAR" not in unicodedata.name(character, ""):
        return character
    return f" {unicodedata.normalize('NFKC', character)}"


def _plain_decimal(match: re.Match[str]) -> str:
    power = int(match[2] or match[3])
    return match[0] if abs(power) > LARGEST_POWER else f"{Decimal(match[1]).scaleb(power):f}"


def _quantity(said: str) -> Number | None:
    """The number that the whole text is."""
    value = Value(_NOTE.sub("", said))
    if value.number is None:
        return None
    if isinstance(value.number, str):
        return Number(value.number, value.unit)
    written = _DECIMAL.match(value.plain)
    if written and written[0] and "¢" not in said and "cent" not in said:
        try:
            return Number(Decimal(written[0].replace(",", "")), value.unit)
        except InvalidOperation:
            pass
    return Number(value.number, value.unit)


def _only_one(said: str) -> Number | None:
    """The number of a sentence that states one."""
    found = [match[0] for match in _ANY.finditer(said)]
    low = said.lower()
    if len(found) != 1 or _UNSAID.search(low) or results.UNSURE.search(low):
        return None
    return _quantity(found[0])


def same_number(one: Number, other: Number, tolerance: float = 0.0) -> bool:
    """Whether two numbers are the same.

    Args:
        tolerance: by which they may differ.
    """
    if not units_agree(one.unit, other.unit):
        return False
    a, b = one.value, other.value
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    if isinstance(a, Decimal) and isinstance(b, Decimal):
        return abs(a - b) <= Decimal(str(tolerance))
    return abs(float(a) - float(b)) <= max(tolerance, CLOSE * max(1.0, abs(float(b))))
