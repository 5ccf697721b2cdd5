"""Countdown: make a number from others, each used once, with + - * and /. Made rows.

A recipe names a function: ``source: countdown.py:rows``.
"""

import itertools
import random
import zlib
from collections.abc import Iterator

from ratchet.tasks.answers.arithmetic import calculate

COUNTS = {"train": 8_000, "validation": 500, "test": 500}
HIGHEST_SMALL = 12


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
    found = calculate(text)  # None where something is divided by zero
    if found is None or found.value.denominator != 1 or not 1 <= found.value <= 100:
        return None
    value = int(found.value)
    if split_of(f"{sorted(numbers)} {value}") != split:
        return None
    shown = rng.sample(numbers, len(numbers))  # the solution's order would give it away
    return {
        "prompt": f"Use {', '.join(map(str, shown))}, each once, to make {value}.",
        "numbers": shown,
        "target": value,
        "completion": f"Answer: {text}",
    }


def split_of(puzzle: str) -> str:
    """Where a puzzle belongs: a tenth is for validation, a tenth for the test."""
    return {0: "validation", 1: "test"}.get(zlib.crc32(puzzle.encode()) % 10, "train")
