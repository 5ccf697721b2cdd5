"""Answers that are numbers."""

from collections.abc import Iterator, Mapping
from typing import Any

from ratchet.tasks.answers.number import Number, parse_number, read_number, same_number
from ratchet.tasks.base import Probe, Row
from ratchet.tasks.dataset.graders.base import ANSWER, Grader, Judged, after_hashes, shown


class NumberGrader(Grader):
    """A number, as ``tasks.answers.number`` reads and compares it."""

    name, example = "number", "42"
    asks = 'Work it out step by step. Then write the number on a last line of its own, as in "{form}".'

    def __init__(self, tolerance: float = 0.0):
        self.tolerance = tolerance

    def value(self, given: Any, row: Row) -> str:
        """The number as written; of a text with "####" (GSM8K) what follows it."""
        if isinstance(given, bool) or not isinstance(given, (int, float, str)):
            raise ValueError(f"a number is wanted, and it is {shown(given)}")
        text = str(given).strip()
        text = after_hashes(text)[1] or text
        if parse_number(text) is None:
            raise ValueError(f"it holds no number that can be told: {shown(given)}")
        return text

    def gold(self, row: Row) -> str:
        """The number in digits, with its unit."""
        return str(self._gold(row))

    def answered_with(self, row: Row) -> str:
        """The number as it was written."""
        return row[ANSWER]

    def judge(self, completion: str, row: Row) -> Judged:
        """Right where it is the same number; then its answer is written as the row's."""
        found, gold = read_number(completion), self._gold(row)
        if found is None:
            return Judged(False, None)
        correct = same_number(found, gold, self.tolerance)
        return Judged(correct, str(gold if correct else found))

    def dressed(self, row: Row) -> Mapping[str, str]:
        """The usual forms, with a unit where the row has none, and with thousands marked."""
        found, gold = {**super().dressed(row)}, self._gold(row)
        if not gold.unit:
            found["with a unit"] = f"Answer: {gold} pieces"
            found["as money"] = f"The answer is ${gold}."
        shown = str(gold.value)
        if shown.lstrip("-").isdigit() and len(shown) > 4:
            found["with thousands marked"] = f"Answer: {int(shown):,}"
        return found

    def probes(self, row: Row) -> Iterator[Probe]:
        """Numbers of the question, and several numbers at a time."""
        gold = self._gold(row)
        yield Probe("a calculation, not its result", "hack", f"Answer: {gold} + 1")
        yield Probe("a range", "hack", f"Answer: between {gold} and 10000000")

    @staticmethod
    def _gold(row: Row) -> Number:
        return parse_number(row[ANSWER]) or Number(row[ANSWER], "")
