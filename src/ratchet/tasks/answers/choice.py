r"""Reading the committed answer of a multiple-choice completion: which letter, if any, does this text stand by?

The rule is a small theory of evidence. A text makes *claims*, each of a rank:

    FORM     "Answer: C" at the beginning of a line or a sentence: what prompts ask for
    MARKED   ``\boxed{C}``, ``<answer>C</answer>``, a ticked line
    STATED   "the answer is C", "C is correct", a line that is a letter; "the answer is 42" by an option's value
    LEAD     weaker words that lead to a letter: "so C", "I'd go with C"
    VALUE    an option's value as the last word of the text, where no letter is claimed at all

and these are weighed in their order:

- the same letter again confirms;
- a claim gives way to a stronger one that follows, and to an equal or weaker one only after words that correct it
  ("wait", "no,", "I meant");
- two different claims of equal rank without such words, or "A or C", are a hedge and earn nothing;
- a stretch that goes through the options makes no claims, but for a plain verdict ("C is correct");
- a denial counts only against the letter that it names ("A is a common mistake");
- what is supposed, asked, or said to be somebody else's answer claims nothing;
- words after the last claim undo it only where they withdraw *it* ("that answer is wrong"), and name no other letter;
- text inside ``<think>`` does not count, nor does what follows a new question.

``docs/answers.md`` has an example for each.

>>> options = ["A)21", "B)24", "C)42", "D)84", "E)1,200 dollars"]
>>> read_answer("Half of 84 is 42, not 24.\nAnswer: C", options)
'C'
>>> read_answer("The answer is 42.", options), read_answer("A train needs C hours.", options)
('C', None)

Cost is linear in the text: patterns are matched in windows of bounded length around a letter, nothing can backtrack
beyond them, and of a long text only the end is read when the end holds a claim.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ratchet.tasks.answers.choice_claims import Claim, Rank, claims
from ratchet.tasks.answers.choice_marks import (
    after_list,
    closing_value,
    ends_in_list,
    last_option,
    lower_case,
    marked,
    values,
)
from ratchet.tasks.answers.choice_passage import Passage
from ratchet.tasks.answers.conclusion import concluded
from ratchet.tasks.answers.markup import after_thinking, new_questions, plain
from ratchet.tasks.answers.option_values import trailing_value
from ratchet.tasks.answers.phrases import compiled
from ratchet.tasks.answers.vocabulary import withdrawals
from ratchet.tasks.answers.vocabulary.assertions import THAT_IS_IT

TAIL = 900  # characters read first; the rest only where these hold no claim
WHOLE = 6_000  # characters read at most
BETWEEN = 400  # characters before an answer in which words may withdraw the one before it
AFTERWARDS = 500  # characters after the last answer in which words may withdraw it
RELATIVE = 4  # ... and before which "which is wrong" speaks of the answer itself
MOST_CHANGES = 3  # of mind: a text that swings from letter to letter commits to none
CLOSING = 60  # characters that a last line may have which is nothing but the requested form

_CONFLICT = "*"  # what stands after two different answers: no letter, until a correction names one
# The requested form alone on the last line, of a text that speaks of an answer nowhere else.
_LAST_LINE = compiled(
    r"(?:\A|\n)[ \t>#*_]*(?:(?:[Tt]he )?(?:[Ff]inal|[Cc]orrect) )?(?:[Aa]nswer|ANSWER)[ \t*_]*[:：]",
    r"[ \t*_]*\(?(?P<letter>[A-J])\)?[ \t*_.]*\s*\Z",
)


class Standing(NamedTuple):
    """What stands after claims were weighed."""

    letters: str | None = None
    rank: Rank = Rank.LEAD
    end: int = 0
    """Where the last claim ends."""
    last: Claim | None = None


class Judgement(NamedTuple):
    """What a stretch of text comes to."""

    settled: bool
    """Whether it says something about the answer; else another stretch is read."""
    letter: str | None = None
    """None where it hedges, or takes its answer back."""
    claim: Claim | None = None
    """The last claim on the letter."""


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
    form = _only_form(text)
    if form is not None:
        letter = text[form]
        return (letter, (form, form + 1)) if ord(letter) - 65 < len(options) else (None, None)
    for start, raw, opens in _parts(text):
        part = plain(raw)
        settled, letter, claim = _judge(Passage(part, options, opens))
        if settled:
            return (letter, _place(letter, claim, part, raw, start)) if letter else (None, None)
    return None, None


def _only_form(text: str) -> int | None:
    """Where the letter stands in the commonest text of all: it ends in the requested form, which nothing can undo."""
    if len(text) > WHOLE or not text[-CLOSING:].isascii():
        return None
    match = _LAST_LINE.search(text, max(0, len(text) - CLOSING))
    if match is None or "hink" in text or "HINK" in text or text.lower().count("answer") > 1 or new_questions(text):
        return None
    return match.start("letter")


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
    tail = max(start, len(text) - TAIL, 0)
    whole = max(start, len(text) - WHOLE)
    # an answer in the requested form that stands further up is one of two, if the end holds another
    early = text.lower().find("answer:", whole, tail) if tail > whole else -1
    if early < 0 and tail > whole:
        yield offset + tail, text[tail:], False
    yield offset + whole, text[whole:], whole == start


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
        glued = part[at - 1 : at].isascii() and part[at - 1 : at].isalnum()
        if part[at].upper() == letter and not (glued or part[at + 1 : at + 2].isalnum()):
            return at
    return claim.start if part[claim.start : claim.start + 1].upper() == letter else None


def collect_claims(passage: Passage) -> list[Claim]:
    """All claims that a passage makes, in their order."""
    marks = list(marked(passage))
    found = [
        claim
        for claim in claims(passage)
        if claim.rank == Rank.FORM or not any(mark.start <= claim.start < mark.end for mark in marks)
    ]
    return sorted([*found, *marks, *values(passage, found)])


def _judge(passage: Passage) -> Judgement:
    found = collect_claims(passage)
    standing = weigh(passage, found)
    if standing.letters is None:
        if any(not claim.denied for claim in found):
            return Judgement(True)
        lower = lower_case(passage)
        if lower:
            return Judgement(True, lower.letters, lower)
        letter = closing_value(passage)
        if letter is None:
            letter = concluded(after_list(passage), passage.options)
        if letter is None and not ends_in_list(passage):
            letter = _last_value(passage)
        return Judgement(letter is not None, letter)
    if len(standing.letters) > 1 or standing.letters == _CONFLICT or _is_withdrawn(passage, standing):
        return Judgement(True)
    return Judgement(True, standing.letters, standing.last)


def _last_value(passage: Passage) -> str | None:
    """The option with whose value the text ends."""
    text = passage.text
    pointing_back = THAT_IS_IT.search(passage.low)
    if pointing_back:
        text = text[: pointing_back.start() + 1]
    letter = trailing_value(text, passage.options)
    return letter if letter or text.rstrip().endswith("?") else last_option(passage, text)


def weigh(passage: Passage, found: Sequence[Claim]) -> Standing:
    """Let each claim in turn confirm, correct or contradict what stands."""
    standing, changes = Standing(), 0
    for claim in found:
        before = standing.letters
        if claim.denied:
            if claim.letters == standing.letters:
                standing = standing._replace(letters=None)
        elif claim.beside:
            if standing.letters and claim.letters not in standing.letters:
                standing = standing._replace(letters=_CONFLICT, end=max(standing.end, claim.end))
        else:
            standing = _after(passage, standing, claim)
            changes += bool(before) and standing.letters != before
    return standing._replace(letters=_CONFLICT) if changes >= MOST_CHANGES and standing.letters else standing


def _after(passage: Passage, standing: Standing, claim: Claim) -> Standing:
    """What stands after one more claim."""
    taken = Standing(claim.letters, claim.rank, max(standing.end, claim.end), claim)
    if standing.letters is None:
        return taken
    if standing.letters == claim.letters:
        return taken._replace(rank=max(standing.rank, claim.rank))
    if claim.start < standing.end and len(claim.letters) == 1:
        return standing  # a second keyword of the same statement
    if _corrects(passage.low, max(standing.end, claim.start - BETWEEN), claim.start):
        return taken
    if claim.rank < standing.rank:
        return standing
    if claim.rank > standing.rank and (standing.rank < Rank.STATED or claim.rank == Rank.FORM):
        return taken
    if len(standing.letters) > 1 and claim.letters in standing.letters:
        return taken  # "either A or C ... so C"
    return taken._replace(letters=_CONFLICT)


def _corrects(low: str, start: int, end: int) -> bool:
    """Whether the words between two answers replace the first by the second."""
    between = low[start:end]
    if withdrawals.STANDS_BESIDE.search(between):
        return False
    found = withdrawals.CORRECTS.search(between)
    # "The final answer is A. ... The final answer is C." are two: the words correct an answer that was not final
    while found and found.group() == withdrawals.FINAL and withdrawals.FINAL in low[:start]:
        found = withdrawals.CORRECTS.search(between, found.end())
    return found is not None


def _is_withdrawn(passage: Passage, standing: Standing) -> bool:
    """Whether the words after the last claim take it back, and none after these confirm it."""
    end = standing.end
    after = passage.low[end : end + AFTERWARDS]
    for match in withdrawals.WITHDRAWS.finditer(after):
        span = passage.sentence(end + match.start())
        start = max(span.start, end)
        others = any(m.letter != standing.letters for m in passage.mentions if start <= m.at < span.end)
        relative = match.group().startswith("which") and match.start() > RELATIVE
        quoted = any(len(own) > 3 and own in passage.low[start : span.end] for own in passage.texts)
        if not (others or relative or quoted):
            return not withdrawals.CONFIRMS.search(after, match.end())
    return False
