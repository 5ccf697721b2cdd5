r"""The value of one option where a text concludes, and no letter is claimed: the weakest evidence, in any language.

A sentence that says of itself that it concludes ("Therefore ...") counts where it holds the value of one option, and
what follows only remarks on it; else the last figure of the last sentence that has one.

>>> options = ["A)21", "B)24", "C)42", "D)84", "E)1/2"]
>>> texts = ("Поэтому ответ равен 42.", "So 24 and 42.", "Das sind also 84 Hefte.", "Is it 21?")
>>> [concluded(text, options) for text in texts]
['C', None, 'D', None]
"""

import re
from collections.abc import Sequence

from ratchet.tasks.answers.option_values import matching_option, strip_label
from ratchet.tasks.answers.phrases import any_of, compiled
from ratchet.tasks.answers.vocabulary import doubts, foreign, results, withdrawals

LAST = 900  # characters of a text among which its conclusion is looked for
MOST_AFTER = 4  # sentences that may follow it: courtesies, remarks
LONGEST = 260  # characters of a sentence that is read
AFTER = 48  # characters after the last figure: its unit, and what closes the sentence
PHRASE = 5  # characters of an option that is looked for as words

_SENTENCES = compiled(r"(?<=[.!?])(?<!\b[Rr]s\.)(?<!\bno\.)[\"')*\]]*\s+|(?<=[。！？।])|\n+|;\s")
_MONEY = r"(?:rs\.?|₹|\$|€|£|¥|usd|inr)?\s*"
# "1 1/2", "2 : 3", "-4", "1,200.50".
_FIGURE = compiled(
    r"(?<![\w.,^/])(?P<sign>[-+]?)",
    _MONEY,
    r"(?P<number>\d[\d.,]{0,20}(?:\s?[:/]\s?\d[\d.,]{0,20}){0,3}(?:\s\d{1,4}/\d{1,4})?)",
    ignore_case=True,
)
_COMPARES = compiled(
    r"\b", any_of("more", "less", "fewer", "greater", "smaller", "times", "than", "each", "left"), r"\b"
)
_BOUNDS = compiled(
    r"\b",
    any_of("above", "below", "over", "under", "at least", "at most", "more than", "less than", "between", "than"),
    r"\W*\Z",
)
_COURTESY = compiled(
    r"\b",
    any_of(
        *("let me know", "hope this", "hope that", "feel free", "i can explain", "would you like", "do you want"),
        *("happy to", "glad to", "want to see", "need more", "any questions", "any other questions", "shall i"),
    ),
    r"\b",
)
# What speaks of other options, or of how the result was found.
_REMARKS = compiled(
    any_of(
        *("option", "choice", "trap", "mistake", r"\berror", r"\bif you\b", "would", "others", "instead", "note"),
        *(
            "check",
            "verif",
            "remember",
            "because",
            "since",
            "confus",
            "forget",
            "forgot",
            "compare",
            r"\boverst",
            "tempt",
        ),
        *(
            "not what",
            "not asked",
            "also be",
            "put differently",
            "verify",
            "listing",
            "pitfall",
            "afterwards",
            "common",
        ),
        *("error", "opcion", "réponses", "ошиб", "易错", "误", "檢", "检", "注意", "確認", "fehler"),
    )
)
_CONCLUDES = compiled(
    r"\W*(?:",
    any_of(
        *("therefore", "thus", "hence", "so", "consequently", "accordingly", "in conclusion", "overall", "finally"),
        *(r"(?:final |the )?(?:answer|conclusion|result)\s*\W{0,4}:", "∴", "it follows", "this means", "as a result"),
        *(
            "por lo tanto",
            "por tanto",
            "así que",
            "entonces",
            "luego",
            r"conclusión",
            "donc",
            "ainsi",
            "par conséquent",
        ),
        *(
            "also",
            "daher",
            "somit",
            "folglich",
            "deshalb",
            "portanto",
            "logo",
            "assim",
            "quindi",
            "dunque",
            "pertanto",
        ),
        *("поэтому", "следовательно", "таким образом", "итак", "значит", "zatem", "więc", "dus", "alltså", "jadi"),
        *(
            "vậy",
            "所以",
            "因此",
            "故",
            "答",
            "よって",
            "したがって",
            "따라서",
            "그러므로",
            "إذن",
            "لذلك",
            "इसलिए",
            "अतः",
        ),
    ),
    ")",
)
_UNDECIDED = compiled(
    any_of(
        *(
            "not sure",
            "unclear",
            "ambiguous",
            "no valid",
            "none of the",
            r"(?:n't|not) (?:say|specify|state|tell|clear)",
        ),
        *(
            "says nothing",
            "sagt nichts",
            "no dice",
            "ne dit",
            "non dice",
            "не указан",
            "未说明",
            "没有说",
            "无法",
            "不明",
        ),
        *(r"\beither\b", "könnte", "podría", "pourrait", "можно было"),
    )
)
_STEP = compiled(r"^\W*(?:step|schritt|paso|étape|шаг|步骤)?\s*\d+\s*[.):]\s", ignore_case=True)
_APART = compiled(r"[\s*$]*(?:,|;|/|-|–|or|and|to|y|o|e|et|ou|und|oder|и|или|和|或|と|か|및|또는|or\s+even)[\s*$]*")
_CLOSED = compiled(r"[.!。！।)\]*$%°}]\s*\Z")
ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
# "one" alone is a pronoun more often than a number.
_WORDS = compiled(
    r"\b(?=[a-z])(?<!\bthe )(?<!\bthese )(?<!\bthose )(?:(?P<tens>",
    any_of(*TENS),
    r")(?:[- ](?=",
    any_of(*ONES[1:10]),
    r"\b))?)?(?P<ones>(?:(?<=[- ])one|",
    any_of(*ONES[2:]),
    r"))?\b(?<=[a-z])(?<!\bone)(?P<half> and a half\b)?",
    ignore_case=True,
)
_GOES_ON = compiled(r"\s?[\\√*/^(π+×÷-]|[a-z](?![a-z])")
_AND = compiled(r"\s?(?:and|or|y|o|e|et|ou|und|oder|и|или)\b", ignore_case=True)
_WORD = compiled(r"\s?[^\W\d_]+")


def concluded(text: str, options: Sequence[str]) -> str | None:
    """The letter of the option whose value the text comes to; None where it comes to none.

    Only used where no letter is claimed anywhere.
    """
    sentences = [part.strip() for part in _SENTENCES.split(text[-LAST:]) if part.strip()]
    sentences = [part for part in sentences if not _is_aside(part)]
    if not sentences or not _CLOSED.search(sentences[-1]):
        return None  # asked, or cut off in the middle
    if _UNDECIDED.search(" ".join(sentences[-2:]).lower()):
        return None
    for after in range(min(MOST_AFTER + 1, len(sentences))):
        at = len(sentences) - after - 1
        concludes = _CONCLUDES.match(sentences[at].lower())
        if concludes:
            rest = sentences[at + 1 :]
            return _only(sentences[at][concludes.end() :], options) if _are_remarks(rest, options) else None
    return _of_last(sentences, options)


def _is_aside(sentence: str) -> bool:
    """Courtesies, what stands in brackets, and signs without words."""
    bare = sentence.lstrip(" >*_#-")
    return bool(_COURTESY.search(sentence.lower())) or bare.startswith("(") or not any(map(str.isalnum, bare))


def _are_remarks(rest: Sequence[str], options: Sequence[str]) -> bool:
    """Whether sentences take nothing back and come to no other option."""
    if withdrawals.WITHDRAWS.search(" ".join(rest).lower()):
        return False
    return all(_REMARKS.search(sentence.lower()) or not _named(sentence, options) for sentence in rest)


def _only(sentence: str, options: Sequence[str]) -> str | None:
    """The one option that a concluding sentence names; where it names several, the one that it ends with."""
    if len(sentence) > LONGEST or not _states(sentence):
        return None
    named = _named(sentence, options)
    return named.pop() if len(named) == 1 else _ending(sentence, options)


def _named(sentence: str, options: Sequence[str]) -> set[str]:
    """The options whose value or text stands in a sentence."""
    sentence = _in_figures(sentence)
    found = {_figure(sentence, match, options) for match in _FIGURE.finditer(sentence)}
    low = " ".join(sentence.lower().split())
    texts = [strip_label(str(option)).lower() for option in options]
    said = [i for i, own in enumerate(texts) if len(own) >= PHRASE and not own.isdigit() and own in low]
    said = [i for i in said if not any(i != j and texts[i] in texts[j] for j in said)]
    return {letter for letter in found if letter} | {chr(65 + i) for i in said}


def _in_figures(sentence: str) -> str:
    """A sentence with its numbers in figures: "seventy-five minutes" is "75 minutes"."""

    def figure(match: re.Match[str]) -> str:
        tens, ones, half = match["tens"], match["ones"], match["half"]
        value = (TENS.index(tens.lower()) * 10 + 20 if tens else 0) + (ONES.index(ones.lower()) if ones else 0)
        return f"{value}{'.5' if half else ''}"

    return _WORDS.sub(figure, sentence)


def _figure(sentence: str, match: re.Match[str], options: Sequence[str]) -> str | None:
    """The option that a figure is the value of, with the word after it as its unit."""
    if _BOUNDS.search(sentence[: match.start()].lower()):
        return None
    if _GOES_ON.match(sentence, match.end()) or _GOES_ON.match(sentence[: match.start()][::-1]):
        return None  # a part of an expression
    word = None if _AND.match(sentence, match.end()) else _WORD.match(sentence, match.end())
    return matching_option(sentence[match.start() : word.end() if word else match.end()], options)


def _of_last(sentences: Sequence[str], options: Sequence[str]) -> str | None:
    """The option that the last sentence with a figure ends with."""
    for after, sentence in enumerate(reversed(sentences[-MOST_AFTER - 1 :])):
        if any(character.isdigit() for character in sentence):
            rest = " ".join(sentences[len(sentences) - after :])
            return None if withdrawals.WITHDRAWS.search(rest.lower()) else _ending(sentence, options)
        if "?" in sentence:
            return None
    return None


def _ending(sentence: str, options: Sequence[str]) -> str | None:
    """The option whose value is the last figure of a sentence."""
    if len(sentence) > LONGEST or not _states(sentence):
        return None
    stated = _in_figures(_STEP.sub("", sentence))
    figures = list(_FIGURE.finditer(stated))
    if not figures or not _CLOSED.search(stated) or _BOUNDS.search(stated[: figures[-1].start()].lower()):
        return None
    last, after = figures[-1], stated[figures[-1].end() :].lower()
    if len(after) > AFTER or _COMPARES.search(after) or foreign.DENIES_LATER.search(after):
        return None
    if len(figures) > 1 and _APART.fullmatch(stated[figures[-2].end() : last.start()]):
        return None  # one of several that are named together
    value = stated[last.start() :]
    return matching_option(value, options) or matching_option(value.partition(", ")[0], options)


def _states(sentence: str) -> bool:
    """Whether a sentence neither asks, supposes, denies nor lists options."""
    low = sentence.lower()
    if "?" in sentence or results.LISTED.match(sentence) or len(results.LABELS.findall(sentence)) > 1:
        return False
    if results.NAMED.search(sentence) or results.UNSURE.search(sentence) or results.ASKS.search(sentence):
        return False
    return not (doubts.CONDITION.search(low) or foreign.DENIES.search(low) or foreign.UNREAL.search(low) or "≠" in low)
