r"""Whether a stretch of text states the value of exactly one option ("1200 dollars", ``\frac{3}{4}``, "x = 42").

>>> options = ["A)5 km", "B)$1,200", "C)3/4", "D)12.5%", "E)None of these"]
>>> [matching_option(text, options) for text in ("1200 dollars", r"\frac{3}{4}", "12.5", "5 apples", "none of these")]
['B', 'C', 'D', None, 'E']
"""

import re
from collections.abc import Sequence
from functools import lru_cache

_LABEL = re.compile(r"^\s*[(\[]?([A-Ja-j])\s*[)\].:]\s*")
_FRACTION = re.compile(r"\\[dt]?frac\s*(?:\{([^{}]{1,20})\}\s*\{([^{}]{1,20})\}|(\d)\s*(\d))")
_LATEX = re.compile(
    r"\\(?:text|textbf|textit|mathrm|mathbf|boxed|fbox|left|right|,|;|!|quad|displaystyle|operatorname)\s*|[\\${}`*_\"#]|~"
)
_CURRENCY = re.compile(
    r"(?:\brs\b\.?|\bre\b\.?|₹|€|£|¥|\busd\b|\binr\b|\beur\b|\bdollars?\b|\beuros?\b|\brupees?\b|\bpounds?\b|\$)"
)
_NUMBER = re.compile(
    r"[-+]?(?:\d{1,3}(?:,\d{2,3})+|\d+)?(?:\.\d+)?(?:\s+\d+\s*/\s*\d+|\s*/\s*\d+(?:\.\d+)?)?(?:\s*:\s*\d+)*"
)
_LEAD = re.compile(
    r"^(?:[a-z]\s*=|=|≈|≅|~|about|approximately|approx\.?|exactly|only|equal to|equals?|therefore|thus|so|hence|the|is|are|was|be|will be|would be|must be|should be|comes to|a total of|around|answer|total)(?![a-z])\s*[:,]?\s*"
)
# What may follow a number that is a plain quantity: nothing, a known sign, or words without further figures.
_PLAIN_UNIT = re.compile(r"\s*(?:[%°'\"]|(?:per|sq|cu|cubic|square)?[\s.]*[a-z][a-z.²³/ -]*(?:\^?[23])?)?[\s.)]*")
_NOT_A_UNIT = re.compile(
    r"(?:^|\s)(?:or|and|to|minus|plus|times|over|sqrt|pi|squared|cubed|if|when)\b|^[a-fk-z]$(?<![hmslg])"
)
_UNIT = {
    "percent": "%", "per cent": "%", "kilometers": "km", "kilometres": "km", "kms": "km", "meters": "m", "metres": "m", "meter": "m", "metre": "m",
    "hours": "h", "hour": "h", "hrs": "h", "hr": "h", "minutes": "min", "minute": "min", "mins": "min", "seconds": "s", "second": "s", "secs": "s", "sec": "s",
    "days": "day", "years": "year", "yrs": "year", "miles": "mile", "feet": "ft", "inches": "inch", "liters": "l", "litres": "l", "liter": "l", "litre": "l",
    "kmph": "km/h", "km/hr": "km/h", "kmh": "km/h", "kph": "km/h", "mph": "mile/h", "degrees": "°", "degree": "°", "sq": "square", "cms": "cm",
    "weeks": "week", "months": "month", "men": "man", "ways": "way", "kgs": "kg",
}  # fmt: skip


class Value:
    """A text reduced to what can be compared: its plain form, its number, and what follows the number."""

    __slots__ = ("number", "plain", "unit")

    def __init__(self, text: str):
        plain = text
        if "\\" in text:
            plain = _FRACTION.sub(lambda m: f"{m[1] or m[3]}/{m[2] or m[4]}", text).replace("{,}", ",")
            plain = plain.replace("\\sqrt", "√").replace("\\pi", "π").replace("\\times", "×").replace("\\%", "%")
        plain = plain.replace("*pi", "π").replace("**", "")
        plain = _LATEX.sub(" ", plain).lower().replace("−", "-").replace("⁄", "/").strip(" ,;:!()[]|\n\t").rstrip(" .")
        lead = _LEAD.match(plain)
        while lead and lead.end() < len(plain):
            plain = plain[lead.end() :]
            lead = _LEAD.match(plain)
        plain = _CURRENCY.sub(" ", plain)
        plain = " ".join(plain.split()).strip(" ,;:!").rstrip(" .")
        self.number, self.unit = _number_and_unit(plain)
        self.plain = plain.replace(" ", "").replace("sqrt", "√").replace("pi", "π").replace("(", "").replace(")", "")


def _number_and_unit(plain: str) -> tuple[str | float | None, str]:
    match = _NUMBER.match(plain)
    digits = match.group().replace(",", "") if match else ""
    if not any(c.isdigit() for c in digits):
        return None, ""
    rest = plain[match.end() :]
    if not _PLAIN_UNIT.fullmatch(rest) or _NOT_A_UNIT.search(rest.strip()):
        return None, ""
    unit = rest.strip(" .,;:()-")
    unit = _UNIT.get(unit, unit)
    compact = "".join(digits.split())
    if ":" in compact:
        return compact, unit
    try:
        if "/" in digits:
            whole, _, rest = (
                digits.strip().rpartition(" ")
                if " " in digits.strip() and "/" not in digits.split()[0]
                else ("", "", compact)
            )
            top, bottom = rest.replace(" ", "").split("/")
            return (float(whole) if whole.strip() else 0.0) + float(top) / float(bottom), unit
        return float(compact), unit
    except (ValueError, ZeroDivisionError, OverflowError):
        return None, ""


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
    return equal and _units_agree(a.unit, b.unit)


def _units_agree(a: str, b: str) -> bool:
    if not a or not b or a == b:
        return True
    first, second = _UNIT.get(a.split()[0], a.split()[0]), _UNIT.get(b.split()[0], b.split()[0])
    return first.rstrip("s.") == second.rstrip("s.")


def matching_option(text: str, options: Sequence[str]) -> str | None:
    """The letter of the one option whose value the text is, or None where it is none's or several options'."""
    value = Value(text[:120])
    if not value.plain or (value.number is not None and len(value.unit.split()) > 4):
        return None
    try:
        values = _values(tuple(options))
    except TypeError:
        return None
    found = [i for i, option in enumerate(values) if same_value(value, option)]
    return chr(65 + found[0]) if len(found) == 1 else None


def is_own_value(text: str, letter: str, options: Sequence[str]) -> bool:
    """Whether the text begins with the value of that very option ("42" or "42 because ..." for "C)42")."""
    index = ord(letter) - 65
    if not 0 <= index < len(options):
        return False
    own, said = _values(tuple(options))[index], Value(text[:120])
    return (
        same_value(said, own)
        or (bool(own.plain) and said.plain.startswith(own.plain))
        or (said.number is not None and said.number == own.number)
    )


_ENDING = re.compile(
    r"(?:=|≈|≅|→|⇒|=>|:|\bis\b|\bare\b|\bequals?\b|\bget\b|\bgives?\b|\bwas\b|\bbe\b|\bof\b|\bin\b|\bhas\b|\bhave\b|\bcosts?\b|\bthus\b|\bso\b|\bhence\b|\btherefore\b|∴|\bto\b|\bby\b|\btakes?\b|\bpays?\b|\bpaid\b|\bspends?\b|\bneeds?\b|\bmakes?\b|\bearns?\b|\bcomes\s+to\b|\bleaves?\b|\bremains?\b|^)"
    r"[\s$(*~]*(?P<value>(?:rs\.?|re\.?|\$|£|€|₹|about|approx\.?|approximately|a total of)?\s*[-+]?[\d(][^=≈→⇒:?\n]{0,40})[\s.!)*$]*$",
    re.IGNORECASE,
)
_UNSURE = re.compile(
    r"\b(?:if|suppose|assum\w+|let us try|let's try|try|trying|were|unless|when|would|could|might|maybe|perhaps|not|n't|or|option|choice|answer|[A-E]\s*=)\b|\b[A-E]\s*=",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\b[A-E]\s*=")  # a quantity with the name of an option
_LABELS = re.compile(r"(?<![\w'])[\"'(]?[A-J][\"']?\s?[).:]\s?\S")
_LISTED = re.compile(r"\W*(?:option\s+)?[A-Ja-j]\s?[).:\]]\s*\S")
_ASKS = re.compile(
    r"\b(?:what|how|which|find|calculate|determine|when|where|who|whose|compute|value of|approximate|nearest|rounded|is it)\b[^.]*$",
    re.IGNORECASE,
)


def trailing_value(text: str, options: Sequence[str]) -> str | None:
    """The option whose value ends the text, where the text states it as its result and asks nothing.

    The weakest kind of answer; only used where no letter is claimed anywhere.
    """
    line = text.rstrip().rpartition("\n")[2].strip()
    if (
        not line
        or "?" in line
        or len(line) > 400
        or _LISTED.match(line)
        or len(_LABELS.findall(line)) > 1
        or ("\\" in line and line.count("$") % 2)
    ):
        return None
    sentence = re.split(r"(?<=[a-z)\d])[.;]\s+(?=\S)", line)[-1]
    if _NAMED.search(sentence):
        return None
    letter = matching_option(sentence, options) if len(sentence) <= 80 else None
    if letter:
        return letter
    ending = _ENDING.search(sentence)
    if not ending or _ASKS.search(sentence) or _UNSURE.search(line):
        return None
    return matching_option(ending["value"], options)
