"""Calculations with whole numbers, brackets and the four operations: which numbers they use, and their exact value."""

import ast
import operator
import re
from fractions import Fraction
from typing import NamedTuple

from ratchet.tasks.answers.expression import last_boxed
from ratchet.tasks.answers.markup import after_thinking, new_questions

LONGEST = 200
"""Characters of a calculation; a longer text is none."""
_SIGNS = str.maketrans({"×": "*", "·": "*", "⋅": "*", "÷": "/", "−": "-", "–": "-", "[": "(", "]": ")"})
_LATEX = {r"\times": "*", r"\cdot": "*", r"\div": "/", r"\left": "", r"\right": ""}
_FRACTION = re.compile(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}")
_TAGGED = re.compile(r"<answer>(?P<answer>[^<>]*)</answer>\s*\Z", re.IGNORECASE)
_MARK = re.compile(r"\banswer(?: is)?\b", re.IGNORECASE)
_AFTER_WORDS = re.compile(r"[^A-Za-z:\\{}]*\Z")
_OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


class Calculation(NamedTuple):
    """What a calculation comes to, and the numbers in it from left to right."""

    value: Fraction
    numbers: tuple[int, ...]


def read_calculation(text: str) -> str | None:
    r"""What a completion commits to: what stands at its end, after the words of its last line, in a box, or in tags.

    >>> read_calculation("Let me see.\nAnswer: (1 + 2) * 3."), read_calculation(r"So it is \boxed{2 \times 3}.")
    ('(1 + 2) * 3', '2 * 3')
    >>> read_calculation("<answer>1 + 2</answer>"), read_calculation("There is none.")
    ('1 + 2', None)
    """
    _, text = after_thinking(text)
    cuts = [cut for cut in new_questions(text) if text[:cut].strip()]
    text = text[: min(cuts, default=len(text))].strip()
    tagged = _TAGGED.search(text)
    line = (tagged["answer"] if tagged else text).strip().rpartition("\n")[2][-10 * LONGEST :]
    boxed = last_boxed(line)
    found = _plain(line if boxed is None else boxed)
    *before, marked = _MARK.split(found)
    found = marked if before else _AFTER_WORDS.search(found)[0]
    return found.strip("*$`.,:\"' ") or None


def calculate(text: str) -> Calculation | None:
    r"""Read a calculation, perhaps with its result behind "=", which must then be right; None of any other text.

    >>> calculate("(1 + 2) × 3 = 9"), calculate(r"\frac{1 + 2}{6}")
    (Calculation(value=Fraction(9, 1), numbers=(1, 2, 3)), Calculation(value=Fraction(1, 2), numbers=(1, 2, 6)))
    >>> calculate("1 + 2 = 4"), calculate("2 ** 3"), calculate("-5"), calculate("1 / (2 - 2)")
    (None, None, None, None)
    """
    if len(text) > LONGEST:
        return None
    text, equals, result = _plain(text).partition("=")
    found = _read(text)
    if equals and found is not None and _read(result) != Calculation(found.value, (int(found.value),)):
        return None
    return found


def _plain(text: str) -> str:
    text = text.translate(_SIGNS)
    for latex, sign in _LATEX.items():
        text = text.replace(latex, sign)
    return _FRACTION.sub(r"((\1)/(\2))", text)


def _read(text: str) -> Calculation | None:
    try:
        return _of(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None


def _of(node: ast.expr) -> Calculation:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        left, right = _of(node.left), _of(node.right)
        return Calculation(_OPERATIONS[type(node.op)](left.value, right.value), left.numbers + right.numbers)
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return Calculation(Fraction(node.value), (node.value,))
    raise ValueError(f"no calculation: {ast.dump(node)}")
