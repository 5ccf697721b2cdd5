r"""Reading the committed answer of a multiple-choice completion: which letter, if any, does this text stand by?

The rule reads a text the way a careful person marks an exam. It collects *claims* ("Answer: C", ``\boxed{C}``, a last
line that is a letter), in order, and lets each later one confirm, correct or contradict what stands:

- the same letter again confirms; another letter replaces it only after words that withdraw the first ("wait", "no,");
- two different answers without such words, or "A or C", are a hedge and earn nothing;
- an answer that is denied or taken back afterwards is gone;
- text inside ``<think>`` does not count, nor does what follows a new question;
- only if nothing was claimed by letter may the value of exactly one option stand for it.

>>> options = ["A)21", "B)24", "C)42", "D)84", "E)1,200 dollars"]
>>> read_answer("Half of 84 is 42, not 24.\nAnswer: C", options)
'C'
>>> read_answer("The answer is 42.", options), read_answer("A train needs C hours.", options)
('C', None)

Cost is bounded: keywords are found by substring search, patterns are matched only where a keyword stands and cannot
backtrack, and of a long text only the end is read when the end holds a claim.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ratchet.tasks.answers.choice_claims import boxes_and_tags, foreign, keywords, lines, ticks
from ratchet.tasks.answers.choice_claims.claim import Claim, Passage
from ratchet.tasks.answers.markup import after_thinking, new_questions, plain
from ratchet.tasks.answers.option_values import trailing_value
from ratchet.tasks.answers.phrases import compiled
from ratchet.tasks.answers.vocabulary import withdrawals

TAIL = 700  # characters read first; the rest only where these hold no claim
WHOLE = 6_000  # characters read at most
BETWEEN = 400  # characters before an answer in which words may withdraw the one before it
AFTERWARDS = 500  # characters after the last answer in which words may withdraw it

SOURCES = (keywords, boxes_and_tags, foreign, ticks, lines)
_OPTION_BLOCK = compiled(r"\(?A[).:\]][^\n]{0,120}?\s\(?B[).:\]](?:[^\n]|\n){0,120}?\s\(?C[).:\]]")
_CONFLICT = "*"  # what stands after two different answers: no letter, until a correction names one


class Judgement(NamedTuple):
    """What a stretch of text comes to."""

    settled: bool
    """Whether it says something about the answer; else another stretch is read."""
    letter: str | None = None
    """None where it hedges, or takes its answer back."""
    claim: Claim | None = None
    """The last claim on the letter."""


class Standing(NamedTuple):
    """What stands after all claims were weighed."""

    letters: str | None
    end: int
    """Where the last claim ends."""
    last: Claim | None


def read_answer(text: str, options: Sequence[str]) -> str | None:
    """Return the letter the text commits to, or None.

    Args:
        text: a completion; anything else than a string has no answer.
        options: the row's options, with or without their labels ("C)42" or "42"), at most ten.

    Returns:
        A letter among the first ``len(options)`` of the alphabet, or None where the text commits to none, or to
        several. Never raises.
    """
    return find_answer(text, options)[0]


def find_answer(text: str, options: Sequence[str]) -> tuple[str | None, tuple[int, int] | None]:
    """The letter that ``read_answer`` returns, and where it was last written.

    >>> find_answer("Half of 84 is 42.\\nAnswer: C", ["A)21", "B)24", "C)42"])
    ('C', (26, 27))

    Returns:
        The letter and the place of its character in ``text`` (start, end). The place is None where there is no answer,
        or where the value of an option stands for its letter.
    """
    if not isinstance(text, str):
        return None, None
    for start, raw, opens in _parts(text):
        part = plain(raw)
        settled, letter, claim = _judge(part, options, opens)
        if settled:
            if not letter or ord(letter) - 65 >= len(options):
                return None, None
            return letter, _place(letter, claim, part, raw, start)
    return None, None


def _parts(text: str) -> Iterator[tuple[int, str, bool]]:
    """The stretches that may hold the answer, in the order in which they are believed.

    Yields:
        Where the stretch starts, its text, and whether it opens the completion.
    """
    offset, text = after_thinking(text)
    start = 0
    for cut in new_questions(text):
        start = max(start, cut - WHOLE)
        yield offset + start, text[start:cut], True
        start = cut
    for reach in (TAIL, WHOLE) if len(text) - start > TAIL else (WHOLE,):
        begin = max(start, len(text) - reach)
        yield offset + begin, text[begin:], reach == WHOLE and begin == start


def _place(letter: str, claim: Claim | None, part: str, raw: str, start: int) -> tuple[int, int] | None:
    """Where the letter of a claim stands in the completion.

    Args:
        part: the plain text that the claim was made on.
        raw: the same stretch as it was written.
        start: where it starts in the completion.
    """
    at = None if claim is None else _last_standing(letter, claim, part)
    if at is None:
        return None
    if part is not raw and len(part) != len(raw):  # normalisation moved it
        at = bisect_left(range(len(raw)), True, key=lambda end: len(plain(raw[: end + 1])) > at)
    return start + at, start + at + 1


def _last_standing(letter: str, claim: Claim, part: str) -> int | None:
    """Where the letter last stands alone within a claim."""
    for at in range(min(claim.end, len(part)) - 1, claim.start - 1, -1):
        glued = part[at - 1 : at].isalnum() or part[at + 1 : at + 2].isalnum()
        if part[at].upper() == letter and not glued:
            return at
    return None


def collect_claims(text: str, options: Sequence[str], opens: bool = True) -> list[Claim]:
    """All claims that a stretch of plain text makes, in their order."""
    passage = Passage(text, options, opens)
    found: list[Claim] = []
    for source in SOURCES:
        found += source.claims(passage)
    return sorted(found)


def _judge(text: str, options: Sequence[str], opens: bool) -> Judgement:
    claims = collect_claims(text, options, opens)
    standing, end, last = _resolve(text, claims)
    if standing is None and all(claim.denied for claim in claims):
        letter = trailing_value(text, options)
        return Judgement(letter is not None, letter)
    if standing and _taken_back_after(text, end):
        after = text[end:]
        # a value may still follow, but only where the text says more than the withdrawal
        says_more = "\n" in after or "." in after
        return Judgement(True, trailing_value(after, options) if says_more else None)
    committed = standing and len(standing) == 1 and standing != _CONFLICT
    return Judgement(True, standing if committed else None, last)


def _resolve(text: str, claims: list[Claim]) -> Standing:
    """Let each claim in turn confirm, correct or contradict what stands."""
    standing: str | None = None
    last: Claim | None = None
    end = 0
    for claim in claims:
        if claim.denied:
            if claim.letters == standing:
                standing = None
            continue
        if standing is None or standing == claim.letters:
            standing = claim.letters
        elif claim.start < end and claim.letters in standing:
            continue  # a second keyword of the same statement
        elif _OPTION_BLOCK.search(text, end, claim.start):
            break  # the text has run on into another question; the first answer counts
        elif _replaces(text[max(end, claim.start - BETWEEN) : claim.start]):
            standing = claim.letters
        elif len(standing) > 1 and claim.letters in standing:
            standing = claim.letters  # "either A or C ... so C"
        else:
            standing = _CONFLICT
        end = max(end, claim.end)
        last = claim
    return Standing(standing, end, last)


def _replaces(between: str) -> bool:
    """Whether the words between two answers replace the first by the second."""
    return bool(withdrawals.REPLACES.search(between)) and not withdrawals.STANDS_BESIDE.search(between)


def _taken_back_after(text: str, end: int) -> bool:
    """Whether the words after the last answer withdraw it, and none after these confirm it."""
    after = text[end : end + AFTERWARDS]
    withdrawn = withdrawals.WITHDRAWN.search(after)
    return bool(withdrawn) and not withdrawals.CONFIRMED.search(after, withdrawn.end())
