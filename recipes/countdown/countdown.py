"""Countdown: make a number from others, each used once, with + - * and /. Made rows, and the check of an answer.

A recipe names both functions: ``source: countdown.py:rows`` and ``function: countdown.py:right``.
"""

import ast
import itertools
import operator
import random
import re
import zlib
from collections.abc import Iterator
from fractions import Fraction

COUNTS = {"train": 8_000, "validation": 500, "test": 500}
HIGHEST_SMALL = 12
OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
ANSWER = re.compile(r"answer:[ \t]*(.+?)[ \t.]*\Z", re.IGNORECASE)


def rows(split: str) -> Iterator[dict]:
    """Three or four numbers from 1 to 99, as in TinyZero (https://github.com/Jiayi-Pan/TinyZero)."""
    rng, seen = random.Random(split), set()
    while len(seen) < COUNTS[split]:
        numbers = [rng.randint(1, 99) for _ in range(rng.choice((3, 4)))]
        row = made(rng, numbers, [rng.choice("+-*/") for _ in numbers[1:]], split)
        if row is not None and row["prompt"] not in seen:
            seen.add(row["prompt"])
            yield row


def small(split: str) -> Iterator[dict]:
    """All puzzles of three numbers from 1 to 12 without division: for a model that learns on a laptop."""
    rng, seen = random.Random(0), set()
    drawn = [*itertools.product(*[range(1, HIGHEST_SMALL + 1)] * 3, "+-*", "+-*")]
    rng.shuffle(drawn)  # so that of several solutions any may be the one that is shown
    for *numbers, first, second in drawn:
        row = made(rng, numbers, [first, second], split)
        puzzle = row and (tuple(sorted(numbers)), row["target"])
        if row is not None and puzzle not in seen:
            seen.add(puzzle)
            yield row


def made(rng: random.Random, numbers: list[int], signs: list[str], split: str) -> dict | None:
    """A puzzle with this solution; None where it is of another split, or its target is no whole number up to 100."""
    text = str(numbers[0]) + "".join(f" {sign} {number}" for sign, number in zip(signs, numbers[1:], strict=True))
    value = evaluated(text)
    if value is None or value.denominator != 1 or not 1 <= value <= 100:
        return None
    if split_of(f"{sorted(numbers)} {value}") != split:
        return None
    shown = rng.sample(numbers, len(numbers))  # the solution's order would give it away
    return {
        "prompt": f"Use {', '.join(map(str, shown))}, each once, to make {value}.",
        "numbers": shown,
        "target": int(value),
        "completion": f"Answer: {text}",
    }


def split_of(puzzle: str) -> str:
    """Where a puzzle belongs: a tenth is for validation, a tenth for the test."""
    return {0: "validation", 1: "test"}.get(zlib.crc32(puzzle.encode()) % 10, "train")


def right(completion: str, row: dict) -> bool:
    """Whether the last line is "Answer: " and an expression that uses each number once and has the target's value."""
    found = ANSWER.search(completion.strip().rpartition("\n")[2])
    if found is None or len(found[1]) > 100:
        return False
    used = sorted(map(int, re.findall(r"\d+", found[1])))
    return used == sorted(row["numbers"]) and evaluated(found[1]) == row["target"]


def evaluated(text: str) -> Fraction | None:
    """The exact value of an expression of numbers, brackets and the four operations; None of anything else."""
    try:
        return _value(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
        return OPERATIONS[type(node.op)](_value(node.left), _value(node.right))
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return Fraction(node.value)
    raise ValueError(ast.dump(node))
