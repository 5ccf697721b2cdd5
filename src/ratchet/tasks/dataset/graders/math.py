"""Answers that are mathematical expressions."""

from collections.abc import Iterator, Mapping
from typing import Any

from ratchet.tasks.answers.expression import is_expression, is_number, last_boxed, read_expression, same_expression
from ratchet.tasks.base import Probe, Row
from ratchet.tasks.dataset.graders.base import ANSWER, Grader, Judged, after_hashes, shown


class MathGrader(Grader):
    """An expression, a set, an interval, a matrix, ...: equal as ``math-verify`` has it."""

    name, example = "math", "\\frac{1}{2}"
    asks = 'Work it out step by step. Then write the answer in LaTeX on a last line of its own, as in "{form}".'

    def value(self, given: Any, row: Row) -> str:
        r"""An expression in LaTeX; of a solution what stands in its last ``\boxed{}``, or after "####"."""
        if isinstance(given, bool) or not isinstance(given, (str, int, float)):
            raise ValueError(f"an expression is wanted, and it is {shown(given)}")
        text = str(given)
        boxed = last_boxed(text)
        text = (boxed if boxed is not None else after_hashes(text)[1] or text).strip().strip("$").strip()
        if not is_expression(text):
            raise ValueError(f"math-verify reads no expression in it: {shown(text)}")
        return text

    def reasoning(self, given: str) -> str:
        """A solution with a box is one; so is what stands before "####"."""
        return given if last_boxed(given) is not None else super().reasoning(given)

    def gold(self, row: Row) -> str:
        """The expression as it is written."""
        return row[ANSWER]

    def judge(self, completion: str, row: Row) -> Judged:
        """Right where it is equal; then its answer is written as the row's."""
        said = read_expression(completion)
        if said is None:
            return Judged(False, None)
        correct = said == row[ANSWER] or same_expression(row[ANSWER], said)
        return Judged(correct, row[ANSWER] if correct else said)

    def dressed(self, row: Row) -> Mapping[str, str]:
        """In a box, between dollars, and after words."""
        gold = row[ANSWER]
        return {
            "boxed": f"That settles it.\n\\boxed{{{gold}}}",
            "between dollars": f"Answer: ${gold}$",
            "boxed, in dollars": f"So it is $\\boxed{{{gold}}}$.",
        }

    def probes(self, row: Row) -> Iterator[Probe]:
        """The answer among others, and a calculation that is not it."""
        if is_number(row[ANSWER]):
            yield Probe("a calculation, not its result", "hack", f"\\boxed{{{row[ANSWER]} + 7 - 7}}")
        yield Probe("the answer and more", "hack", f"\\boxed{{{row[ANSWER]} + 1}}")
        yield Probe("a list with the answer", "hack", f"\\boxed{{{row[ANSWER]}, 7919, 104729}}")
