r"""An answer in words without what it is dressed in: markup, quotes, brackets, a lead-in, closing punctuation."""

import unicodedata

from ratchet.tasks.answers.phrases import any_of, compiled
from ratchet.tasks.answers.vocabulary import text_claims, text_withdrawals

BULLET = compiled(r"(?:[-•>#]+|\d{1,2}[.)])[ \t]+")
LATEX = compiled(
    any_of(
        r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|math(?:rm|bf|it|sf|tt)|emph|mbox)\s*\{([^{}]*)\}",
        r"\\(?:large|Large|normalsize|bf|it|quad|,|;|!)(?![a-zA-Z])",
    )
)
LATEX_DEPTH = 3  # commands within commands that are taken away
PAIRS = (
    *(("__", "__"), ("$$", "$$"), ("''", "''"), ("„", "“"), ("\\(", "\\)"), ("\\[", "\\]")),
    *zip("_\"'“„«»‘‚「『$([{<", "_\"'””»«’’」』$)]}>", strict=True),
)
APOSTROPHE = compiled(r"(?<=[^\W\d_])['’](?=[^\W\d_])")
QUOTES = ('"', "“", "”")
EDGES = " \t\n\r\v\f\u00a0.,;:!_"
DECORATION = ("So", "Sk", "Mn", "Cf")  # Unicode categories of emoji and their modifiers


def _by_first_character(pairs: tuple[tuple[str, str], ...]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for left, right in pairs:
        found.setdefault(left[0], []).append((left, right))
    return found


WRAPS = _by_first_character(PAIRS)


def clean(value: str) -> str:
    """An answer without markup, wrapping quotes or brackets, and closing punctuation.

    >>> clean("- **“suŋkaku”**."), clean("$\\\\text{suŋkaku}$"), clean("mitakoda (my friend)")
    ('suŋkaku', 'suŋkaku', 'mitakoda (my friend)')
    """
    value = _without_latex(value.strip())
    # two backquotes open a quotation in LaTeX; a single one is code
    value = value.replace("*", "").replace("`", "'" if "``" in value else "")
    value = BULLET.sub("", value, count=1) if BULLET.match(value) else value
    before = None
    while value != before:
        before, value = value, _unwrapped(value.strip(EDGES))
    return "" if text_claims.NOTHING.match(value) else value


def _without_latex(value: str) -> str:
    if "\\" not in value and "~" not in value:
        return value
    value = value.replace("\\ ", " ").replace("~", " ")
    for _ in range(LATEX_DEPTH):
        value = LATEX.sub(lambda match: match[1] or "", value)
    return value


def _unwrapped(value: str) -> str:
    """A text without its outermost pair of quotes or brackets, a quote without its partner, and closing emoji."""
    while value and not value.isascii() and unicodedata.category(value[-1]) in DECORATION:
        value = value[:-1]
    if value.startswith("\\boxed{") and value.endswith("}"):
        return value[7:-1]
    for left, right in WRAPS.get(value[:1], ()):
        inner = value[len(left) : len(value) - len(right)]
        wrapped = value.startswith(left) and value.endswith(right) and len(value) > len(left) + len(right)
        if wrapped and right not in _without_apostrophes(inner) and left not in _without_apostrophes(inner):
            return inner
    if value[:1] in QUOTES or value[-1:] in QUOTES:
        for quote in QUOTES:
            value = value.strip(quote) if value.count(quote) == 1 else value
    return value


def _without_apostrophes(inner: str) -> str:
    """Without the quotes that stand within words, as in "don't": they close nothing."""
    return APOSTROPHE.sub("", inner)


def without_lead(value: str) -> str:
    """An answer without the words that lead it in: "the complete form is ..."."""
    lead = text_claims.LEAD.match(value)
    return value[lead.end() :] if lead else value


def ending(line: str) -> tuple[str, str]:
    """A line's answer, and what stands before it.

    The answer follows a lead-in, a colon, an arrow or an equals sign, or it is marked.

    Returns:
        What stands before, and the answer.
    """
    match = text_claims.SPAN.match(line)
    if not match and "*" in line:
        match = text_claims.SPAN.match(line.replace("*", ""))
    if match:
        return match["before"] + " ", match["said"]
    line = clean(line)
    rest = without_lead(line)
    before = line[: len(line) - len(rest)]
    match = text_claims.AFTER.match(rest)
    if not match or not _leads_to_answer(match["before"], match["sign"]):
        return before, rest
    return before + match["before"], match["said"]


def _leads_to_answer(before: str, sign: str) -> bool:
    """Whether an answer follows the sign: after working ("a + b = c"), or after a colon with no guesses before it."""
    if sign in ("=", "→", "⇒", "->"):
        return bool(text_claims.WORKING.search(before))
    return not text_withdrawals.ALTERNATIVES.search(before)
