r"""Reading the committed answer of a completion whose answer is words: which text, if any, does it stand by?

What counts, in the order in which it is believed:

1. what stands in ``\boxed{}``, in ``<answer>`` tags, or after "final answer:" or "answer:" ("the answer is ..." too, where
   it does not merely describe the answer),
2. what a line labelled "Translation:" or "Complete form:" says,
3. the last line, without courtesies.

Reasoning before it is free. Two different explicit answers are none, unless words between them withdraw the first; an
answer that is denied, hedged or taken back is gone; text inside ``<think>`` does not count, nor does what follows a new
question once something was answered.

>>> read_written_answer("The suffix is -ku.\n\nFinal answer: **suŋkaku**")
'suŋkaku'
>>> read_written_answer("\\boxed{suŋka}, or is it \\boxed{suŋkaku}?") is None
True

Cost is linear in the length of the text.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from ratchet.tasks.answers import text_patterns as p
from ratchet.tasks.answers.choice import after_thinking, new_questions

WHOLE = 100_000  # characters read at most: the first half and the last half of these
LONGEST = 600  # characters that an answer may have
MANY = 64  # a text that answers more often, in one way of answering, commits to nothing
_UNREADABLE = "\0"  # an explicit answer that is too long to be one: it contradicts every other


class _Claim(NamedTuple):
    start: int
    end: int
    value: str


def read_written_answer(text: str, openings: Sequence[str] = ()) -> str | None:
    """Return the words the text commits to, or None.

    Args:
        text: a completion; anything else than a string has no answer.
        openings: lines with which the task's own questions begin; a model that runs on writes further ones.

    Returns:
        The answer without markup, quotes and lead-in, otherwise as written; None where the text commits to nothing, or
        to several things. Never raises.
    """
    if not isinstance(text, str):
        return None
    _, text = after_thinking(text)
    if len(text) > WHOLE:
        text = text[: WHOLE // 2] + "\n" + text[-WHOLE // 2 :]
    text = unicodedata.normalize("NFC", text)
    further = [
        match.start()
        for opening in openings
        for match in _matches(re.compile(rf"\n[ \t#*>]*{re.escape(opening)}"), text)
    ]
    start, cuts = 0, [*sorted({*new_questions(text), *further} - {0}), len(text)]
    for cut in cuts:
        part, start = text[start:cut], cut
        if not part.strip():
            continue
        decided, answer = _committed(part)
        if decided or cut == cuts[-1] or (answer and not p.OPENER.match(part.strip().rpartition("\n")[2])):
            return answer
    return None


def _committed(text: str) -> tuple[bool, str | None]:
    """Whether the text answers explicitly, and what it stands by."""
    claims = _claims(text)
    if not claims:
        labelled = _labelled(text)
        if not labelled:
            return False, _last_line(text)
        return True, labelled.pop() if len(labelled) == 1 else None
    standing: _Claim | None = None
    for claim in claims:
        if p.DENIED.search(text[max(0, claim.start - 60) : claim.start]):
            standing = None if standing and standing.value == claim.value else standing
        elif standing is None or _same(standing.value, claim.value):
            standing = claim
        elif claim.start < standing.end:
            continue  # a label inside a box, a box inside a tag
        elif _corrects(text[standing.end : claim.start]):
            standing = claim
        else:
            return True, None
    if (
        standing is None
        or standing.value == _UNREADABLE
        or p.HEDGES.match(text, standing.end)
        or p.WITHDRAWS.search(text, standing.end)
    ):
        return True, None
    return True, standing.value


def _claims(text: str) -> list[_Claim]:
    """All explicit answers in their order; a search is made only where its keyword stands somewhere."""
    low, found = text.lower(), set()
    if "\\boxed" in text:
        found |= {*_boxed(text)}
    if "answer>" in low or "<answer" in low:
        found |= {*_tagged(text)}
    if "answer" in low or "final" in low or "correct" in low:
        found |= {*_said(text), *_json(text)}
    return sorted(found)


def _labelled(text: str) -> set[str]:
    """What lines labelled "Translation:" or "Complete form:" say."""
    low = text.lower()
    if "translation" not in low and "form" not in low:
        return set()
    return {clean(_of_line(text, match.end())) for match in _matches(p.LABELLED_LINE, text)} - {""}


def _same(first: str, second: str) -> bool:
    """Whether two claims are one: equal, or one is the other with a note after it."""
    short, long = sorted((first.casefold().strip(" .!?"), second.casefold().strip(" .!?")), key=len)
    return (
        first != _UNREADABLE
        and long.startswith(short)
        and (len(long) == len(short) or long[len(short) :].lstrip()[:1] in ",;(—–")
    )


def _corrects(between: str) -> bool:
    return bool(p.CORRECTS.search(between)) and not re.search(
        r"\b(?:if|should|or|alternatively|otherwise)\b", between, re.IGNORECASE
    )


def _matches(pattern: re.Pattern, text: str) -> list[re.Match]:
    """The first matches, one more than ``MANY`` where there are so many."""
    return list(islice(pattern.finditer(text), MANY + 1))


def _boxed(text: str) -> Iterator[_Claim]:
    """The contents of every ``\\boxed{...}``, with balanced braces."""
    end = 0
    for match in _matches(p.BOX, text):
        if match.start() < end:
            continue
        depth, end = 0, match.end() - 1
        for end in range(match.end() - 1, min(len(text), match.end() + LONGEST)):
            depth += (text[end] == "{") - (text[end] == "}")
            if not depth:
                break
        value = clean(text[match.end() : end]) if not depth else _UNREADABLE
        if value:
            yield _Claim(match.start(), end + 1, value)


def _tagged(text: str) -> Iterator[_Claim]:
    """What stands in tags; the last one may lack its end. An opened tag that another follows is only mentioned."""
    opened = [match.span() for match in _matches(p.TAG, text)]
    closed = [match.span() for match in _matches(p.TAG_END, text)]
    for i, (start, inside) in enumerate(opened):
        following = opened[i + 1][0] if i + 1 < len(opened) else len(text)
        while closed and closed[0][0] < inside:
            closed.pop(0)
        ends = closed and closed[0][0] <= following
        if not ends and following < len(text):
            continue
        stop, end = closed[0] if ends else (len(text), len(text))
        value = _UNREADABLE if stop - inside > LONGEST else clean(_without_lead(text[inside:stop].strip()))
        if value:
            yield _Claim(start, end, value)


def _json(text: str) -> Iterator[_Claim]:
    return (_Claim(match.start(), match.end(), clean(match[1])) for match in _matches(p.JSON, text) if clean(match[1]))


def _said(text: str) -> Iterator[_Claim]:
    """What follows "answer:" or "the answer is" on its line, or stands under such a heading."""
    labels, headings, sentences = (_matches(pattern, text) for pattern in (p.LABEL, p.HEADING, p.IS))
    if max(len(labels), len(headings), len(sentences)) > MANY:
        yield _Claim(len(text), len(text), _UNREADABLE)
        return
    for match in labels:
        if not _begins(text, match.start()):
            continue
        line = _of_line(text, match.end())
        if line.strip(" \t*_"):
            yield from _value(text, match.start(), match.end(), line)
        elif p.OPENS_LINE.match(text[text.rfind("\n", 0, match.start()) + 1 : match.start()]):
            yield from _under(text, match.end())
    for match in headings:
        if not match.group().rstrip(" \t*_").endswith((":", "：")):
            yield from _under(text, match.end())
    for match in sentences:
        if "would" in match.group().lower() and p.IMAGINED.search(text[max(0, match.start() - 120) : match.start()]):
            continue
        line = _of_line(text, match.end())
        if _begins(text, match.start()) and line.strip() and not p.DESCRIBES.match(_here(line).strip(" \t*_\"'“`")):
            yield from _value(text, match.start(), match.end(), line)


def _begins(text: str, at: int) -> bool:
    """Whether a label begins a line or a sentence, or is made one by its article, and quotes no instruction."""
    before = text[max(0, at - 40) : at]
    if before[-1:].isalnum() or before[-1:] in ("<", "/") or p.ASKS_OR_QUOTES.search(before):
        return False
    return p.INTRODUCED.search(before) is not None


def _further(line: str) -> int:
    """Where the line goes on to a box, a tag or a further label, which is a claim of its own; else its length."""
    found = [
        match.start()
        for match in (p.BOX.search(line), p.TAG.search(line), p.LABEL.search(line), p.IS.search(line))
        if match
    ]
    return min(found, default=len(line))


def _here(line: str) -> str:
    """What a line says before it goes on to a further claim; nothing where that only leads on to it."""
    said = line[: _further(line)]
    return "" if len(said) < len(line) and p.LEADS_ON.match(said) else said


def _under(text: str, start: int) -> Iterator[_Claim]:
    """The next line with something on it, unless it is a label or a box itself."""
    position = start
    while position < len(text):
        line = _of_line(text, position)
        if not p.NOTHING.match(line):
            if _further(line) and not p.HEADING.match(line):
                yield from _value(text, start, position, line)
                yield from _candidates(text, position + len(line) + 1, len(line.split()))
            return
        position += len(line) + 1


def _candidates(text: str, start: int, words: int) -> Iterator[_Claim]:
    """A line just below an answer that is as short and no note: another candidate."""
    line = _of_line(text, start)
    if (
        not p.NOTHING.match(line)
        and len(line.split()) <= words + 1
        and not p.COURTESY.match(line)
        and line.strip()[0] not in "([-•#<\\"
        and ":" not in line
    ):
        yield _Claim(start, start + len(line), clean(line) or _UNREADABLE)


def _value(text: str, start: int, position: int, line: str) -> Iterator[_Claim]:
    line = _here(line)
    quoted = p.QUOTED.match(line)
    note = p.NOTE.search(line)
    if quoted:
        note, line = None, quoted.group()
    said = line[: note.start()] if note and not p.NOTHING.match(line[: note.start()]) else line
    value = _UNREADABLE if len(said) > LONGEST else clean(_without_lead(_ending(said.strip())[1]))
    if value:
        yield _Claim(start, position + len(said), value)


def _of_line(text: str, start: int) -> str:
    """The rest of the line; of an endless one, more than an answer may have."""
    end = text.find("\n", start, start + 3 * LONGEST)
    return text[start : start + 3 * LONGEST if end < 0 else end]


def _last_line(text: str) -> str | None:
    lines = [line.strip() for line in text.split("\n") if not p.NOTHING.match(line) and not p.COURTESY.match(line)]
    if not lines or len(lines[-1]) > LONGEST:
        return None
    if len(lines) > 1 and re.search(r"\b(?:or|either)\b\W*\Z", lines[-2], re.IGNORECASE):
        return None
    if any(p.CANDIDATES.search(line) for line in lines[-3:-1]):
        return None
    bullets = [p.BULLET.match(line) for line in lines[-2:]]
    if len(lines) > 1 and all(bullets) and all(len(line.split()) <= 5 and ":" not in line for line in lines[-2:]):
        return None  # a list of candidates is no choice
    before, answer = _ending(p.SENTENCE.split(lines[-1])[0])
    return None if p.DENIED.search(before) else clean(answer) or None


def _without_lead(value: str) -> str:
    lead = p.LEAD.match(value)
    return value[lead.end() :] if lead else value


def _ending(line: str) -> tuple[str, str]:
    """What stands before a line's answer, and the answer: after a lead-in, a colon, an arrow or an equals sign, or marked."""
    match = p.SPAN.match(line) or ("*" in line and p.SPAN.match(line.replace("*", "")))
    if match:
        return match["before"] + " ", match["said"]
    line = clean(line)
    rest = _without_lead(line)
    before = line[: len(line) - len(rest)]
    match = p.AFTER.match(rest)
    if not match:
        return before, rest
    fits = (
        p.WORKING.search(match["before"])
        if match["sign"] in ("=", "→", "⇒", "->")
        else not p.ALTERNATIVES.search(match["before"])
    )
    return (before + match["before"], match["said"]) if fits else (before, rest)


def clean(value: str) -> str:
    """An answer without markup, wrapping quotes or brackets, and closing punctuation.

    >>> clean("- **“suŋkaku”**."), clean("$\\\\text{suŋkaku}$"), clean("mitakoda (my friend)")
    ('suŋkaku', 'suŋkaku', 'mitakoda (my friend)')
    """
    value = value.strip()
    if "\\" in value or "~" in value:
        value = value.replace("\\ ", " ").replace("~", " ")
        for _ in range(3):
            value = p.LATEX.sub(lambda match: match[1] or "", value)
    value = value.replace("*", "").replace("`", "'") if "``" in value else value.replace("*", "").replace("`", "")
    value = p.BULLET.sub("", value, count=1) if p.BULLET.match(value) else value
    before = None
    while value != before:
        before, value = value, _unwrapped(value.strip(p.EDGES))
    return "" if p.NOTHING.match(value) else value


def _unwrapped(value: str) -> str:
    """A text without its outermost pair of quotes or brackets, a quote without its partner, and closing emoji."""
    while value and not value.isascii() and unicodedata.category(value[-1]) in ("So", "Sk", "Mn", "Cf"):
        value = value[:-1]
    if value.startswith("\\boxed{") and value.endswith("}"):
        return value[7:-1]
    for left, right in p.WRAPS.get(value[:1], ()):
        inner = value[len(left) : len(value) - len(right)]
        if (
            len(value) > len(left) + len(right)
            and value.startswith(left)
            and value.endswith(right)
            and right not in inner
            and left not in inner
        ):
            return inner
    if value[:1] in p.QUOTES or value[-1:] in p.QUOTES:
        for quote in p.QUOTES:
            value = value.strip(quote) if value.count(quote) == 1 else value
    return value
