r"""What every reader of answers does first: thinking is skipped, odd letters made plain, further questions cut off."""

import re
import textwrap
import unicodedata
from itertools import islice

from ratchet.tasks.answers.phrases import any_of, compiled

REACH = 18_000  # characters among which a further question is looked for
MOST_CUTS = 8  # further questions, and turns, that are looked for

_THINK_CLOSED = compiled(r"</think(?:ing)?>", ignore_case=True)
_THINK_OPENED = compiled(r"<think(?:ing)?>", ignore_case=True)


def after_thinking(text: str) -> tuple[int, str]:
    """What stands outside ``<think>``, and where it begins.

    A closed block is skipped with all before it; an unclosed one swallows the rest.
    """
    # one character is looked for much faster than a word, and most texts hold no tag at all
    if "<" not in text or ("hink" not in text and "HINK" not in text):
        return 0, text
    ends = [match.end() for match in _THINK_CLOSED.finditer(text)]
    start = ends[-1] if ends else 0
    opened = _THINK_OPENED.search(text, start)
    return start, text[start : opened.start()] if opened else text[start:]


_STRUCK = compiled(r"~~[^~\n]{1,200}~~")
_INVISIBLE = compiled("[\u200b\u200c\u200d\u2060\ufeff\u00ad\ufe0f\ufe0e]")
_SQUARED = compiled("[\U0001f150-\U0001f159\U0001f170-\U0001f179]")
_TYPOGRAPHIC = {"’": "'", "‘": "'", "“": '"', "”": '"', "−": "-", "⁄": "/"}


def plain(text: str) -> str:
    """Full-width, mathematical and circled letters as ASCII (NFKC), without what is struck through.

    Look-alikes of other alphabets stay what they are: a Cyrillic letter is no answer.
    """
    if "~~" in text:
        text = _STRUCK.sub("", text)
    if text.isascii():
        return text
    text = _INVISIBLE.sub("", text)
    for typographic, plain_one in _TYPOGRAPHIC.items():
        text = text.replace(typographic, plain_one)
    # NFKC leaves filled circles and filled squares alone; each of these blocks runs from A to Z, 0x20 apart
    text = _SQUARED.sub(lambda match: chr(65 + (ord(match.group()) - 0x1F150) % 0x20), text)
    return text if unicodedata.is_normalized("NFKC", text) else unicodedata.normalize("NFKC", text)


_QUESTION_WORDS = (
    *("question", "problem", "q", "exercise", "instruction", "input", "user", "human", "example", "quiz"),
    *("frage", "aufgabe"),  # German
    "pregunta",  # Spanish
    *("题目", "问题"),  # Chinese
    "вопрос",  # Russian
)
# A line that begins another question; it starts with a line break so that the search is as fast as finding one.
_QUESTION_LINE = (
    r"\n[ \t#*>\d.\-=_(]{0,12}+",
    r"(?=[nafmqpeiuh题问в])",  # the first letters of all that may follow
    r"(?:(?:next|new|another|follow-?up|multiple[- ]choice)\s+)?",
    any_of(*_QUESTION_WORDS),
    r"(?!\w)[^\S\n]{0,4}+[*#]{0,4}+",
    r"(?:(?:no\.?|number|#)?[^\S\n]{0,4}\d{1,4}[^\S\n*]{0,4}+[*]{0,4}+)?",
    r"(?:[:：.)\n—–-]|$)",
)
_NEW_QUESTION = compiled(*_QUESTION_LINE, ignore_case=True)
_NEW_QUESTION_LOWERED = compiled(*_QUESTION_LINE)
# The marks of chat templates at which another speaker begins.
_NEW_TURN = compiled(
    any_of(
        r"<\|(?:im_start|im_end|endoftext|eot_id|end|user|eos|start_header_id|begin_of_text)[^>\n]{0,20}\|>",
        r"</s>",
        r"<end_of_turn>",
        r"\[/?INST\]",
        r"<start_of_turn>",
    )
)
_TURN_PARTS = ("<|", "</s>", "_turn>", "INST]")  # one of which each of them holds


def new_questions(text: str) -> list[int]:
    """Where the text moves on to another question or another speaker."""
    text = text[:REACH]
    # three times as fast on lowered text, whose positions are the same only in ASCII
    found = _starts(_NEW_QUESTION_LOWERED, text.lower()) if text.isascii() else _starts(_NEW_QUESTION, text)
    if ("<" in text or "[" in text) and any(part in text for part in _TURN_PARTS):
        found += _starts(_NEW_TURN, text)
    return sorted(start for start in found if start > 0)


def _starts(pattern: re.Pattern[str], text: str) -> list[int]:
    return [match.start() for match in islice(pattern.finditer(text), MOST_CUTS)]


def blocks(text: str) -> list[tuple[str, str]]:
    """The fenced blocks of a text, each with its language in lower case (may be empty); the last may be unclosed.

    >>> blocks("Well:\\n```Python\\na = 1\\n```\\n  ~~~\\n  b\\n  ~~~")
    [('python', 'a = 1'), ('', 'b')]
    """
    found: list[tuple[str, str]] = []
    fence, language, lines = "", "", []
    for line in text.splitlines():
        bare = line.strip()
        if not fence and bare.startswith(("```", "~~~")):
            marks = len(bare) - len(bare.lstrip(bare[0]))
            fence, (language, *_) = bare[:marks], (bare[marks:].strip().lower().split() or [""])
            lines = []
        elif fence and bare.startswith(fence):
            found.append((language, textwrap.dedent("\n".join(lines))))
            fence = ""
        elif fence:
            lines.append(line)
    if fence and lines:
        found.append((language, textwrap.dedent("\n".join(lines))))
    return found
