r"""The value of one option, as the last figure of the last sentence that has one: the weakest evidence.

>>> options = ["A)21", "B)24", "C)42", "D)84", "E)1/2"]
>>> texts = ("Поэтому ответ равен 42.", "So 24 and 42.", "Das sind also 84 Hefte.", "Is it 21?")
>>> [concluded(text, options) for text in texts]
['C', None, 'D', None]
"""

from collections.abc import Sequence

from ratchet.tasks.answers.option_values import matching_option
from ratchet.tasks.answers.phrases import any_of, compiled
from ratchet.tasks.answers.vocabulary import doubts, foreign, results, withdrawals

LAST = 700  # characters of a text among which its conclusion is looked for
MOST_AFTER = 4  # sentences without a figure that may follow it: courtesies, remarks
LONGEST = 260  # characters of a sentence that is read
WORDS_AFTER = 48  # characters after the figure: its unit, and what closes the sentence

_SENTENCES = compiled(r"(?<=[.!?])[\"')*\]]*\s+|(?<=[。！？।])|\n+|;\s")
_MONEY = r"(?:rs\.?|₹|\$|€|£|¥|usd|inr)?\s*"
# "1 1/2", "2 : 3", "-4", "1,200.50"; a step of a sum is no result.
_FIGURE = compiled(
    r"(?<![\w.,^/])(?P<sign>[-+]?)",
    _MONEY,
    r"(?P<number>\d[\d.,]{0,20}(?:\s?[:/]\s?\d[\d.,]{0,20}|\s\d{1,4}/\d{1,4})?)",
    ignore_case=True,
)
_COMPARES = compiled(
    r"\b", any_of("more", "less", "fewer", "greater", "smaller", "times", "than", "each", "left"), r"\b"
)
_COURTESY = compiled(
    r"\b",
    any_of(
        *("let me know", "hope this", "hope that", "feel free", "i can explain", "would you like", "do you want"),
        *("happy to", "glad to", "want to see", "need more", "any questions", "any other questions", "shall i"),
    ),
    r"\b",
)
_BOUNDS = compiled(
    r"\b",
    any_of(
        "above", "below", "over", "under", "at least", "at most", "more than", "less than", "between", "nearly", "than"
    ),
    r"\W*\Z",
)
_STEP = compiled(r"^\W*(?:step|schritt|paso|étape|шаг|步骤)?\s*\d+\s*[.):]", ignore_case=True)
_APART = compiled(r"[\s*$]*(?:,|;|/|-|–|or|and|to|y|o|e|et|ou|und|oder|и|или|和|或|と|か|및|또는|or\s+even)[\s*$]*")
_CLOSED = compiled(r"[.!。！।)\]*$%°}]\s*\Z")


def concluded(text: str, options: Sequence[str]) -> str | None:
    """The letter of the option whose value the last sentence with a figure comes to; None where it comes to none.

    Only used where no letter is claimed anywhere.
    """
    sentences = [part.strip() for part in _SENTENCES.split(text[-LAST:]) if part.strip()]
    for after, sentence in enumerate(reversed(sentences[-MOST_AFTER - 1 :])):
        if _COURTESY.search(sentence.lower()) or sentence.startswith("("):
            continue
        if any(character.isdigit() for character in sentence):
            rest = " ".join(sentences[len(sentences) - after :])
            return None if withdrawals.WITHDRAWS.search(rest.lower()) else _of_sentence(sentence, options)
        if "?" in sentence or not _CLOSED.search(sentence):
            return None  # asked, or cut off in the middle
    return None


def _of_sentence(sentence: str, options: Sequence[str]) -> str | None:
    low = sentence.lower()
    if len(sentence) > LONGEST or "?" in sentence or not _states(sentence, low):
        return None
    stated = _STEP.sub("", sentence)
    figures = list(_FIGURE.finditer(stated))
    if not figures:
        return None
    last = figures[-1]
    after = stated[last.end() :]
    if len(after) > WORDS_AFTER or _COMPARES.search(after.lower()) or foreign.DENIES_LATER.search(after.lower()):
        return None
    if not _CLOSED.search(stated):
        return None  # cut off in the middle
    if _BOUNDS.search(stated[: last.start()].lower()):
        return None
    letter = _option(stated[last.start() :], options)
    if letter is None or _is_beside_another(stated, figures, letter, options):
        return None
    return letter


def _states(sentence: str, low: str) -> bool:
    """Whether a sentence neither asks, supposes, denies nor lists options."""
    if results.LISTED.match(sentence) or len(results.LABELS.findall(sentence)) > 1 or results.NAMED.search(sentence):
        return False
    if results.UNSURE.search(sentence) or results.ASKS.search(sentence) or doubts.CONDITION.search(low):
        return False
    return not (foreign.DENIES.search(low) or foreign.UNREAL.search(low) or "≠" in low)


def _option(stated: str, options: Sequence[str]) -> str | None:
    """The option that the figure is the value of, with its unit or the first words after it."""
    clause = stated.partition(",")[0] if ", " in stated else stated
    return matching_option(stated, options) or matching_option(clause, options)


def _is_beside_another(stated: str, figures: Sequence, letter: str, options: Sequence[str]) -> bool:
    """Whether the figure is one of several that are named together."""
    if len(figures) < 2:
        return False
    before, last = figures[-2], figures[-1]
    between = stated[before.end() : last.start()]
    return _APART.fullmatch(between) is not None
