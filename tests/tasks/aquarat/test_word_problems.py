"""Generated problems: right, disjoint, reproducible."""

import re

import pytest

from ratchet.errors import UserError
from ratchet.tasks.aquarat.rows import checked_row
from ratchet.tasks.aquarat.word_problems import FAMILIES, LOOKUP, make_problems


@pytest.mark.parametrize("family", [*FAMILIES, LOOKUP])
def test_every_problem_is_a_valid_row_whose_working_leads_to_its_gold_option(family):
    for row in make_problems("train", 100, families=[family]):
        assert isinstance(checked_row("here", row), dict)
        gold = row["options"]["ABCDE".index(row["correct"])][2:]
        assert row["rationale"].endswith(f"= {gold}")
        assert len({option[2:] for option in row["options"]}) == 5


@pytest.mark.parametrize("family", FAMILIES)
def test_each_line_of_working_is_true(family):
    for row in make_problems("train", 50, families=[family]):
        for line in row["rationale"].splitlines():
            left, right = line.split(" = ")
            assert eval(left) == int(right)  # noqa: S307 - arithmetic that this project wrote


def numbers(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"\d+", text)]


def test_options_lie_on_one_side_of_each_number_of_the_question():
    for row in make_problems("train", 1000):
        values = [int(option[2:]) for option in row["options"]]
        for number in numbers(row["question"]):
            assert number < min(values) or number > max(values)


def near_neighbours(row) -> list[tuple]:
    """What the options look like, and whether they stand in the question: nothing is computed from two numbers."""
    values, asked = [int(option[2:]) for option in row["options"]], set(numbers(row["question"]))
    near = {1, 2, 3, 5, 9, 10, 20}
    return [(v not in asked, sum(abs(v - other) in near for other in values), v) for v in values]


RULES = {
    "most near neighbours": lambda row: max(range(5), key=near_neighbours(row).__getitem__),
    "largest": lambda row: max(range(5), key=lambda i: int(row["options"][i][2:])),
    "smallest": lambda row: min(range(5), key=lambda i: int(row["options"][i][2:])),
    "nearest to a number of the question": lambda row: min(
        range(5), key=lambda i: min(abs(int(row["options"][i][2:]) - n) for n in numbers(row["question"]))
    ),
    "most even": lambda row: min(range(5), key=lambda i: int(row["options"][i][2:]) % 2),
}


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_about_options_is_righter_than_chance(rule):
    rows = [row for seed in range(3) for row in make_problems("train", 4000, seed)]
    right = sum("ABCDE"[RULES[rule](row)] == row["correct"] for row in rows)
    assert abs(right / len(rows) - 0.2) < 3 * (0.2 * 0.8 / len(rows)) ** 0.5


def test_training_and_held_out_questions_never_meet_for_any_two_seeds():
    train = {row["question"] for seed in range(3) for row in make_problems("train", 2000, seed)}
    held_out = {
        row["question"]
        for split in ("validation", "test")
        for seed in range(3)
        for row in make_problems(split, 300, seed)
    }
    assert not train & held_out


def test_the_same_seed_gives_the_same_rows():
    assert make_problems("test", 50, 7) == make_problems("test", 50, 7) != make_problems("test", 50, 8)


def test_letters_are_even():
    letters = [row["correct"] for row in make_problems("train", 5000)]
    assert all(0.17 < letters.count(letter) / 5000 < 0.23 for letter in "ABCDE")


def test_guesses_come_without_working_and_some_are_wrong_but_never_in_held_out_rows():
    clean = make_problems("train", 1000, 5)
    noisy = make_problems("train", 1000, 5, guess_share=0.6, wrong_share=0.5)
    assert 0.5 < sum(not row["rationale"] for row in noisy) / 1000 < 0.7
    assert all(row["rationale"] for row in clean)
    assert all(row["rationale"] for row in make_problems("test", 200, 5, guess_share=1.0))


def test_an_unknown_family_and_too_many_rows_are_errors():
    with pytest.raises(UserError, match="unknown families"):
        make_problems("train", 5, families=["nope"])
    with pytest.raises(UserError, match="fewer than"):
        make_problems("test", 3000, families=["share"])
