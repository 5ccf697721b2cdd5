r"""Answers that are mathematical expressions: read from a completion, and compared by ``math-verify``.

math-verify parses LaTeX with antlr and compares with sympy, either of which may take minutes over a short text or hold
the interpreter for ever (a tower of powers, a huge factorial), so both run in a process of their own that is killed
after ``LIMIT`` seconds. What it could not compare in that time is not equal.

>>> read_expression("Half of it: \\boxed{\\frac{1}{2}}."), read_expression("So the answer is $3x$.")
('\\frac{1}{2}', '3x')
"""

import os
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from ratchet.errors import UserError
from ratchet.tasks.answers.markup import after_thinking, new_questions
from ratchet.tasks.answers.text import read_written_answer
from ratchet.workers import Worker

LIMIT = 5.0
"""Seconds for one comparison."""
LONGEST = 500
"""Characters of an answer; a longer one is none."""
MOST_WORDS = 2
"""Words that an expression without a box may have: a unit, or a name."""
_PROSE = re.compile(r"(?<![\\A-Za-z])[^\W\d_]{2,}")
LINK = 2  # words between two boxes, at most, that make no correction
_BOXED = re.compile(r"\\boxed\{")
_DISPLAYED = re.compile(r"\A\\[\[(](.*)\\[\])]\Z", re.S)
_BRACE = re.compile(r"(?<!\\)[{}]")
_LINE = re.compile(r"(?:\A|\n)[ \t*]*(?:final )?answer:[ \t*]*(?P<answer>\S[^\n]*?)[ \t*]*\s*\Z", re.IGNORECASE)
_NUMBER = re.compile(r"-?(?:[\d.,]+|\d+/\d+|\\d?frac\{-?\d+\}\{-?\d+\})(?:\\?%)?")
_CALCULATES = re.compile(r"[+*^!]|\\cdot|\\times|\\div|\\sqrt|\\d?binom|[\d)}]\s*-\s*[\d({\\]")
_SET = re.compile(r"\\(?:text|textbf|mathrm|mbox){([^{}]*)}")
_workers: dict[int, Worker] = {}
"""By process: after a fork the pipe is still the parent's."""


def read_expression(text: str) -> str | None:
    r"""What a completion commits to: a last line "Answer: ...", else its last ``\boxed{}``, else what its words say.

    Boxes of several values with hardly a word between them are a list of guesses, and none of them an answer.

    >>> read_expression("\\boxed{1} or \\boxed{2}"), read_expression("\\boxed{1}, but that leaves out 0: \\boxed{2}")
    (None, '2')
    """
    _, text = after_thinking(text)
    text = text[: min([cut for cut in new_questions(text) if "\\boxed{" in text[:cut]], default=len(text))]
    line = _LINE.search(text)
    said = line["answer"] if line else text
    boxes = [*_boxes(said)]
    if len(boxes) > 1 and _listed(said, boxes):
        return None
    found = boxes[-1].text if boxes else said if line else read_written_answer(text)
    found = (found or "").strip().removesuffix(".").strip("$").strip()
    found = _DISPLAYED.sub(r"\1", found).strip()
    if not boxes and len(_PROSE.findall(found)) > MOST_WORDS:
        return None  # math-verify would take a number out of any sentence
    return found if 0 < len(found) <= LONGEST else None


class _Box(NamedTuple):
    text: str
    start: int
    end: int


def last_boxed(text: str) -> str | None:
    r"""What stands in the last ``\boxed{}``, braces within it included; None without one that is closed.

    >>> last_boxed("\\boxed{1} or \\boxed{\\sqrt{2}}"), last_boxed("\\boxed{1")
    ('\\sqrt{2}', None)
    """
    found = [*_boxes(text)]
    return found[-1].text if found else None


def _boxes(text: str) -> Iterator[_Box]:
    for match in _BOXED.finditer(text):
        depth = 0
        for brace in _BRACE.finditer(text, match.end(), match.end() + 2 * LONGEST):
            if brace[0] == "}" and depth == 0:
                yield _Box(text[match.end() : brace.start()], match.start(), brace.end())
                break
            depth += 1 if brace[0] == "{" else -1


def _listed(text: str, boxes: Sequence[_Box]) -> bool:
    """Whether the last two boxes hold two answers with at most a word between them."""
    one, other = boxes[-2:]
    return one.text.strip() != other.text.strip() and len(text[one.end : other.start].split()) <= LINK


def is_expression(text: str) -> bool:
    """Whether math-verify can tell what a text means."""
    return bool(_asked("parse", text, ""))


def is_number(text: str) -> bool:
    r"""Whether an answer is one number, written as such.

    >>> is_number("-1,234.5"), is_number("\\frac{1}{2}"), is_number("x + 1")
    (True, True, False)
    """
    return _NUMBER.fullmatch(text.strip()) is not None


def same_expression(gold: str, said: str) -> bool:
    """Whether two expressions are equal, as math-verify's ``verify(gold, said)`` has it.

    A word is compared as a word: to math-verify "east" is a product of four letters, and so equal to "seat".
    """
    if is_number(gold) and _CALCULATES.search(said):
        return False  # a number is asked for, and not how it could be had
    words = _words(gold)
    if words:
        return words == _words(said)
    return bool(_asked("verify", gold, said))


def _words(text: str) -> list[str]:
    r"""The words of an answer that is words, perhaps set as text; of anything else none.

    >>> _words("\\text{North East}"), _words("x y"), _words("2 apples")
    (['north', 'east'], [], [])
    """
    found = _SET.sub(r"\1", text).strip().removesuffix(".").replace("-", " ").casefold().split()
    return found if all(len(word) > 1 and word.isalpha() for word in found) else []


@lru_cache(maxsize=65_536)
def _asked(what: str, gold: str, said: str) -> bool | None:
    """The worker's word; None where it has none in time.

    Raises:
        UserError: where math-verify is not there.
    """
    worker = _workers.setdefault(os.getpid(), Worker("ratchet.tasks.answers.expression_worker"))
    try:
        worker.give((what, gold, said))
    except OSError as error:
        raise UserError(f"grader: math: {error}") from None
    found = worker.take(LIMIT)
    if found is None:
        worker.end()
    elif isinstance(found, str):
        raise UserError(found)
    return found
