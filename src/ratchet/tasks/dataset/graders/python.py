"""Answers that a function of the user's own judges."""

from collections.abc import Callable, Mapping
from typing import Any

from ratchet.tasks.answers.text import read_written_answer
from ratchet.tasks.base import Row
from ratchet.tasks.dataset.graders.base import ANSWER, Grader, Judged


class PythonGrader(Grader):
    """By a function of the user's own: right, or not."""

    name, example = "python", "..."
    asks = ""
    usual = {"answer": ("answer",)}  # a "target" or a "label" may be anything, and the function knows what
    answered = False
    formed = False  # the function is given what was written

    def __init__(self, function: Callable[[str, Row], bool]):
        self.function = function

    def value(self, given: Any, row: Row) -> str | None:
        """The answer as it is written."""
        return None if given is None else str(given)

    def gold(self, row: Row) -> str | None:
        """The answer, where the row has one."""
        return row[ANSWER]

    def judge(self, completion: str, row: Row) -> Judged:
        """Right where the function says so; what is answered is read as words.

        Raises:
            TypeError: where it says neither.
        """
        right = self.function(completion, row["columns"])
        if not isinstance(right, bool):
            raise TypeError(f"data.function returns True or False; it returned {type(right).__name__} {right!r:.60}")
        return Judged(right, row[ANSWER] if right and row[ANSWER] else read_written_answer(completion))

    def dressed(self, row: Row) -> Mapping[str, str]:
        """No further forms: only the function knows what it takes."""
        return {}
