r"""Reading the committed answer of a completion whose answer is words: which text, if any, does it stand by?

What counts, in the order in which it is believed:

1. what stands in ``\boxed{}``, in ``<answer>`` tags, or after "final answer:" or "answer:" ("the answer is ..." too,
   where it does not merely describe the answer),
2. what a line labelled "Translation:" or "Complete form:" says,
3. the last line, without courtesies.

Reasoning before it is free. Two different explicit answers are none, unless words between them withdraw the first.
An answer that is denied, hedged or taken back is gone. Text inside ``<think>`` does not count, nor does what follows a
new question once something was answered.

>>> read_written_answer("The suffix is -ku.\n\nFinal answer: **suŋkaku**")
'suŋkaku'
>>> read_written_answer("\\boxed{suŋka}, or is it \\boxed{suŋkaku}?") is None
True

Cost is linear in the length of the text.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from ratchet.tasks.answers.markup import after_thinking, new_questions
from ratchet.tasks.answers.text_claims import LONGEST, UNREADABLE, Claim, collect_claims, labelled_answers, matches
from ratchet.tasks.answers.text_markup import BULLET, clean, ending
from ratchet.tasks.answers.vocabulary import text_claims as words
from ratchet.tasks.answers.vocabulary import text_withdrawals as withdrawals

WHOLE = 100_000  # characters read at most: the first half and the last half of these
DENIAL = 60  # characters before an answer in which it may be denied


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
    start, cuts = 0, _cuts(text, openings)
    for cut in cuts:
        part, start = text[start:cut], cut
        if not part.strip():
            continue
        decided, answer = _committed(part)
        if decided or cut == cuts[-1] or (answer and not _only_opens(part)):
            return answer
    return None


def _cuts(text: str, openings: Sequence[str]) -> list[int]:
    """Where the text moves on to a further question, and its end."""
    cuts = set(new_questions(text))
    for opening in openings:
        question = re.compile(rf"\n[ \t#*>]*{re.escape(opening)}")
        cuts.update(match.start() for match in matches(question, text))
    return [*sorted(cuts - {0}), len(text)]


def _only_opens(part: str) -> bool:
    """Whether a stretch ends as one does that a restated question follows ("Sure!")."""
    return words.OPENER.match(part.strip().rpartition("\n")[2]) is not None


def _committed(text: str) -> tuple[bool, str | None]:
    """Whether the text answers explicitly, and what it stands by."""
    claims = collect_claims(text)
    if claims:
        return True, _standing(text, claims)
    labelled = labelled_answers(text)
    if labelled:
        return True, labelled.pop() if len(labelled) == 1 else None
    return False, _last_line(text)


def _standing(text: str, claims: list[Claim]) -> str | None:
    """Let each claim in turn confirm, correct or contradict what stands; return what stands at the end."""
    standing: Claim | None = None
    for claim in claims:
        if withdrawals.DENIED.search(text[max(0, claim.start - DENIAL) : claim.start]):
            standing = None if standing and standing.value == claim.value else standing
        elif standing is None or _same(standing.value, claim.value):
            standing = claim
        elif claim.start < standing.end:
            continue  # a label inside a box, a box inside a tag
        elif _replaces(text[standing.end : claim.start]):
            standing = claim
        else:
            return None
    if standing is None or standing.value == UNREADABLE:
        return None
    withdrawn = withdrawals.HEDGES.match(text, standing.end) or withdrawals.WITHDRAWS.search(text, standing.end)
    return None if withdrawn else standing.value


def _same(first: str, second: str) -> bool:
    """Whether two claims are one: equal, or one is the other with a note after it."""
    short, long = sorted((first.casefold().strip(" .!?"), second.casefold().strip(" .!?")), key=len)
    if first == UNREADABLE or not long.startswith(short):
        return False
    return len(long) == len(short) or long[len(short) :].lstrip()[:1] in ",;(—–"


def _replaces(between: str) -> bool:
    """Whether the words between two answers replace the first by the second."""
    return bool(withdrawals.REPLACES.search(between)) and not withdrawals.STANDS_BESIDE.search(between)


def _last_line(text: str) -> str | None:
    """What the last line says, without courtesies, where the lines above it offer no choice."""
    lines = list(_lines_with_content(text))
    if not lines or len(lines[-1]) > LONGEST or _offers_choice(lines):
        return None
    before, answer = ending(words.SENTENCE.split(lines[-1])[0])
    return None if withdrawals.DENIED.search(before) else clean(answer) or None


def _lines_with_content(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        if not words.NOTHING.match(line) and not words.COURTESY.match(line):
            yield line.strip()


def _offers_choice(lines: list[str]) -> bool:
    """Whether the last line is one of several candidates."""
    if any(withdrawals.CANDIDATES.search(line) for line in lines[-3:-1]):
        return True
    if len(lines) < 2:
        return False
    return bool(withdrawals.ASKS_WHICH.search(lines[-2])) or all(_is_bare_bullet(line) for line in lines[-2:])


def _is_bare_bullet(line: str) -> bool:
    """A bullet with a few words and no label: two in a row are a list of candidates."""
    return bool(BULLET.match(line)) and len(line.split()) <= 5 and ":" not in line
