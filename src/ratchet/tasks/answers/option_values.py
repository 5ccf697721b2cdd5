r"""Whether a stretch of text states the value of exactly one option ("1200 dollars", ``\frac{3}{4}``, "x = 42").

>>> options = ["A)5 km", "B)$1,200", "C)3/4", "D)12.5%", "E)None of these"]
>>> [matching_option(text, options) for text in ("1200 dollars", r"\frac{3}{4}", "12.5", "5 apples", "none of these")]
['B', 'C', 'D', None, 'E']
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from ratchet.tasks.answers.phrases import any_of, compiled
from ratchet.tasks.answers.vocabulary import results

SAID = 120  # characters of a text that are read as its value
MOST_UNIT_WORDS = 4  # "42 is the number of days that she needs" is a sentence, no quantity

_LABEL = compiled(r"^\s*[(\[]?([A-Ja-j])\s*[)\].:]\s*")
_FRACTION = compiled(r"\\[dt]?frac\s*(?:\{([^{}]{1,20})\}\s*\{([^{}]{1,20})\}|(\d)\s*(\d))")
_LATEX = compiled(
    any_of(
        r"\\"
        + any_of(
            "text",
            "textbf",
            "textit",
            "mathrm",
            "mathbf",
            "boxed",
            "fbox",
            "left",
            "right",
            ",",
            ";",
            "!",
            "quad",
            "displaystyle",
            "operatorname",
        )
        + r"\s*",
        r"[\\${}`*_\"#]",
        r"~",
    )
)
_CURRENCY = compiled(
    any_of(
        r"\brs\b\.?",
        r"\bre\b\.?",
        "₹",
        "€",
        "£",
        "¥",
        r"\busd\b",
        r"\binr\b",
        r"\beur\b",
        r"\bdollars?\b",
        r"\beuros?\b",
        r"\brupees?\b",
        r"\bpounds?\b",
        r"\$",
    )
)
_NUMBER = compiled(
    r"[-+]?(?:\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d)|\d+)?(?:[.,]\d+)?",  # "1,00,000.5": Indian grouping too; "37,50"
    r"(?:\s+\d+\s*/\s*\d+|\s*/\s*\d+(?:\.\d+)?|\s*\^\s*\d{1,2}(?![\w.]))?",  # "1 1/2", "3/4", "10^5"
    r"(?:\s*:\s*\d+){0,9}",  # "2 : 3"
)
_GROUPED = compiled(r"[-+]?\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d)")
# Words that lead a value in.
_LEAD = compiled(
    r"^",
    any_of(
        r"[a-z]\s*=",
        "=",
        "≈",
        "≅",
        "~",
        "about",
        "approximately",
        r"approx\.?",
        "exactly",
        "only",
        "equal to",
        "equals?",
        "therefore",
        "thus",
        "so",
        "hence",
        "the",
        "is",
        "are",
        "was",
        "be",
        "will be",
        "would be",
        "must be",
        "should be",
        "comes to",
        "a total of",
        "around",
        "answer",
        "total",
    ),
    r"(?![a-z])\s*[:,]?\s*",
)
# What may follow a number that is a plain quantity: nothing, a known sign, or words without further figures.
_PLAIN_UNIT = compiled(
    r"\s*(?:[%°'\"]|(?:per|sq|cu|cubic|square)?[\s.]*[^\W\d_][^\d,;:=+*<>?()!|]*(?:\^?[23])?)?[\s.)。]*",
)
_NOT_A_UNIT = compiled(
    any_of(
        r"(?:^|\s)(?:or|and|to|minus|plus|times|over|sqrt|pi|squared|cubed|if|when)\b",
        r"^[a-fk-z]$(?<![hmslg])",  # one letter is a variable, unless it is hours, metres, seconds, litres or grams
    )
)
# Unit -> the ways in which it is written.
_SPELLINGS: dict[str, tuple[str, ...]] = {
    "%": ("percent", "per cent"),
    "km": ("kilometers", "kilometres", "kms", "kilometer", "kilometre", "kilometri", "quilometros"),
    "m": ("meters", "metres", "meter", "metre"),
    "cm": ("cms", "centimeters", "centimetres", "centimeter", "centimetre"),
    "mile": ("miles",),
    "ft": ("feet",),
    "inch": ("inches",),
    "h": (
        "hours",
        "hour",
        "hrs",
        "hr",
        "horas",
        "hora",
        "heures",
        "heure",
        "stunden",
        "stunde",
        "ore",
        "uur",
        "uren",
        "godzin",
        "godziny",
    ),
    "min": ("minutes", "minute", "mins", "minutos", "minuten", "minuti", "minuty", "minut"),
    "s": ("seconds", "second", "secs", "sec", "segundos", "sekunden", "secondes", "secondi"),
    "day": ("days", "jours", "tage", "tagen", "giorni", "dagen", "dni", "dias"),
    "week": ("weeks", "semanas", "semaines", "wochen", "settimane"),
    "month": ("months", "meses", "mois", "monate", "monaten", "mesi"),
    "year": ("years", "yrs", "ans", "jahre", "jahren", "anni", "anos", "jaar", "lat"),
    "l": ("liters", "litres", "liter", "litre"),
    "kg": ("kgs",),
    "km/h": ("kmph", "km/hr", "kmh", "kph"),
    "mile/h": ("mph",),
    "°": ("degrees", "degree"),
    "man": ("men",),
    "way": ("ways",),
    "unit": ("units",),
}
_POWERS = {"sq": "2", "square": "2", "cubic": "3", "cu": "3"}
_UNIT = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings}


class Value:
    """A text reduced to what can be compared: its plain form, its number, and what follows the number."""

    __slots__ = ("number", "plain", "unit")

    def __init__(self, text: str):
        plain = _without_lead(_without_latex(text))
        plain = _CURRENCY.sub(" ", plain)
        plain = " ".join(plain.split()).strip(" ,;:!").rstrip(" .")
        self.number, self.unit = _quantity(plain)
        if self.number is None:
            plain = _TRAILING_UNIT.sub("", plain)  # "16 pi square units"
            plain = _words_of_units(plain)
        plain = plain.replace(" ", "").replace("sqrt", "√").replace("pi", "π")
        self.plain = plain.replace("(", "").replace(")", "")


def _without_latex(text: str) -> str:
    """Lower case, without LaTeX, markup and surrounding punctuation."""
    plain = text
    if "\\" in text:
        plain = _FRACTION.sub(lambda m: f"{m[1] or m[3]}/{m[2] or m[4]}", text).replace("{,}", ",")
        plain = plain.replace("\\sqrt", "√").replace("\\pi", "π").replace("\\times", "×").replace("\\%", "%")
    plain = plain.replace("*pi", "π").replace("**", "")
    plain = _LATEX.sub(" ", plain).lower().replace("−", "-").replace("⁄", "/")
    return plain.strip(" ,;:!()[]|\n\t").rstrip(" .")


def _without_lead(plain: str) -> str:
    """Without the words before the value; never without all of it."""
    lead = _LEAD.match(plain)
    while lead and lead.end() < len(plain):
        plain = plain[lead.end() :]
        lead = _LEAD.match(plain)
    return plain


def _words_of_units(plain: str) -> str:
    """A text with its units in one spelling, and its parts in one order: "18 and 12" is "12,18"."""
    parts = [part.strip() for part in plain.replace(" and ", ",").split(",")]
    parts = [" ".join(_UNIT.get(word, word) for word in part.split()) for part in parts]
    return ",".join(sorted(parts) if all(part.lstrip("-").isdigit() for part in parts) else parts)


class _Quantity(NamedTuple):
    number: float | str | None
    """A ratio is a text ("2:3"); None where the text is no plain quantity."""
    unit: str


_NO_QUANTITY = _Quantity(None, "")


def _quantity(plain: str) -> _Quantity:
    match = _NUMBER.match(plain)
    digits = _with_point(match.group()) if match else ""
    if not any(c.isdigit() for c in digits):
        return _NO_QUANTITY
    rest = plain[match.end() :]
    if not _PLAIN_UNIT.fullmatch(rest) or _NOT_A_UNIT.search(rest.strip()):
        return _NO_QUANTITY
    unit = rest.strip(" .,;:()-")
    unit = _UNIT.get(unit, unit)
    if ":" in digits:
        return _Quantity("".join(digits.split()), unit)
    try:
        number = _number(digits.strip())
        return _Quantity(number / 100, "") if unit in ("cents", "cent", "¢") else _Quantity(number, unit)
    except (ValueError, ZeroDivisionError, OverflowError):
        return _NO_QUANTITY


def _with_point(digits: str) -> str:
    """Without what groups the digits, and with a point before the decimals: "1,200.5", "37,50"."""
    grouped = _GROUPED.match(digits)
    if grouped:
        digits = grouped.group().replace(",", "") + digits[grouped.end() :]
    return digits.replace(",", ".")


def _number(digits: str) -> float:
    """The number that "42", "3 / 4", "1 1/2" or "10^5" is."""
    if "^" in digits:
        base, power = digits.split("^")
        return float(base) ** int(power)
    if "/" not in digits:
        return float("".join(digits.split()))
    whole, fraction = "", digits
    if " " in digits and "/" not in digits.split()[0]:
        whole, _, fraction = digits.rpartition(" ")
    top, bottom = "".join(fraction.split()).split("/")
    return (float(whole) if whole.strip() else 0.0) + float(top) / float(bottom)


_TRAILING_UNIT = compiled(
    r"\s(?:square |sq\.? |cubic )?",
    any_of(*sorted({*_UNIT, *_UNIT.values()} - {"%", "°"}, key=len, reverse=True)),
    r"[23]?\Z",
)


def strip_label(option: str) -> str:
    """An option's text without its label: "C)42" and "(C) 42" give "42".

    >>> [strip_label(o) for o in ("C)42", "(C) 42", "B)B)69", "42", "E)A)5")]
    ['42', '42', '69', '42', '5']
    """
    text = str(option)
    for again in (False, True):
        match = _LABEL.match(text)
        if not match or (again and match.end() == len(text)):
            break
        text = text[match.end() :]
    return text.strip()


@lru_cache(maxsize=4096)
def _values(options: tuple[str, ...]) -> tuple[Value, ...]:
    return tuple(Value(strip_label(option)) for option in options)


def same_value(a: Value, b: Value) -> bool:
    """Whether two values are the same: equal text, or equal numbers whose units do not contradict each other."""
    if a.plain and a.plain == b.plain:
        return True
    if a.number is None or b.number is None:
        return False
    if isinstance(a.number, float) and isinstance(b.number, float):
        equal = abs(a.number - b.number) <= 1e-9 * max(1.0, abs(a.number))
    else:
        equal = a.number == b.number
    return equal and units_agree(a.unit, b.unit)


def units_agree(a: str, b: str) -> bool:
    if not a or not b or a == b:
        return True
    first, second = _unit(a), _unit(b)
    # words of another language are not looked up: the number speaks for itself
    return first == second or not (first.isascii() or first == "°") or not (second.isascii() or second == "°")


@lru_cache(maxsize=4096)
def _unit(words: str) -> str:
    """A unit in one spelling, without the words after it: "kilometres per hour" is "km/h", "sq cm" is "cm2"."""
    parts = [part.split() for part in words.replace("^", "").replace(" per ", "/").split("/")[:2]]
    found = [_power(part) for part in parts if part]
    return _UNIT.get("/".join(found), "/".join(found))


def _power(words: list[str]) -> str:
    """One unit: the second word belongs to it where the first says that it is an area or a volume."""
    power = _POWERS.get(words[0].rstrip("."))
    name = words[1] if power and len(words) > 1 else words[0]
    return _UNIT.get(name, name).rstrip("s.") + (power or "")


def matching_option(text: str, options: Sequence[str]) -> str | None:
    """The letter of the one option whose value the text is, or None where it is none's or several options'."""
    value = Value(text[:SAID])
    if not value.plain or (value.number is not None and len(value.unit.split()) > MOST_UNIT_WORDS):
        return None
    try:
        values = _values(tuple(options))
    except TypeError:  # options that are no texts, from a row of somebody's own
        return None
    found = [i for i, option in enumerate(values) if same_value(value, option)]
    return chr(65 + found[0]) if len(found) == 1 else None


def is_own_value(text: str, letter: str, options: Sequence[str]) -> bool:
    """Whether the text begins with the value of that very option ("42" or "42 because ..." for "C)42")."""
    index = ord(letter) - 65
    if not 0 <= index < len(options):
        return False
    own, said = _values(tuple(options))[index], Value(text[:SAID])
    if same_value(said, own) or (own.plain and said.plain.startswith(own.plain)):
        return True
    return said.number is not None and said.number == own.number


LONGEST_LINE = 400  # characters that a line with a result may have
LONGEST_SENTENCE = 80  # characters that a sentence may have that is a value and nothing else


def trailing_value(text: str, options: Sequence[str]) -> str | None:
    """The option whose value ends the text, where the text states it as its result and asks nothing.

    The weakest kind of answer; only used where no letter is claimed anywhere.
    """
    line = text.rstrip().rpartition("\n")[2].strip()
    if not _may_state_result(line):
        return None
    sentence = results.SENTENCE_END.split(line)[-1]
    if results.NAMED.search(sentence):
        return None
    letter = matching_option(sentence, options) if len(sentence) <= LONGEST_SENTENCE else None
    if letter:
        return letter
    ending = results.ENDING.search(sentence)
    if not ending or results.ASKS.search(sentence) or results.UNSURE.search(line):
        return None
    return matching_option(ending["value"], options)


def _may_state_result(line: str) -> bool:
    """Whether a line is no question, no list of options, and no formula that was cut off."""
    if not line or "?" in line or len(line) > LONGEST_LINE:
        return False
    if results.LISTED.match(line) or len(results.LABELS.findall(line)) > 1:
        return False
    return not ("\\" in line and line.count("$") % 2)
