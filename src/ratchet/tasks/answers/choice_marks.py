r"""What claims an answer outside of sentences: boxes, tags, ticks, and the value of an option after a label."""

import re
from collections.abc import Iterator, Sequence

from ratchet.tasks.answers.choice_claims import Claim, Rank
from ratchet.tasks.answers.choice_passage import Passage
from ratchet.tasks.answers.option_values import is_own_value, matching_option
from ratchet.tasks.answers.phrases import any_of, compiled
from ratchet.tasks.answers.vocabulary import assertions as says
from ratchet.tasks.answers.vocabulary import doubts, foreign

MAX_HITS = 8  # boxes and tags of a kind that are read, the last ones
BOX_REACH = 120  # characters within which a box's braces must be balanced
TAG_REACH = 300  # characters within which a tag is closed
VALUE = 90  # characters after a label among which a value is looked for
FOREIGN_REACH = 200  # last characters in which a label of another language is looked for
WORDY = 12  # characters of an option that is a phrase, and is looked for inside a sentence
SHORT_LINE = 40  # characters that the line below a label may have, to be its value

BOXES = ("\\boxed", "\\fbox", "\\framebox")
TAGS = ("<answer", "<final", "<choice", "[answer")
_TAG_OPEN = compiled(r"(?:[_ ]?answer|[_ ]?choice)?\s{0,3}[>\]]")
_TAG_CLOSE = compiled(r"<|\[/")
_STEP = r"(?:[\s*_`$\"':({\[\\-]|text(?:bf|it)?|math(?:rm|bf|sf)|option|choice|answer|letter|the|is|=)"
_CONTENT = compiled(rf"{_STEP}{{0,24}}+(?P<deny>(?:not|n't|never)\b\s*)?(?P<letter>[a-j])(?!\w|['^+*/](?!\*))")
_EDGES = " \n\t.)}]*_`$\"':;-,\\|>"
_GOES_ON = compiled(r"[-–—:*]\s*\w")  # "C - x", "C: a train": text after the letter, which only begins a sentence
_ONLY_LETTERS = compiled(any_of(r"[A-J]", r"[\s,;/&|+.)}\]({\[*_-]", r"\b(?:and|or)\b"), "{1,40}+")
_LETTER = compiled(r"(?<!\w)[A-J](?!\w)")
_GAP = re.compile(
    r"(?:\w{0,12}[\s:：은는がは]{0,3}(?:是|is|ist|es|est|è|é|är|jest|je|on|adalah|là|คือ|είναι|—)?[\s:：*\"“«「]{0,5})"
)
_SENTENCE_END = re.compile(r"(?<=[\w)%$])[.;](?:\s|$)")
_SENTENCES = re.compile(r"[.!?]\s|\n")
_NOTE = re.compile(r"\s*[(]|,?\s+(?:because|since|as|which|so)\b|,\s|\s[—–-]\s")
_LIST_END = re.compile(r"\d\s*(?:,|or|/)\s*(?:or )?\$?\d+\s*\.?$")
_NOT = re.compile(r"\W*(?:not|n't)\b", re.IGNORECASE)


def marked(passage: Passage) -> Iterator[Claim]:
    """The claims in boxes, tags and ticked lines."""
    low = passage.text.lower() if len(passage.text.lower()) == len(passage.text) else passage.low
    if "box" in low:
        for end in _ends(low, BOXES):
            yield from _box(passage, end)
    if "<" in low or "[" in low:
        for end in _ends(low, TAGS):
            yield from _tag(passage, low, end)
    for match in says.TICKED.finditer(passage.low):
        at = match.start("letter" if match["letter"] else "late")
        if passage.flat[at].isupper() and ord(passage.flat[at]) - 65 < len(passage.options):
            yield Claim(at, at + 1, passage.flat[at], Rank.MARKED)


def _ends(low: str, words: tuple[str, ...]) -> Iterator[int]:
    """Where the words end, the last ones of the text."""
    for word in words:
        at = low.rfind(word)
        for _ in range(MAX_HITS):
            if at < 0:
                break
            yield at + len(word)
            at = low.rfind(word, 0, at)


def _box(passage: Passage, end: int) -> Iterator[Claim]:
    r"""``\boxed{C}``, ``\boxed{\text{(C) } 42}``, ``\boxed{42}``."""
    text = passage.text
    end += text.startswith(" {", end)
    if text[end : end + 1] == "{":
        depth, stop = 1, end + 1
        while depth and stop < min(len(text), end + BOX_REACH):
            depth += {"{": 1, "}": -1}.get(text[stop], 0)
            stop += 1
        yield from _content(passage, end + 1, stop - (depth == 0), stop)


def _tag(passage: Passage, low: str, end: int) -> Iterator[Claim]:
    """``<answer> C </answer>``, ``[answer]C[/answer]``; an empty tag says nothing."""
    opened = _TAG_OPEN.match(low, end)
    if opened:
        limit = opened.end() + TAG_REACH
        closed = _TAG_CLOSE.search(passage.text, opened.end(), limit)
        stop = closed.start() if closed else min(len(passage.text), limit)
        yield from _content(passage, opened.end(), stop, stop)


def _content(passage: Passage, start: int, stop: int, end: int) -> Iterator[Claim]:
    """What a box or a tag holds: a letter with or without its value, a hedge, or a value."""
    inner = passage.text[start:stop]
    letters = _letters(passage, inner) or matching_option(inner, passage.options) or _closing(passage, inner)
    if letters:
        yield Claim(start, end, letters, Rank.MARKED)


def _letters(passage: Passage, inner: str) -> str | None:
    """The letter that a content begins with, or the several that it consists of."""
    match = _CONTENT.match(inner.lower())
    if not match or match["deny"] or len(inner.lower()) != len(inner):
        return None
    at = match.start("letter")
    letter, rest = inner[at].upper(), inner[at + 1 :]
    bare = rest.strip(_EDGES)
    if not bare or is_own_value(bare, letter, passage.options):
        return letter
    if _ONLY_LETTERS.fullmatch(bare):
        return "".join(sorted({letter, *_LETTER.findall(bare)}))
    if inner[at].isupper() and rest[0] in ").:]},*-–—" and not _GOES_ON.match(rest):
        return letter
    return None


def _closing(passage: Passage, inner: str) -> str | None:
    r"""The one letter that stands behind its value: ``42\text{ (C)}``."""
    letters = set(_LETTER.findall(inner))
    if len(letters) != 1:
        return None
    letter = letters.pop()
    return letter if is_own_value(inner.partition(letter)[0].rstrip(" ({"), letter, passage.options) else None


def values(passage: Passage, taken: list[Claim]) -> Iterator[Claim]:
    """The claims of values after a label: "The answer is 42".

    Args:
        taken: claims by letter; where one stands after a label, no value is looked for.
    """
    for at, before in (*_labels(passage), *_foreign_labels(passage)):
        if any(at - 2 <= claim.start < at + 14 for claim in taken):
            continue
        line = _line_after(passage, at)
        unreal = (
            "?" in line
            or doubts.ONE_OF_CASES.search(before)
            or doubts.SUPPOSED.search(before)
            or doubts.SPOKEN_OF.search(before)
        )
        letter = None if unreal or _NOT.match(line) else _value(passage, line)
        if letter:
            yield Claim(at, at + len(line), letter, Rank.STATED)


def _labels(passage: Passage) -> Iterator[tuple[int, str]]:
    """Where labels end, each with what stands before it in its sentence."""
    low = passage.low
    if any(word in low for word in ("ans", "result", "solution", "choice", "option", "conclusion")):
        for match in says.LABEL_VALUE.finditer(low):
            yield match.end(), low[passage.sentence(match.start()).start : match.start()]


def _foreign_labels(passage: Passage) -> Iterator[tuple[int, str]]:
    """The same in other languages, in the last lines."""
    low = passage.low
    offset = max(0, len(low) - FOREIGN_REACH)
    tail = low[offset:]
    for label in foreign.ASCII_LABELS if tail.isascii() else foreign.ANSWERS:
        at = tail.rfind(label)
        if at >= 0:
            gap = _GAP.match(low, offset + at + len(label))
            yield gap.end(), ""


def _line_after(passage: Passage, at: int) -> str:
    """The rest of a label's line, or the line below, where that is short."""
    line = passage.text[at : at + VALUE].partition("\n")[0]
    if line.strip(" *_$"):
        return line.replace("**", "")
    below = passage.text[at : at + VALUE].lstrip(" *_\n#$:").partition("\n")[0]
    return below if len(below) <= SHORT_LINE else ""


def _value(passage: Passage, line: str) -> str | None:
    whole = matching_option(line, passage.options) or _begins_with(passage, line)
    if whole or _LIST_END.search(line):
        return whole
    for piece in (_SENTENCE_END.split(line)[0], _NOTE.split(line)[0]):
        letter = matching_option(piece, passage.options)
        if letter:
            return letter
    return None


def _begins_with(passage: Passage, line: str) -> str | None:
    """The one option of words that a line begins with."""
    said = line.lower().lstrip(" *_\"'“”«»「:：")
    found = [i for i, own in enumerate(passage.texts) if len(own) > 3 and own[0].isalpha() and said.startswith(own)]
    whole = [i for i in found if not said[len(passage.texts[i]) :][:1].isalnum()]
    return chr(65 + whole[0]) if len(whole) == 1 else None


def lower_case(passage: Passage) -> Claim | None:
    """A lower-case letter after a label, or alone on a line; the last one."""
    found = [m for m in says.LOWER_LETTER.finditer(passage.low) if m.start() or passage.opens]
    if not found:
        return None
    last = found[-1]
    at = last.start("letter" if last["letter"] else "alone")
    letter = passage.low[at].upper()
    fits = passage.flat[at].islower() and ord(letter) - 65 < len(passage.options)
    return Claim(at, at + 1, letter, Rank.STATED) if fits else None


def closing_value(passage: Passage) -> str | None:
    """The letter whose option's text stands beside it in the last sentence: "Each pays (C) 42.", "... 42 (C)."."""
    if not passage.mentions:
        return None
    at, letter = passage.mentions[-1]
    span = passage.sentence(at)
    if passage.flat[span.end :].strip() or passage.asks(span):
        return None
    before = passage.mentions[-2] if len(passage.mentions) > 1 else None
    listed = before is not None and ord(before.letter) + 1 == ord(letter) and at - before.at < TAG_REACH
    alone = all(m.letter == letter for m in passage.mentions if m.at >= span.start)
    if listed or not alone:
        return None
    bracketed = passage.flat[at + 1 : at + 2] in tuple(").:]") or passage.flat[at - 1 : at] == "("
    follows = bracketed and passage.has_own_text(at, letter)
    own = passage.texts[ord(letter) - 65]
    return letter if follows or (own and passage.low[span.start : at].rstrip(" ([{:—–-,=").endswith(own)) else None


def ends_in_list(passage: Passage) -> bool:
    """Whether the last option of several is named with its own text: a list, whose end is no result."""
    letters = passage.mentions
    return len({m.letter for m in letters}) > 1 and passage.has_own_text(*letters[-1])


def after_list(passage: Passage) -> str:
    """The text behind a list of options; all of it where there is none."""
    return passage.text[passage.line(passage.mentions[-1].at).end :] if ends_in_list(passage) else passage.text


def last_option(passage: Passage, text: str) -> str | None:
    """The one option with whose text a passage ends: "so the roots are -5 and 3."."""
    tail = text[-160:].lower()
    long = {i: own for i, own in enumerate(passage.texts) if 4 <= len(own) < 80 and not own.replace(",", "").isdigit()}
    ending = [i for i, own in long.items() if _ends_with(tail, own)]
    ending = [i for i in ending if not any(i != j and long[i] in long[j] for j in ending)]  # the longest of them
    sentence = _SENTENCES.split(tail.rstrip(" .*!\n"))[-1]
    if not ending:
        return _said_in(sentence, passage.texts)
    if len(ending) != 1 or doubts.DENIED.search(sentence[: -len(long[ending[0]])]):
        return None
    none_of_them = long[ending[0]].startswith("none of")  # "it is not 2 or 3, so it is none of these"
    others = [] if none_of_them else [own for own in passage.texts if own not in long[ending[0]] and len(own) > 1]
    return None if any(own in sentence for own in others) else chr(65 + ending[0])


def _said_in(sentence: str, texts: Sequence[str]) -> str | None:
    """The one option of several words that a last sentence says: "... cannot be determined from what is given."."""
    said = [
        i for i, own in enumerate(texts) if len(own) >= WORDY and " " in own and own[0].isalpha() and own in sentence
    ]
    if len(said) != 1 or "?" in sentence:
        return None
    before, _, after = sentence.partition(texts[said[0]])
    quiet = not (doubts.DENIED.search(before) or doubts.CONDITION.search(sentence) or doubts.WRONG.match(after))
    return chr(65 + said[0]) if quiet and len(after) < SHORT_LINE and not any(c.isdigit() for c in after) else None


def _ends_with(tail: str, own: str) -> bool:
    spaced = r"\s*".join(map(re.escape, "".join(own.split())))
    return re.search(rf"(?<![\w.]){spaced}[\s.!$*\"”»)]*\Z", tail) is not None
