r"""Claims in ``\boxed{C}`` and ``<answer>C</answer>``: what stands inside is the answer, or it is none."""

from collections.abc import Sequence

from ratchet.tasks.answers.choice_claims.claim import Claim, Passage, last_occurrences
from ratchet.tasks.answers.option_values import is_own_value, matching_option
from ratchet.tasks.answers.vocabulary import boxes_and_tags as words
from ratchet.tasks.answers.vocabulary import letters

MAX_HITS = 8  # places read per box or tag, the last ones of the text
BOX_REACH = 120  # characters within which a box's braces must be balanced
TAG_REACH = 300  # characters within which a tag is closed

BOXES = ("boxed", "fbox", "framebox")
TAGS = ("<answer", "<final", "<choice", "[answer")


def claims(passage: Passage) -> list[Claim]:
    """The claims in all boxes and tags."""
    low = passage.low
    found = []
    if "box" in low:
        found += [_box(passage, end) for end in _ends(low, BOXES)]
    if "<" in low or "[" in low:
        found += [_tag(passage, end) for end in _ends(low, TAGS)]
    return [claim for claim in found if claim]


def _ends(low: str, words: Sequence[str]) -> list[int]:
    return [at + len(word) for word in words for at in last_occurrences(low, word, MAX_HITS)]


def _box(passage: Passage, end: int) -> Claim | None:
    r"""``\boxed{C}``, ``\boxed{\text{(C) } 42}``, ``\boxed{42}``."""
    text = passage.text
    end += text.startswith(" {", end)
    if text[end : end + 1] != "{":
        return None
    depth, stop = 1, end + 1
    while depth and stop < min(len(text), end + BOX_REACH):
        depth += {"{": 1, "}": -1}.get(text[stop], 0)
        stop += 1
    return _content(passage, end + 1, stop - (depth == 0), stop)


def _tag(passage: Passage, end: int) -> Claim | None:
    """``<answer> C </answer>``, ``[answer]C[/answer]``; an empty tag says nothing."""
    opened = words.TAG_OPEN.match(passage.low, end)
    if not opened:
        return None
    limit = opened.end() + TAG_REACH
    closed = words.TAG_CLOSE.search(passage.text, opened.end(), limit)
    stop = closed.start() if closed else min(len(passage.text), limit)
    return _content(passage, opened.end(), stop, stop)


def _content(passage: Passage, start: int, stop: int, end: int) -> Claim | None:
    """What a box or a tag holds: a letter with or without its value, a hedge, or a value."""
    inner = passage.text[start:stop]
    named = _letters(passage, inner, start, stop) or matching_option(inner, passage.options)
    return Claim(start, end, named) if named else None


def _letters(passage: Passage, inner: str, start: int, stop: int) -> str | None:
    """The letter that a content begins with, or the several that it consists of."""
    match = words.CONTENT.match(passage.low[start:stop])
    if not match or match["deny"]:
        return None
    at = match.start("letter")
    letter, rest = inner[at].upper(), inner[at + 1 :]
    bare = rest.strip(words.EDGES)
    if not bare or is_own_value(bare, letter, passage.options):
        return letter
    if letters.ONLY_LETTERS.fullmatch(bare):
        return "".join(sorted({letter, *letters.OTHER_LETTERS.findall(bare)}))
    if inner[at].isupper() and rest[0] in words.LABEL_ENDS and not words.GOES_ON.match(rest):
        return letter
    return None
