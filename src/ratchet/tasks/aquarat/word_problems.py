"""Word problems made on the spot, in the format of AQuA-RAT: a data source that needs no download.

A problem is drawn from one of several families with a seeded generator, so the same arguments give the same rows on
every machine. Whether a problem may be trained on or is held out is decided by a checksum of its question, so the two
sets are disjoint by construction, for any two seeds:

>>> train, held_out = make_problems("train", 2000, seed=0), make_problems("test", 500, seed=0)
>>> {row["question"] for row in train} & {row["question"] for row in held_out}
set()

A row of the family ``pack_and_find``:

    {"question": "Mia buys 3 boxes of 8 pens and finds 5 more. How many pens does Mia have now?",
     "options": ["A)29", "B)24", "C)30", "D)19", "E)31"],
     "rationale": "3 * 8 = 24\\n24 + 5 = 29",
     "correct": "A"}
"""

import random
import zlib
from collections.abc import Callable, Sequence

from ratchet.errors import UserError

LETTERS = "ABCDE"
NAMES = ("Tom", "Ann", "Raj", "Mia", "Leo", "Zoe", "Ida", "Sam")
THINGS = ("apples", "pens", "coins", "books", "cards", "shells")
HELD_OUT_SHARE = 8  # one question in eight is held out

# A family draws its numbers and returns (question, lines of working, answer, numbers that a mistake would give).
Draft = tuple[str, list[str], int, list[int]]


def _buy(rng: random.Random, name: str, thing: str) -> Draft:
    a, b = rng.randint(2, 30), rng.randint(2, 30)
    question = f"{name} has {a} {thing} and buys {b} more. How many {thing} does {name} have now?"
    return question, [f"{a} + {b} = {a + b}"], a + b, [abs(a - b), a, b]


def _sell(rng: random.Random, name: str, thing: str) -> Draft:
    a = rng.randint(10, 50)
    b = rng.randint(2, a - 2)
    question = f"{name} has {a} {thing} and sells {b} of them. How many {thing} are left?"
    return question, [f"{a} - {b} = {a - b}"], a - b, [a, b]


def _pack(rng: random.Random, name: str, thing: str) -> Draft:
    a, b = rng.randint(2, 9), rng.randint(2, 9)
    question = f"{name} buys {a} boxes of {b} {thing} each. How many {thing} is that in all?"
    return question, [f"{a} * {b} = {a * b}"], a * b, [a + b, a * b + a, a * b + b]


def _share(rng: random.Random, name: str, thing: str) -> Draft:
    b, answer = rng.randint(2, 9), rng.randint(2, 9)
    question = f"{name} shares {b * answer} {thing} equally among {b} friends. How many {thing} does each friend get?"
    return question, [f"{b * answer} / {b} = {answer}"], answer, [b, b * answer - b]


def _pack_and_find(rng: random.Random, name: str, thing: str) -> Draft:
    a, b, c = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 12)
    question = f"{name} buys {a} boxes of {b} {thing} and finds {c} more. How many {thing} does {name} have now?"
    lines = [f"{a} * {b} = {a * b}", f"{a * b} + {c} = {a * b + c}"]
    return question, lines, a * b + c, [a * b, a + b + c, a * b - c]


def _border(rng: random.Random, name: str, thing: str) -> Draft:
    a, b = rng.randint(2, 20), rng.randint(2, 20)
    question = f"{name} has a garden {a} m long and {b} m wide. How many metres is it around the garden?"
    return question, [f"{a} + {b} = {a + b}", f"2 * {a + b} = {2 * (a + b)}"], 2 * (a + b), [a + b, 2 * a + b]


def _lookup(rng: random.Random, name: str, thing: str) -> Draft:
    # Not a problem at all: finding the option that holds a given number is what a small model learns last, so a
    # curriculum begins with it.
    value, *others = rng.sample(range(200), 5)
    return f"Which is {value}?", [f"= {value}"], value, others


FAMILIES: dict[str, Callable[[random.Random, str, str], Draft]] = {
    "buy": _buy,
    "sell": _sell,
    "pack": _pack,
    "share": _share,
    "pack_and_find": _pack_and_find,
    "border": _border,
    "lookup": _lookup,
}
PROBLEM_FAMILIES = tuple(name for name in FAMILIES if name != "lookup")


def is_held_out(text: str) -> bool:
    """Whether a question belongs to the held-out set (the same for validation and test, never trained on)."""
    # a checksum, not hash(): Python's differs from process to process
    return zlib.crc32(text.encode("utf-8")) % HELD_OUT_SHARE == 0


def _identity(row: dict) -> str:
    """What makes a row another one: its question; in look-ups, where the options are all there is, these too."""
    is_lookup = row["question"].startswith("Which is")
    return row["question"] + "".join(row["options"]) if is_lookup else row["question"]


def make_problems(
    split: str,
    count: int,
    seed: int = 0,
    families: Sequence[str] = PROBLEM_FAMILIES,
    guess_share: float = 0.0,
    wrong_share: float = 0.0,
    lookup_share: float = 0.0,
) -> list[dict]:
    """Draw ``count`` problems with distinct questions.

    Args:
        split: "train", or "validation" / "test", which are drawn from the held-out questions with seeds of their own.
        count: how many rows.
        seed: the same seed gives the same rows.
        families: names from ``FAMILIES`` to draw from, each as often as it is named.
        guess_share: share of training rows that give the answer without any working.
        wrong_share: share of those whose letter is wrong, as in text that was never checked. Held-out rows are always
            worked and right, for any value of the two shares.
        lookup_share: share of rows that only ask to find the option with a given number (see ``_lookup``).

    Raises:
        UserError: for an unknown family or split, or when the families do not hold that many distinct questions.
    """
    _check(split, families)
    rng = random.Random(f"{split}-{seed}")
    rows, seen, misses = [], set(), 0
    while len(rows) < count:
        row = _problem(rng, "lookup" if rng.random() < lookup_share else rng.choice(families))
        identity = _identity(row)
        if is_held_out(identity) != (split != "train") or identity in seen:
            misses += 1
            if misses > 1000 + 200 * count:  # many times what chance explains: there are no more
                raise UserError(f"the families {list(families)} hold fewer than {count} distinct {split} questions")
            continue
        seen.add(identity)
        if split == "train" and rng.random() < guess_share:
            row["rationale"] = ""
            if rng.random() < wrong_share:
                row["correct"] = rng.choice(LETTERS.replace(row["correct"], ""))
        rows.append(row)
    return rows


def _check(split: str, families: Sequence[str]) -> None:
    if split not in ("train", "validation", "test"):
        raise UserError(f"unknown split {split!r} of the generated problems; use train, validation or test")
    unknown = [name for name in families if name not in FAMILIES]
    if unknown or not families:
        raise UserError(f"unknown families {unknown} of generated problems; choose from {sorted(FAMILIES)}")


def _problem(rng: random.Random, family: str) -> dict:
    question, lines, answer, mistakes = FAMILIES[family](rng, rng.choice(NAMES), rng.choice(THINGS))
    values = _five_values(rng, answer, mistakes)
    return {
        "question": question,
        "options": [f"{letter}){value}" for letter, value in zip(LETTERS, values, strict=True)],
        "rationale": "\n".join(lines),
        "correct": LETTERS[values.index(answer)],
    }


def _five_values(rng: random.Random, answer: int, mistakes: Sequence[int]) -> list[int]:
    """The answer, the results of likely mistakes, and near misses, in random order."""
    values = [answer]
    for value in mistakes[: len(LETTERS) - 1]:
        if value not in values and value >= 0:
            values.append(value)
    while len(values) < len(LETTERS):
        value = answer + rng.choice((-20, -10, -9, -5, -3, -2, -1, 1, 2, 3, 5, 9, 10, 20))
        if value not in values and value >= 0:
            values.append(value)
    rng.shuffle(values)
    return values
