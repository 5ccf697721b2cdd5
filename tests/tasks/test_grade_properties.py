"""What must hold for the grade of every task and any text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.tasks.aquarat.task import AquaRat
from ratchet.tasks.dakota.task import Dakota

TASKS = [AquaRat(source="generated"), Dakota(source="generated")]
ROWS = {task.name: task.load("train").rows[:8] for task in TASKS}
ANY = st.sampled_from([(task, row) for task in TASKS for row in ROWS[task.name]])
LOUD = st.sampled_from(
    [
        "Answer: ",
        "Final answer: ",
        "\\boxed{",
        "}",
        "<answer>",
        "</answer>",
        "A",
        "B",
        "C",
        "or",
        "not",
        "\n",
        "wait, ",
        "**",
        "wakaška",
        "42",
        "\0",
        "\ud7ff",
    ]
)
QUIET = st.lists(
    st.sampled_from(
        [
            "First I read what is asked.",
            "It helps to go slowly.",
            "I compare this with the wording.",
            "So far all of it fits.",
            "This part seems clear.",
        ]
    ),
    min_size=1,
    max_size=6,
)


def worth(task, row, text):
    grade = task.grade(text, row)
    return grade.components.get("score", grade.components["correct"])


def an_answer(task, row, right):
    if right:
        return task.gold(row)
    return next(task.gold(other) for other in ROWS[task.name] if task.gold(other) != task.gold(row))


@given(ANY, st.text(max_size=300) | st.lists(LOUD | st.text(max_size=12), max_size=15).map("".join))
@settings(max_examples=400, deadline=None)
def test_every_text_has_a_grade_whose_components_lie_in_zero_to_one(case, text):
    task, row = case
    grade = task.grade(text, row)
    assert all(0.0 <= value <= 1.0 for value in grade.components.values())
    assert grade.correct == bool(grade.components["correct"])


@given(ANY, st.booleans(), st.booleans())
@settings(max_examples=200, deadline=None)
def test_a_second_committed_answer_never_raises_what_an_answer_is_worth(case, first, second):
    task, row = case
    once = task.commit(an_answer(task, row, first), row)
    assert worth(task, row, f"{once}\n{task.commit(an_answer(task, row, second), row)}") <= worth(task, row, once)


@given(ANY, QUIET, st.booleans())
@settings(max_examples=200, deadline=None)
def test_reasoning_before_an_answer_never_lowers_what_it_is_worth(case, reasoning, right):
    task, row = case
    text = task.commit(an_answer(task, row, right), row)
    assert worth(task, row, " ".join(reasoning) + "\n" + text) >= worth(task, row, text)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize(
    "completion",
    [None, 3, [], [{}], [{"role": "assistant", "content": None}], [{"role": "user", "content": "Answer: A"}]],
)
def test_what_is_no_text_is_no_answer(task, completion):
    grade = task.grade(completion, ROWS[task.name][0])
    assert not grade.correct and grade.answer is None


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_message_of_several_parts_is_read(task):
    row = ROWS[task.name][0]
    parts = [{"type": "text", "text": task.commit(task.gold(row), row)}]
    assert task.grade([{"role": "assistant", "content": parts}], row).correct
