"""Word problems made on the spot, in the format of AQuA-RAT: a data source that needs no download.

A problem is drawn from one of several families with a seeded generator, so the same arguments give the same rows on
every machine. Whether a problem may be trained on or is held out is decided by a checksum of its question, so the two
sets are disjoint by construction, for any two seeds:

>>> train, held_out = make_problems("train", 2000, seed=0), make_problems("test", 500, seed=0)
>>> {row["question"] for row in train} & {row["question"] for row in held_out}
set()

The options are drawn first: five of some neighbouring values that answers of the family can have. Then one of them is
drawn to be the answer, each with the same chance, and last the numbers of the question, which give this answer and
are all larger or all smaller than the five. So whoever does not work the problem out has one chance in five, whatever
the options look like: each of them could have been the answer.

A row of the family ``pack_and_find``:

    {"question": "Mia buys 3 boxes of 8 pens and finds 5 more. How many pens does Mia have now?",
     "options": ["A)29", "B)25", "C)30", "D)22", "E)31"],
     "rationale": "3 * 8 = 24\\n24 + 5 = 29",
     "correct": "A"}
"""

import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from ratchet.errors import UserError

LETTERS = "ABCDE"
NAMES = ("Tom", "Ann", "Raj", "Mia", "Leo", "Zoe", "Ida", "Sam")
THINGS = ("apples", "pens", "coins", "books", "cards", "shells")
HELD_OUT_SHARE = 8  # one question in eight is held out
WINDOW = 12  # neighbouring answers of which a problem's options are five
TRIES = 20  # names and things tried with the same numbers before others are drawn

Numbers = tuple[int, ...]


@dataclass(frozen=True)
class Family:
    """Problems with the same words: what they ask, with which numbers, and how they are worked out."""

    question: str
    """With places for name, thing, and the numbers a, b, c."""
    numbers: Sequence[Numbers]
    """All that a problem may have."""
    working: Callable[..., list[str]]
    """The lines of working for some numbers; the last one ends with the answer."""

    @cached_property
    def by_answer(self) -> dict[int, list[Numbers]]:
        """The numbers of all problems with an answer, by ascending answers."""
        found: dict[int, list[Numbers]] = {}
        for numbers in self.numbers:
            found.setdefault(int(self.working(*numbers)[-1].split()[-1]), []).append(numbers)
        return dict(sorted(found.items()))

    def draw(self, rng: random.Random) -> tuple[list[int], int, Numbers]:
        """The values of five options, which of them is the answer, and the numbers that give it."""
        answers = list(self.by_answer)
        while True:
            start = rng.randrange(len(answers) - WINDOW + 1)
            values = rng.sample(answers[start : start + WINDOW], len(LETTERS))
            fitting = [[n for n in self.by_answer[value] if _apart(n, values)] for value in values]
            if all(fitting):  # a matter of the five together, so it favours none of them
                place = rng.randrange(len(values))
                return values, place, rng.choice(fitting[place])


def _apart(numbers: Numbers, values: Sequence[int]) -> bool:
    """Whether each number is larger or smaller than all values: their order then tells nothing of the answer."""
    low, high = min(values), max(values)
    return all(number < low or number > high for number in numbers)


FAMILIES = {
    "buy": Family(
        "{name} has {a} {thing} and buys {b} more. How many {thing} does {name} have now?",
        tuple(product(range(2, 31), repeat=2)),
        lambda a, b: [f"{a} + {b} = {a + b}"],
    ),
    "sell": Family(
        "{name} has {a} {thing} and sells {b} of them. How many {thing} are left?",
        [(a, b) for a, b in product(range(10, 51), range(2, 49)) if b <= a - 2],
        lambda a, b: [f"{a} - {b} = {a - b}"],
    ),
    "pack": Family(
        "{name} buys {a} boxes of {b} {thing} each. How many {thing} is that in all?",
        tuple(product(range(2, 10), repeat=2)),
        lambda a, b: [f"{a} * {b} = {a * b}"],
    ),
    "share": Family(
        "{name} shares {a} {thing} equally among {b} friends. How many {thing} does each friend get?",
        [(b * answer, b) for b, answer in product(range(2, 10), range(2, 21)) if b * answer < 100],
        lambda a, b: [f"{a} / {b} = {a // b}"],
    ),
    "pack_and_find": Family(
        "{name} buys {a} boxes of {b} {thing} and finds {c} more. How many {thing} does {name} have now?",
        tuple(product(range(2, 10), range(2, 10), range(2, 13))),
        lambda a, b, c: [f"{a} * {b} = {a * b}", f"{a * b} + {c} = {a * b + c}"],
    ),
    "border": Family(
        "{name} has a garden {a} m long and {b} m wide. How many metres is it around the garden?",
        tuple(product(range(2, 21), repeat=2)),
        lambda a, b: [f"{a} + {b} = {a + b}", f"2 * {a + b} = {2 * (a + b)}"],
    ),
}
PROBLEM_FAMILIES = tuple(FAMILIES)
LOOKUP = "lookup"
"""Not a problem at all: finding the option that holds a given number is what a small model learns last, so a
curriculum begins with it."""


def is_held_out(text: str) -> bool:
    """Whether a question belongs to the held-out set (the same for validation and test, never trained on)."""
    # a checksum, not hash(): Python's differs from process to process
    return zlib.crc32(text.encode("utf-8")) % HELD_OUT_SHARE == 0


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
        looks = rng.random() < lookup_share
        family = LOOKUP if looks else rng.choice(families)
        row = _lookup(rng, split, seen) if family == LOOKUP else _problem(rng, FAMILIES[family], split, seen)
        if row is None:
            misses += 1
            if misses > 1000 + 10 * count:  # many times what chance explains: there are no more
                raise UserError(f"the families {list(families)} hold fewer than {count} distinct {split} questions")
            continue
        if split == "train" and rng.random() < guess_share:
            row["rationale"] = ""
            if rng.random() < wrong_share:
                row["correct"] = rng.choice(LETTERS.replace(row["correct"], ""))
        rows.append(row)
    return rows


def _check(split: str, families: Sequence[str]) -> None:
    if split not in ("train", "validation", "test"):
        raise UserError(f"unknown split {split!r} of the generated problems; use train, validation or test")
    known = [*FAMILIES, LOOKUP]
    unknown = [name for name in families if name not in known]
    if unknown or not families:
        raise UserError(f"unknown families {unknown} of generated problems; choose from {sorted(known)}")


def _problem(rng: random.Random, family: Family, split: str, seen: set[str]) -> dict | None:
    """A new problem of the split; None where chance found none.

    For a question that is taken or of the other split only name and thing are drawn again: with other numbers,
    answers with many questions would be favoured.
    """
    values, place, numbers = family.draw(rng)
    for _ in range(TRIES):
        named = dict(zip("abc", numbers, strict=False))
        question = family.question.format(name=rng.choice(NAMES), thing=rng.choice(THINGS), **named)
        if _is_new(question, split, seen):
            return _row(question, values, place, family.working(*numbers))
    return None


def _lookup(rng: random.Random, split: str, seen: set[str]) -> dict | None:
    values = rng.sample(range(200), len(LETTERS))
    place = rng.randrange(len(values))
    question = f"Which is {values[place]}?"
    # The options are all there is of such a row, so they make it another one.
    return (
        _row(question, values, place, [f"= {values[place]}"]) if _is_new(f"{question}{values}", split, seen) else None
    )


def _is_new(identity: str, split: str, seen: set[str]) -> bool:
    """Whether a row belongs to the split and was not drawn before; it is remembered."""
    if is_held_out(identity) != (split != "train") or identity in seen:
        return False
    seen.add(identity)
    return True


def _row(question: str, values: Sequence[int], place: int, lines: Sequence[str]) -> dict:
    return {
        "question": question,
        "options": [f"{letter}){value}" for letter, value in zip(LETTERS, values, strict=True)],
        "rationale": "\n".join(lines),
        "correct": LETTERS[place],
    }
