r"""Where a completion states an answer in words: boxes, tags, JSON, "answer: ...", "the answer is ..."."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from ratchet.tasks.answers.text_markup import clean, ending, without_lead
from ratchet.tasks.answers.vocabulary import text_claims as words
from ratchet.tasks.answers.vocabulary import text_withdrawals

LONGEST = 600  # characters that an answer may have
MANY = 64  # a text that answers more often, in one way of answering, commits to nothing
UNREADABLE = "\0"  # an explicit answer that is too long to be one: it contradicts every other


class Claim(NamedTuple):
    """One place where the text states an answer."""

    start: int
    end: int
    value: str


def collect_claims(text: str) -> list[Claim]:
    """All explicit answers in their order; a search is made only where its keyword stands somewhere."""
    low = text.lower()
    found: set[Claim] = set()
    if "\\boxed" in text:
        found.update(_boxed(text))
    if "answer>" in low or "<answer" in low:
        found.update(_tagged(text))
    if "answer" in low or "final" in low or "correct" in low:
        found.update(_said(text), _json(text))
    return sorted(found)


def labelled_answers(text: str) -> set[str]:
    """What lines labelled "Translation:" or "Complete form:" say."""
    low = text.lower()
    if "translation" not in low and "form" not in low:
        return set()
    return {clean(line_from(text, match.end())) for match in matches(words.LABELLED_LINE, text)} - {""}


def matches(pattern: re.Pattern[str], text: str) -> list[re.Match]:
    """The first matches, one more than ``MANY`` where there are so many."""
    return list(islice(pattern.finditer(text), MANY + 1))


def line_from(text: str, start: int) -> str:
    """The rest of the line; of an endless one, more than an answer may have."""
    end = text.find("\n", start, start + 3 * LONGEST)
    return text[start : start + 3 * LONGEST if end < 0 else end]


def _boxed(text: str) -> Iterator[Claim]:
    """The contents of every ``\\boxed{...}``, with balanced braces."""
    end = 0
    for match in matches(words.BOX, text):
        if match.start() < end:  # a box in a box
            continue
        depth, end = 0, match.end() - 1
        for end in range(match.end() - 1, min(len(text), match.end() + LONGEST)):
            depth += (text[end] == "{") - (text[end] == "}")
            if not depth:
                break
        value = UNREADABLE if depth else clean(text[match.end() : end])
        if value:
            yield Claim(match.start(), end + 1, value)


def _tagged(text: str) -> Iterator[Claim]:
    """What stands in tags; the last one may lack its end. An opened tag that another follows is only mentioned."""
    opened = [match.span() for match in matches(words.TAG, text)]
    closed = [match.span() for match in matches(words.TAG_END, text)]
    for i, (start, inside) in enumerate(opened):
        following = opened[i + 1][0] if i + 1 < len(opened) else len(text)
        while closed and closed[0][0] < inside:
            closed.pop(0)
        ends = closed and closed[0][0] <= following
        if not ends and following < len(text):
            continue
        stop, end = closed[0] if ends else (len(text), len(text))
        too_long = stop - inside > LONGEST
        value = UNREADABLE if too_long else clean(without_lead(text[inside:stop].strip()))
        if value:
            yield Claim(start, end, value)


def _json(text: str) -> Iterator[Claim]:
    for match in matches(words.JSON, text):
        value = clean(match[1])
        if value:
            yield Claim(match.start(), match.end(), value)


def _said(text: str) -> Iterator[Claim]:
    """What follows "answer:" or "the answer is" on its line, or stands under such a heading."""
    labels, headings, sentences = (matches(pattern, text) for pattern in (words.LABEL, words.HEADING, words.IS))
    if max(len(labels), len(headings), len(sentences)) > MANY:
        yield Claim(len(text), len(text), UNREADABLE)
        return
    for match in labels:
        if _begins(text, match.start()):
            yield from _after_label(text, match)
    for match in headings:
        if not match.group().rstrip(" \t*_").endswith((":", "：")):  # those are labels too
            yield from _under(text, match.end())
    for match in sentences:
        if not _is_imagined(text, match):
            yield from _after_is(text, match)


def _after_label(text: str, match: re.Match) -> Iterator[Claim]:
    line = line_from(text, match.end())
    if line.strip(" \t*_"):
        yield from _value(text, match.start(), match.end(), line)
        return
    before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
    if words.OPENS_LINE.match(before):
        yield from _under(text, match.end())


def _after_is(text: str, match: re.Match) -> Iterator[Claim]:
    line = line_from(text, match.end())
    if not _begins(text, match.start()) or not line.strip():
        return
    if not words.DESCRIBES.match(_here(line).strip(" \t*_\"'“`")):
        yield from _value(text, match.start(), match.end(), line)


def _is_imagined(text: str, match: re.Match) -> bool:
    """ "If it were -ya, the answer would be ..."."""
    before = text[max(0, match.start() - 120) : match.start()]
    return "would" in match.group().lower() and text_withdrawals.IMAGINED.search(before) is not None


def _begins(text: str, at: int) -> bool:
    """Whether a label begins a line or a sentence, or is made one by its article, and quotes no instruction."""
    before = text[max(0, at - 40) : at]
    if before[-1:].isalnum() or before[-1:] in ("<", "/") or words.ASKS_OR_QUOTES.search(before):
        return False
    return words.INTRODUCED.search(before) is not None


def _further(line: str) -> int:
    """Where the line moves on to a box, a tag or a further label, which is a claim of its own; else its length."""
    found = [pattern.search(line) for pattern in (words.BOX, words.TAG, words.LABEL, words.IS)]
    return min((match.start() for match in found if match), default=len(line))


def _here(line: str) -> str:
    """What a line says before it moves on to a further claim; nothing where that only leads on to it."""
    said = line[: _further(line)]
    return "" if len(said) < len(line) and words.LEADS_ON.match(said) else said


def _under(text: str, start: int) -> Iterator[Claim]:
    """The next line with something on it, unless it is a label or a box itself."""
    position = start
    while position < len(text):
        line = line_from(text, position)
        if not words.NOTHING.match(line):
            if _further(line) and not words.HEADING.match(line):
                yield from _value(text, start, position, line)
                yield from _candidates(text, position + len(line) + 1, len(line.split()))
            return
        position += len(line) + 1


def _candidates(text: str, start: int, count: int) -> Iterator[Claim]:
    """Another candidate: the line just below an answer of ``count`` words, where it is as short and no note."""
    line = line_from(text, start)
    if words.NOTHING.match(line) or words.COURTESY.match(line) or len(line.split()) > count + 1:
        return
    is_note = ":" in line or line.strip()[0] in "([-•#<\\"
    if not is_note:
        yield Claim(start, start + len(line), clean(line) or UNREADABLE)


def _value(text: str, start: int, position: int, line: str) -> Iterator[Claim]:
    """The claim that a line makes, without the note that may follow its answer.

    Args:
        start: where the claim begins: at its label.
        position: where the line begins.
    """
    line = _here(line)
    said = _quoted(line) or _without_note(line)
    value = UNREADABLE if len(said) > LONGEST else clean(without_lead(ending(said.strip())[1]))
    if value:
        yield Claim(start, position + len(said), value)


def _quoted(line: str) -> str | None:
    """What a line begins with, where that is marked or in quotes: any note stands outside."""
    quoted = words.QUOTED.match(line)
    return quoted.group() if quoted else None


def _without_note(line: str) -> str:
    note = words.NOTE.search(line)
    if note and not words.NOTHING.match(line[: note.start()]):
        return line[: note.start()]
    return line
