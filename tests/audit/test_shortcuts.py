"""What looks of options give away is found by rules of thumb and by a linear model, and chance is not."""

import random

from ratchet.audit.shortcuts import predictions, rules_of_thumb
from ratchet.tasks.aquarat.task import LETTERS, AquaRat

TASK = AquaRat(source="generated")


def rows(right, count=200):
    """Rows of five numbers, of which a function names the right one."""
    rng, made = random.Random(0), []
    for i in range(count):
        values = rng.sample(range(10, 99), 5)
        options = [f"{letter}){value}" for letter, value in zip(LETTERS, values, strict=True)]
        gold = LETTERS[right(values, rng)]
        made.append({"id": str(i), "question": "How many?", "options": options, "correct": gold, "rationale": ""})
    return made


def accuracy(made):
    found = predictions(TASK, made, [row["question"] for row in made])
    return sum(found[row["id"]] == row["correct"] for row in made) / len(made)


def test_a_rank_that_is_always_right_is_learned():
    assert accuracy(rows(lambda values, rng: values.index(sorted(values)[1]))) > 0.9


def test_nothing_is_learned_where_nothing_tells():
    assert accuracy(rows(lambda values, rng: rng.randrange(5))) < 0.32  # 0.2, four standard deviations above


def test_few_rows_teach_nothing():
    made = rows(lambda values, rng: 0, count=10)
    assert predictions(TASK, made, [""] * 10) == {}


def test_rules_of_thumb_look_at_values_and_at_the_prompt():
    found = rules_of_thumb(["7", "24", "42", "41", "1200 dollars"], "He has 24 of them.")
    assert found["the longest option"] == found["the largest option"] == 4
    assert found["an option that stands in the prompt"] == 1 and found["the middle option"] == 3
    assert found["the option with most near neighbours"] == 2
