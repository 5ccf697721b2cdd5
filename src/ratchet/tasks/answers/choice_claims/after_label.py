"""What stands after a label: a letter, a hedge between letters, a denial, or the value of an option."""

import re
from typing import NamedTuple

from ratchet.tasks.answers.choice_claims.claim import Claim, Passage
from ratchet.tasks.answers.choice_claims.context import is_meant, is_variable, opens_list
from ratchet.tasks.answers.option_values import is_own_value, matching_option
from ratchet.tasks.answers.vocabulary import bridges, letters

VALUE = 90  # characters after a label among which a value is looked for
LINE_REST = 70  # characters after a letter among which a second one may be brought in
MOST_LETTERS = 10


class LabelledLetter(NamedTuple):
    """A letter after a label."""

    match: re.Match | None
    denied: bool
    """Whether what stands between says "not"."""


class Reading(NamedTuple):
    """What was made of the text after a label."""

    claim: Claim | None
    settled: bool
    """Whether the text names or denies something there, even where that is no claim: no value is looked for then."""


def bridge_end(passage: Passage, end: int) -> int:
    """Where what stands between a label and its letter ends."""
    return bridges.BRIDGE.match(passage.low, end).end()


def is_announced(passage: Passage, end: int) -> bool:
    """Whether what stands between label and letter says "is" or has a colon."""
    bridge = passage.low[end : bridge_end(passage, end)]
    return ":" in bridge or "=" in bridge or "is " in bridge or "→" in bridge


def letter_after(passage: Passage, end: int) -> LabelledLetter:
    """The letter after a label that ends at ``end``."""
    text = passage.text
    start = bridge_end(passage, end)
    deny = bridges.DENY.match(passage.low, start)
    start = deny.end() if deny else start
    if start > 0 and text[start - 1].isalnum():  # glued to the word before it
        return LabelledLetter(None, bool(deny))
    match = letters.LETTER.match(text, start) or _letter_with_its_text(passage, start)
    return LabelledLetter(match, bool(deny))


def _letter_with_its_text(passage: Passage, start: int) -> re.Match | None:
    """A letter followed by its own option's text: "B) once every 15 years", which no pattern could tell apart."""
    found = letters.LABEL_THEN_TEXT.match(passage.text, start)
    return found if found and is_own_value(found["text"], found["letter"], passage.options) else None


def read_after(passage: Passage, at: int, end: int) -> Reading:
    """Read what stands after the label from ``at`` to ``end``."""
    match, denied = letter_after(passage, end)
    if not match:
        return Reading(None, denied)
    start, stop, letter = match.start(), match.end("letter"), match["letter"]
    if letter.islower() and not _stands_alone(passage.text, start):
        return Reading(None, False)
    letter = letter.upper()
    if not is_meant(passage, at, stop) or opens_list(passage, letter, stop) or is_variable(passage, letter, stop):
        return Reading(None, True)
    if denied:
        return Reading(_denied(passage, start, stop, letter), True)
    if letters.DENIED_LATER.match(passage.low, stop):
        return Reading(Claim(start, stop, letter, denied=True), True)
    return Reading(hedged(passage.text, start, stop, letter), True)


def claim_after(passage: Passage, at: int, end: int) -> Claim | None:
    """The claim that stands after the label from ``at`` to ``end``."""
    return read_after(passage, at, end).claim


def _denied(passage: Passage, start: int, stop: int, letter: str) -> Claim:
    """ "not A", or "not A but C"."""
    other = letters.NOT_BUT.match(passage.low, stop)
    if other:
        return Claim(start, other.end(), other["letter"].upper())
    return Claim(start, stop, letter, denied=True)


def _stands_alone(text: str, start: int) -> bool:
    """Whether a lower-case letter is a name: "(c)", "answer: c."; not the article in "the answer is a number"."""
    after = text[start + 1 : start + 4].lstrip("*_")
    if after[:1].isalnum() or (after[:1] == " " and after[1:2].isalpha()):
        return False
    spoken = text[max(0, start - 3) : start].lower().endswith(("is ", " be ", "as "))
    return not (spoken and text[start] in "ai")


def hedged(text: str, start: int, stop: int, named: str) -> Claim:
    """The claim on a letter, with the others that the text names beside it: "A or C", "A (or possibly C)"."""
    hedge = letters.HEDGE.match(text, stop)
    while hedge and len(named) < MOST_LETTERS:
        stop = hedge.end()
        if hedge["other"] not in named:
            named += hedge["other"]
        hedge = letters.HEDGE.match(text, stop)
    rest = text[stop : stop + LINE_REST].partition("\n")[0]
    if letters.ALSO.search(rest) and not letters.NEGATES.search(rest):
        other = letters.OTHER_LETTERS.search(rest)
        if other:
            return Claim(start, stop + other.end(), named + other[1].replace(named[0], ""))
    return Claim(start, stop, named)


def value_after(passage: Passage, end: int) -> Claim | None:
    """The value of one option after a label: "The answer is 42"."""
    text = passage.text
    start = bridge_end(passage, end)
    # the bridge takes the minus sign of "-42" and the point of ".5" for markup
    start -= text[start - 1] in "-." and text[start : start + 1].isdigit()
    line = text[start : start + VALUE].partition("\n")[0]
    if not line or "?" in line:
        return None
    pieces = [line, text[end:start] + line]
    stop = letters.VALUE_STOP.search(line)
    if stop and not letters.VALUE_LIST.match(line, stop.start()):
        pieces.append(line[: stop.start()])
    for piece in pieces:
        letter = matching_option(piece, passage.options)
        if letter:
            return Claim(start, start + len(piece), letter)
    return None
