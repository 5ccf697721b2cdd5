"""Answers that have a form: a regular expression that all of the answer must match."""

from typing import Any

import regex

from ratchet.tasks.answers.text import read_written_answer
from ratchet.tasks.base import Row
from ratchet.tasks.dataset.graders.base import ANSWER, Grader, Judged, shown

_LINE = regex.compile(r"(?:\A|\n)[ \t]*answer:[ \t]*(?P<answer>\S[^\n]*?)\s*\Z", regex.IGNORECASE)
LIMIT = 1.0
"""Seconds in which a pattern must have matched; one that backtracks for longer has not."""


class RegexGrader(Grader):
    """Words that the row's pattern matches from their beginning to their end."""

    name, example = "regex", "..."
    asks = 'Write the answer on a last line of its own, as in "{form}".'

    def __init__(self, pattern: str | None = None):
        self.pattern = pattern
        self.answered = pattern is None
        self.usual = {} if pattern is None else {"answer": ()}  # which stands for all rows

    def value(self, given: Any, row: Row) -> str:
        """The pattern, of the row or else of the recipe."""
        given = self.pattern if given is None else given
        try:
            pattern = regex.compile(given)
        except (regex.error, TypeError) as error:
            raise ValueError(f"it is no regular expression ({error}): {shown(given)}") from None
        if pattern.fullmatch("", timeout=LIMIT):
            raise ValueError(f"the pattern matches an empty answer, so nothing would be right as well: {shown(given)}")
        return given

    def gold(self, row: Row) -> str | None:
        """The pattern where it is plain text, which is then the one answer; else None."""
        return row[ANSWER] if regex.escape(row[ANSWER], special_only=True) == row[ANSWER] else None

    def judge(self, completion: str, row: Row) -> Judged:
        """Right where the pattern matches what is answered."""
        line = _LINE.search(completion)
        said = read_written_answer(completion)
        tried = [*([line["answer"]] if line else []), *([said] if said else [])]  # as written, and without markup
        try:
            right = next((text for text in tried if regex.fullmatch(row[ANSWER], text, timeout=LIMIT)), None)
        except TimeoutError:
            right = None
        return Judged(right is not None, right or said or (line["answer"] if line else None))
