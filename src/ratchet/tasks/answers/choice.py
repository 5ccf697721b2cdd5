r"""Reading the committed answer of a multiple-choice completion: which letter, if any, does this text stand by?

The rule reads a text the way a careful person marks an exam. It collects *claims* ("Answer: C", ``\boxed{C}``, a last
line that is a letter), in order, and lets each later one confirm, correct or contradict what stands:

- the same letter again confirms; another letter replaces it only after words that withdraw the first ("wait", "no,");
- two different answers without such words, or "A or C", are a hedge and earn nothing;
- an answer that is denied or taken back afterwards is gone;
- text inside ``<think>`` and whatever follows a new question does not count;
- only if nothing was claimed by letter may the value of exactly one option stand for it.

>>> options = ["A)21", "B)24", "C)42", "D)84", "E)1,200 dollars"]
>>> read_answer("Half of 84 is 42, not 24.\nAnswer: C", options)
'C'
>>> read_answer("The answer is 42.", options), read_answer("A train needs C hours.", options)
('C', None)

Cost is bounded: keywords are found by substring search, patterns are matched only where a keyword stands and cannot
backtrack, and of a long text only the end is read when the end holds a claim.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from ratchet.tasks.answers.choice_claims import Claim, Reader
from ratchet.tasks.answers.option_values import trailing_value

TAIL = 700  # characters read first; the rest only where these hold no claim
WHOLE = 6_000  # characters read at most

_TAKEN_BACK = re.compile(
    r"\b(?:wait|actually|correction|correct(?:ing|ed)|oops|sorry|scratch|i\s+mean[t]?|rather|instead|on\s+second\s+thought|mistake[n]?|mis(?:read|calculated|counted)|wrong|incorrect|error|"
    r"not\s+right|hmm+|no[,.;:!—–-]|no\s+wait|revis(?:e|ed|ing)|re-?(?:check|calculat|comput|consider|do|think|read)\w*|double-?check\w*|let\s+me\s+(?:re|fix|correct|try|start)\w*|apolog\w+|never\s*mind|changed?\s+(?:my|the)|updated?|strike|withdraw\w*|retract\w*|disregard|ignore\s+(?:that|the\s+above|my))"
    r"|更正|不对|等等|错了|間違|いや|perd[óo]n|espera|me\s+equivo|corrijo|nein|falsch|moment|irrtum|warte|attende[zs]|je\s+me\s+trompe|erreur|подожд|ошиб|errado|scusa|aspetta|sbagliato|~~",
    re.IGNORECASE,
)
_WITHDRAWN = re.compile(
    r"\b(?:(?:that|this|it|which|my\s+answer|the\s+answer|answer)(?:\s+(?:is|was|can|seems|looks|must\s+be|may\s+be|might\s+be)|'s)\s*(?:not|n't|wrong|incorrect|false|a\s+mistake|an\s+error|mistaken|invalid|impossible)|"
    r"that\s+(?:isn't|wasn't|can't|doesn't|cannot|does\s+not)\b|not\s+(?:right|correct)\b|scratch\s+that|never\s*mind|strike\s+that|i\s+(?:take|withdraw|retract)\b|ignore\s+(?:that|the\s+above|my|this)|disregard|"
    r"i\s+(?:do\s+not|don't|dont|am\s+not|can't|cannot)\s+(?:really\s+)?(?:know|sure|tell|decide|say|determine|stand|answer|be\s+sure)|i'm\s+not\s+sure|none\s+of\s+(?:them|that|it|(?:the|these|those)\s+(?:options?|choices?|answers?)?\s*(?:is|are|fit|match|work)\w*)|(?:but|though)\s+i\s+could\s+be\s+wrong|made\s+(?:a|an)\s+(?:mistake|error)|no\s+answer|withdrawn|retracted|there\s+is\s+no\s+correct|cannot\s+be\s+determined"
    r"|on\s+second\s+thoughts?|let\s+me\s+(?:re\w+|start\s+over|try\s+again|think\s+again))"
    r"|\b(?:wait|hmm+|oops|actually\s+no|no\s+wait|hold\s+on)\b|está\s+mal|no\s+s[ée]\b|weiß\s+nicht|je\s+ne\s+sais\s+pas|не\s+знаю|não\s+sei|non\s+lo\s+so|不对|不知道|不确定|わかりません|모르겠",
    re.IGNORECASE,
)
_CONFIRMED = re.compile(
    r"(?<!not )(?<!n't )\b(?:yes|confirmed|confirms|stands|checks\s+out|that's\s+(?:right|correct)|is\s+correct|still|consistent|holds|same|good)\b",
    re.IGNORECASE,
)
_OPTION_BLOCK = re.compile(r"\(?A[).:\]][^\n]{0,120}?\s\(?B[).:\]](?:[^\n]|\n){0,120}?\s\(?C[).:\]]")
# A line that begins another question; it starts with a line break so that the search is as fast as finding one.
_NEW_QUESTION = re.compile(
    r"\n[ \t#*>\d.\-=_(]{0,12}+(?=[nafmqpeiuh题问в])(?:(?:next|new|another|follow-?up|multiple[- ]choice)\s+)?(?:question|problem|q|exercise|instruction|input|user|human|example|quiz|frage|pregunta|aufgabe|题目|问题|вопрос)(?!\w)[^\S\n]{0,4}+[*#]{0,4}+(?:(?:no\.?|number|#)?[^\S\n]{0,4}\d{1,4}[^\S\n*]{0,4}+[*]{0,4}+)?(?:[:：.)\n—–-]|$)",
    re.IGNORECASE,
)
_NEW_TURN = re.compile(
    r"<\|(?:im_start|im_end|endoftext|eot_id|end|user|eos|start_header_id|begin_of_text)[^>\n]{0,20}\|>|</s>|<end_of_turn>|\[/?INST\]|<start_of_turn>"
)


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
        part = _plain(raw)
        settled, letter, claim = _judge(part, options, opens)
        if settled:
            if not letter or ord(letter) - 65 >= len(options):
                return None, None
            return letter, _place(letter, claim, part, raw, start)
    return None, None


def _parts(text: str) -> Iterator[tuple[int, str, bool]]:
    """The stretches that may hold the answer, in the order in which they are believed: start, text, whether it opens the text."""
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
    """Where the letter of a claim on ``part`` stands in the text of which ``raw`` is the stretch from ``start``."""
    if claim is None:
        return None
    for at in range(min(claim.end, len(part)) - 1, claim.start - 1, -1):
        if part[at].upper() == letter and not (part[at - 1 : at].isalnum() or part[at + 1 : at + 2].isalnum()):
            break
    else:
        return None
    if part is not raw and len(part) != len(raw):  # normalisation moved it
        at = bisect_left(range(len(raw)), True, key=lambda end: len(_plain(raw[: end + 1])) > at)
    return start + at, start + at + 1


def after_thinking(text: str) -> tuple[int, str]:
    """What stands outside ``<think>``, and where it begins: a closed block is skipped, an unclosed one swallows the rest."""
    if "hink" not in text and "HINK" not in text:
        return 0, text
    ends = [match.end() for match in _THINK_CLOSED.finditer(text)]
    start = ends[-1] if ends else 0
    opened = _THINK_OPENED.search(text, start)
    return start, text[start : opened.start()] if opened else text[start:]


_THINK_CLOSED = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_THINK_OPENED = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_STRUCK = re.compile(r"~~[^~\n]{1,200}~~")
_INVISIBLE = re.compile("[\u200b\u200c\u200d\u2060\ufeff\u00ad\ufe0f\ufe0e]")
_SQUARED = re.compile("[\U0001f150-\U0001f159\U0001f170-\U0001f179]")


def _plain(text: str) -> str:
    """Full-width, mathematical and circled letters as ASCII (NFKC); look-alikes of other alphabets stay what they are."""
    if "~~" in text:
        text = _STRUCK.sub("", text)
    if text.isascii():
        return text
    text = _INVISIBLE.sub("", text).replace("’", "'").replace("‘", "'").replace("“", '"').replace("”", '"')
    text = _SQUARED.sub(lambda match: chr(65 + (ord(match.group()) - 0x1F150) % 0x20), text)
    return text if unicodedata.is_normalized("NFKC", text) else unicodedata.normalize("NFKC", text)


def new_questions(text: str) -> list[int]:
    """Where the text goes over to another question or another speaker."""
    text = text[: 3 * WHOLE]
    found = [match.start() for _, match in zip(range(8), _NEW_QUESTION.finditer(text), strict=False)]
    if "<|" in text or "</s>" in text or "_turn>" in text or "INST]" in text:
        found += [match.start() for _, match in zip(range(8), _NEW_TURN.finditer(text), strict=False)]
    return sorted(start for start in found if start > 0)


_CONFLICT = "*"  # what stands after two different answers: no letter, until a correction names one


def _judge(text: str, options: Sequence[str], opens: bool) -> tuple[bool, str | None, Claim | None]:
    """Whether the stretch settles the matter, with which letter (None: it hedges or takes back), and the claim on it."""
    found = Reader(text, options, opens).claims()
    standing, end, last = _resolve(text, found)
    if standing is None and not any(not claim.denied for claim in found):
        letter = trailing_value(text, options)
        return letter is not None, letter, None
    if standing and _taken_back_after(text, end):
        after = text[end:]
        return True, trailing_value(after, options) if "\n" in after or "." in after else None, None
    return True, standing if standing and len(standing) == 1 and standing != _CONFLICT else None, last


def _resolve(text: str, found: list[Claim]) -> tuple[str | None, int, Claim | None]:
    """Let each claim in turn confirm, correct or contradict what stands; returns that, where it ends, and its last claim."""
    standing: str | None = None
    last: Claim | None = None
    end = 0
    for claim in found:
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
        elif _corrects(text[max(end, claim.start - 400) : claim.start]):
            standing = claim.letters
        elif len(standing) > 1 and claim.letters in standing:
            standing = claim.letters  # "either A or C ... so C"
        else:
            standing = _CONFLICT
        end = max(end, claim.end)
        last = claim
    return standing, end, last


def _corrects(between: str) -> bool:
    """Whether the words between two answers replace the first by the second."""
    return bool(_TAKEN_BACK.search(between)) and not re.search(
        r"\b(?:if|alternatively|otherwise)\b", between, re.IGNORECASE
    )


def _taken_back_after(text: str, end: int) -> bool:
    after = text[end : end + 500]
    withdrawn = _WITHDRAWN.search(after)
    return bool(withdrawn) and not _CONFIRMED.search(after, withdrawn.end())
