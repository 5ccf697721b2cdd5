"""Rows of the kinds that people bring, made here, so that recipes for them can be tried without a download.

``source: rows.py:gsm8k`` calls the function with the name of a split.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any

SIZES = {"train": 400, "validation": 100, "test": 100}
PROGRAMS = {"sum": "a + b", "product": "a * b", "difference": "a - b", "larger one": "max(a, b)"}


def _different(split: str, make: Callable[[random.Random], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows that no other split has."""
    rng, names, others = random.Random(0), [*SIZES], {}
    for name in names[: names.index(split) + 1]:
        others[name] = {}
        while len(others[name]) < SIZES[name]:
            row = make(rng)
            if not any(str(row) in seen for seen in others.values()):
                others[name][str(row)] = row
    yield from others[split].values()


def gsm8k(split: str) -> Iterator[dict[str, Any]]:
    """A question, and a worked answer with "####", as GSM8K has them."""

    def make(rng: random.Random) -> dict[str, Any]:
        a, b = rng.randint(200, 900), rng.randint(200, 900)
        solution = f"She has {a}+{b}=<<{a}+{b}={a + b}>>{a + b} pens.\n#### {a + b:,}"
        return {"question": f"Mia has {a} pens and buys {b} more. How many has she?", "answer": solution}

    return _different(split, make)


def math(split: str) -> Iterator[dict[str, Any]]:
    """A problem, and a solution whose answer stands in a box, as MATH has them."""

    def make(rng: random.Random) -> dict[str, Any]:
        a, b, c = rng.randint(2, 30), rng.randint(2, 30), rng.randint(2, 9)
        if rng.random() < 0.5:
            return {
                "problem": f"What is ${a} \\cdot {c} + {b}$?",
                "level": "Level 1",
                "solution": f"$\\boxed{{{a * c + b}}}$",
            }
        solution = f"Collecting terms, it is $\\boxed{{{a + b}x + {c}}}$."
        return {"problem": f"Simplify ${a}x + {c} + {b}x$.", "level": "Level 1", "solution": solution}

    return _different(split, make)


def code(split: str) -> Iterator[dict[str, Any]]:
    """What a function has to do, its tests, and one that passes them, as MBPP has them."""

    def make(rng: random.Random) -> dict[str, Any]:
        word, expression = rng.choice([*PROGRAMS.items()])
        name = "".join(rng.choices("abcdefgh", k=6))
        pairs = [(rng.randint(-9, 9), rng.randint(-9, 9)) for _ in range(3)]
        tests = [f"assert {name}({a}, {b}) == {eval(expression, {'a': a, 'b': b, 'max': max})}" for a, b in pairs]
        solution = f"def {name}(a, b):\n    return {expression}"
        return {
            "text": f"Write a function {name}(a, b) that returns the {word}.",
            "test_list": tests,
            "code": solution,
        }

    return _different(split, make)


def chat(split: str) -> Iterator[dict[str, Any]]:
    """Conversations of two questions and two answers."""

    def make(rng: random.Random) -> dict[str, Any]:
        number = rng.randint(0, 10**6)
        turns = [f"Say {number}.", f"{number}!", "And the next?", f"{number + 1}."]
        return {"messages": [{"role": ("user", "assistant")[i % 2], "content": turn} for i, turn in enumerate(turns)]}

    return _different(split, make)


def shopping(split: str) -> Iterator[dict[str, Any]]:
    """What somebody has after buying, with five numbers to choose from that follow one another."""

    def make(rng: random.Random) -> dict[str, Any]:
        a, b, thing = rng.randint(2, 30), rng.randint(2, 30), rng.choice(["pens", "coins", "cards"])
        first = a + b - rng.randrange(5)
        options = rng.sample(range(first, first + 5), 5)
        question = f"Zoe has {a} {thing} and buys {b} more. How many {thing} does Zoe have now?"
        return {"question": question, "choices": [*map(str, options)], "answer": options.index(a + b)}

    return _different(split, make)
