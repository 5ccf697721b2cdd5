"""Tasks that return what they must not."""

import pytest
from small_audit import CORRECT, Capitals, found

from ratchet.errors import UserError
from ratchet.tasks import Grade


def test_a_task_whose_grade_raises_is_named_with_the_row():
    class Faulty(Capitals):
        def grade(self, completion, row):
            return row["missing"]

    with pytest.raises(
        UserError,
        match=r"capitals\.grade of row train-0 raises KeyError: 'missing' \(test_core.py:\d+\); "
        "the row has no column 'missing'",
    ):
        found(CORRECT, task=Faulty())


def test_a_component_outside_zero_and_one_is_named():
    class Faulty(Capitals):
        def grade(self, completion, row):
            return Grade(False, None, {"speed": 3.0})

    with pytest.raises(UserError, match="component speed is 3.0"):
        found(CORRECT, task=Faulty())


@pytest.mark.parametrize(
    ("method", "value", "says"),
    [
        ("messages", "What?", "must return a list of"),
        ("messages", [{"content": "What?"}], "must return a list of"),
        ("gold", 3, "capitals.gold of row train-0 must return a str, it returns '3'"),
        ("target", 3, "capitals.target of row train-0 must return a str"),
        ("grade", True, "capitals.grade of row train-0 must return a Grade"),
    ],
)
def test_a_task_that_returns_something_else_is_named(method, value, says):
    faulty = type("Faulty", (Capitals,), {method: lambda self, *arguments: value})
    with pytest.raises(UserError, match=says):
        found(CORRECT, task=faulty())


def test_rows_that_share_an_id_are_refused():
    with pytest.raises(UserError, match="needs an id of its own; two have one"):
        found(CORRECT, task=Capitals(), rows=[{"id": "one", "country": "France", "capital": "Paris"}] * 2)
