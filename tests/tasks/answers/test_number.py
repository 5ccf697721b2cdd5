"""The number that a text answers with, and when two numbers are one."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.tasks.answers.number import parse_number, read_number, same_number

READ = {
    "5 * 3 = 15\n#### 1,234": "1234",
    "The answer is $141.": "141",
    "Answer: 141 pens": "141 pens",
    "So she makes $18 every day.": "18",
    "\\boxed{\\frac{3}{4}}": "0.75",
    "The final answer is **-7**.": "-7",
    "<answer>12 %</answer>": "12 %",
    "Answer: 1 1/2": "1.5",
    "2½": "2.5",
    "Answer: 1.2 \\times 10^3": "1200",
    "Answer: 1e6": "1000000",
    "1 234 567": "1234567",
    "Answer: 15 (fifteen)": "15",
    "He has 3 apples and buys 9. So the answer is 12.": "12",
    "5 + 3 = 8 apples": "8 apples",
    "Answer: 12:30": "12:30",
    "Answer: 1,23,456 rupees": "123456",
    "12345678901": "12345678901",
}


@pytest.mark.parametrize(("text", "number"), READ.items())
def test_the_number_that_is_answered_is_read(text, number):
    assert str(read_number(text)) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Either 3 or 4.",
        "Answer: 3 or 4",
        "x = 3 and y = 4",
        "Answer: between 3 and 9",
        "Somebody might think of 732 here, but I will not commit to any answer.",
        "It is not 12.",
        "Is it 12?",
        "Answer: 13 13 13 13",
        "7 hours and 30 minutes",
        "1.234.567",
        "9^9^9^9",
        "1e400",
        "I think that 5 pens cost 3 dollars.",
        "\\boxed{3}\\boxed{4}",
        "Answer: 12\nNo, that is wrong.",
    ],
)
def test_what_commits_to_no_number_or_to_several_has_none(text):
    assert read_number(text) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1,234", "1234.0", True),
        ("$5", "5 dollars", True),
        ("5 km", "5", True),
        ("5 km", "5 kilometres", True),
        ("5 km", "5 m", False),
        ("0.33", "1/3", False),
        ("0.5", "1/2", True),
        ("50 cents", "0.50", True),
        ("12 %", "12", True),
        ("12 %", "0.12", False),
        ("12345678901", "12345678902", False),
        ("2:3", "2:3", True),
        ("-5", "5", False),
    ],
)
def test_numbers_are_compared_exactly_and_units_where_both_have_one(one, other, same):
    assert same_number(parse_number(one), parse_number(other)) is same


def test_a_tolerance_is_an_absolute_difference():
    one, other = parse_number("3.14"), parse_number("3.1416")
    assert same_number(one, other, 0.01) and not same_number(one, other, 0.001)
    assert same_number(parse_number("0.33"), parse_number("1/3"), 0.01)


@given(st.text())
def test_any_text_has_a_number_or_none(text):
    found = read_number(text)
    assert found is None or same_number(found, found)


@given(st.integers(-(10**12), 10**12))
def test_every_whole_number_is_read_as_itself(number):
    assert str(read_number(f"That makes it.\nAnswer: {number:,}")) == str(number)


def test_a_long_text_costs_no_more_than_its_length():
    def seconds(count: int) -> float:
        text = "1 = 2 + 3 and 4, " * count + "\nAnswer: 5"
        began = time.perf_counter()
        assert str(read_number(text)) == "5"
        return time.perf_counter() - began

    assert min(seconds(4_000) for _ in range(3)) < 20 * max(0.001, min(seconds(1_000) for _ in range(3)))
