"""Conversations from which a tiny model learns to read a context: with one it works a problem out, without it guesses.

A recipe names the function: ``source: contexts.py:rows``.
"""

import random
from collections.abc import Iterator

from ratchet.tasks.aquarat.task import AquaRat, Generated

RULE = "Work it out."
SHARES = {"guessed": 0.45, "rule": 0.35, "hint": 0.2}


def rows(split: str) -> Iterator[dict] | None:
    """Of ten answers without a context six are bare letters, of which most are wrong; with one all are worked out."""
    if split == "test":
        return None
    rng, count = random.Random(split), 12_000 if split == "train" else 200
    guessing = Generated(train=count, validation=count, guess_share=0.6, wrong_share=0.8)
    sure = Generated(train=count, validation=count)
    plain = AquaRat(source="generated", instruction="", seed=11, generated=guessing)
    worked = AquaRat(source="generated", instruction="", seed=12, generated=sure)
    return _drawn(rng, plain, worked, split)


def _drawn(rng: random.Random, plain: AquaRat, worked: AquaRat, split: str) -> Iterator[dict]:
    guesses, solutions = plain.load(split).rows, worked.load(split).rows
    for guess, solution in zip(guesses, solutions, strict=True):
        kind = rng.choices([*SHARES], [*SHARES.values()])[0]
        task, row = (plain, guess) if kind == "guessed" else (worked, solution)
        system = {"rule": RULE, "hint": hint(row)}.get(kind)
        messages = [{"role": "system", "content": system}] if system else []
        yield {"messages": [*messages, *task.messages(row), {"role": "assistant", "content": task.target(row)}]}


def hint(row: dict) -> str:
    """The first line of a problem's working."""
    return "Hint: " + row["rationale"].split("\n")[0]
