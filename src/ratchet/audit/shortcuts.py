"""What can be read off the options and the prompt without solving anything: rules of thumb, and a linear model.

The model is a softmax over candidates with weights on cheap features, fitted on one half of the rows and asked on
the other (McCullagh and Nelder, 1989, chapter 5). Where it is right more often than the commonest answer, so can a
model be that never understands a question.
"""

import math
import random
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ratchet.tasks.base import Row, Task

MOST_ROWS, MOST_CANDIDATES, MOST_WORDS = 400, 10, 60
FEWEST_ROWS = 20  # from fewer nothing is learned
EPOCHS, RATE, DECAY = 12, 0.15, 1e-3
NEAR = 3  # values so close to each other are neighbours
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")

Features = dict[str, float]


class Example(NamedTuple):
    """A row as the model sees it: the features of each candidate, and which of them is right."""

    candidates: Sequence[Features]
    gold: int


def value_of(option: str) -> float | None:
    """The first number in an option's text."""
    found = _NUMBER.search(option)
    return float(found.group().replace(",", "")) if found else None


def rules_of_thumb(options: Sequence[str], prompt: str) -> dict[str, int]:
    """Name -> the option that looking at options and prompt alone would choose."""
    found = {
        "the longest option": max(range(len(options)), key=lambda i: len(options[i])),
        "the shortest option": min(range(len(options)), key=lambda i: len(options[i])),
    }
    values = [value_of(option) for option in options]
    if any(value is None for value in values):
        return found
    order = sorted(range(len(values)), key=values.__getitem__)
    asked = {value_of(number) for number in _NUMBER.findall(prompt)}
    neighbours = [sum(abs(values[i] - other) <= NEAR for other in values) for i in range(len(values))]
    return {
        **found,
        "the largest option": order[-1],
        "the smallest option": order[0],
        "the middle option": order[len(order) // 2],
        "the option with most near neighbours": max(range(len(values)), key=lambda i: (neighbours[i], values[i])),
        "an option that stands in the prompt": max(range(len(values)), key=lambda i: (values[i] in asked, values[i])),
        "an option that does not": max(
            range(len(values)), key=lambda i: (values[i] not in asked, neighbours[i], values[i])
        ),
    }


def predictions(task: Task, rows: Sequence[Row], prompts: Sequence[str]) -> dict[str, str]:
    """Row id -> the answer that the linear model gives, each from the half of the rows that the row is not in.

    Empty where there are too few rows, or where the answers are neither options nor few.
    """
    named = _candidates(task, rows[:MOST_ROWS], prompts)
    if len(named) < FEWEST_ROWS:
        return {}
    ids, examples, answers = zip(*named, strict=True)
    found = {}
    for half in (0, 1):
        weights = fitted([example for i, example in enumerate(examples) if i % 2 != half])
        for i, example in enumerate(examples):
            if i % 2 == half:
                found[ids[i]] = answers[i][_best(weights, example)]
    return found


def _candidates(task: Task, rows: Sequence[Row], prompts: Sequence[str]) -> list[tuple[str, Example, Sequence[str]]]:
    """Each row's id, its example, and its candidates' answers."""
    golds = [task.gold(row) for row in rows]
    distinct = list(dict.fromkeys(task.answers or golds))
    found = []
    if all(task.options(row) for row in rows):
        for row, prompt, gold in zip(rows, prompts, golds, strict=False):
            options = task.options(row)
            answers = list(task.answers)[: len(options)]
            if gold in answers and len(answers) == len(options):
                found.append((row["id"], Example(_of_options(options, prompt), answers.index(gold)), answers))
    elif 1 < len(distinct) <= MOST_CANDIDATES and all(gold in distinct for gold in golds):
        words = _commonest_words(prompts[: len(rows)])
        for row, prompt, gold in zip(rows, prompts, golds, strict=False):
            there = words & set(prompt.lower().split())
            features = [{"": 1.0, **{f"{i} {word}": 1.0 for word in there}} for i in range(len(distinct))]
            found.append((row["id"], Example(features, distinct.index(gold)), distinct))
    return found


def _commonest_words(prompts: Sequence[str]) -> set[str]:
    """Words that tell prompts apart: in many of them, and not in nearly all."""
    counts = Counter(word for prompt in prompts for word in set(prompt.lower().split()))
    telling = [(count, word) for word, count in counts.items() if count < 0.95 * len(prompts)]
    return {word for _, word in sorted(telling, reverse=True)[:MOST_WORDS]}


def _of_options(options: Sequence[str], prompt: str) -> list[Features]:
    chosen = rules_of_thumb(options, prompt)
    values = [value_of(option) for option in options]
    return [
        {
            f"place {i}": 1.0,
            **{name: 1.0 for name, choice in chosen.items() if choice == i},
            **(_of_value(values, i) if None not in values else {}),
        }
        for i in range(len(options))
    ]


def _of_value(values: Sequence[float], i: int) -> Features:
    """Rank, neighbours at usual distances, parity and last digit of an option's value."""
    value = values[i]
    others = [abs(value - other) for j, other in enumerate(values) if j != i]
    found = {f"rank {sorted(values).index(value)}": 1.0, f"last digit {int(abs(value)) % 10}": 1.0}
    for distance in (1, 2, 3, 5, 9, 10, 20):
        if distance in others:
            found[f"a neighbour at {distance}"] = 1.0
    mean = sum(values) / len(values)
    spread = max(values) - min(values) or 1.0
    return {**found, "off the mean": abs(value - mean) / spread, "near others": sum(d <= NEAR for d in others) / 4}


def fitted(examples: Sequence[Example]) -> Features:
    """Weights by stochastic gradient descent on the log-likelihood; the same rows give the same weights."""
    weights: Features = {}
    order, rng = list(range(len(examples))), random.Random(0)
    for epoch in range(EPOCHS):
        rng.shuffle(order)
        rate = RATE / (1 + epoch)
        for i in order:
            example = examples[i]
            for place, chance in enumerate(_chances(weights, example)):
                slope = rate * (float(place == example.gold) - chance)
                for name, value in example.candidates[place].items():
                    weights[name] = weights.get(name, 0.0) * (1 - DECAY) + slope * value
    return weights


def _scores(weights: Features, example: Example) -> list[float]:
    return [sum(weights.get(name, 0.0) * value for name, value in c.items()) for c in example.candidates]


def _chances(weights: Features, example: Example) -> list[float]:
    scores = _scores(weights, example)
    top = max(scores)
    powers = [math.exp(score - top) for score in scores]
    return [power / sum(powers) for power in powers]


def _best(weights: Features, example: Example) -> int:
    scores = _scores(weights, example)
    return scores.index(max(scores))
