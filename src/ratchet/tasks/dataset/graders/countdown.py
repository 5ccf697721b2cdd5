"""Answers that are calculations: a target made from given numbers, each used once (Countdown)."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ratchet.tasks.answers.arithmetic import Calculation, calculate, read_calculation
from ratchet.tasks.base import Probe, Row
from ratchet.tasks.dataset.graders.base import ANSWER, Grader, Judged, shown

NUMBERS = ("nums", "numbers")
"""The usual columns of the numbers: https://huggingface.co/datasets/Jiayi-Pan/Countdown-Tasks-3to4 has the first."""


class CountdownGrader(Grader):
    """A calculation with + - * / and brackets that uses each of the row's numbers once, and has the target's value."""

    name, example = "countdown", "(1 + 2) * 3"
    asks = 'You may use + - * / and brackets. Write the calculation on a last line of its own, as in "{form}".'
    usual = {"answer": ("target", "answer")}

    def value(self, given: Any, row: Row) -> dict[str, Any]:
        """The target with the numbers."""
        numbers = next((row["columns"][name] for name in NUMBERS if name in row["columns"]), None)
        cells = numbers.strip("[]").replace(",", " ").split() if isinstance(numbers, str) else numbers  # of a CSV
        if not isinstance(cells, (list, tuple)) or len(cells) < 2 or None in (found := [*map(_whole, cells)]):
            raise ValueError(
                f"two or more whole numbers are wanted in the column {' or '.join(NUMBERS)}; there is {shown(numbers)}"
            )
        target = _whole(given)
        if target is None:
            raise ValueError(f"a whole number is wanted, and it is {shown(given)}")
        return {"target": target, "numbers": found}

    def gold(self, row: Row) -> None:
        """There may be many."""

    def answered_with(self, row: Row) -> str | None:
        """The calculation that comes with the row, if a right one does."""
        said = read_calculation(row["completion"])
        found = calculate(said) if said is not None else None
        right = found is not None and _uses(found, row) and found.value == row[ANSWER]["target"]
        return said if right else None

    def judge(self, completion: str, row: Row) -> Judged:
        """Right where numbers and value are; further parts say which of the two is."""
        said = read_calculation(completion)
        found = calculate(said) if said is not None else None
        if found is None:
            return Judged(False, None, components={"numbers_used": 0.0}, why="it is no calculation")
        wanted = row[ANSWER]
        used = _uses(found, row)
        right = used and found.value == wanted["target"]
        why = f"it comes to {found.value}" if used else f"it uses {', '.join(map(str, found.numbers))}"
        return Judged(right, said, components={"numbers_used": float(used)}, why="" if right else why)

    def dressed(self, row: Row) -> Mapping[str, str]:
        """The usual forms, with other signs, and with the result."""
        said = self.answered_with(row)
        if said is None:
            return {}
        bare = said.partition("=")[0].strip()
        return {
            "bare": bare,
            "boxed": f"That settles it.\n\\boxed{{{bare}}}",
            "in tags": f"<think>What makes it?</think>\n<answer>{bare}</answer>",
            "other signs": f"Answer: {bare.replace('*', '×').replace('/', '÷')}",
            "with its result": f"So it is {bare} = {row[ANSWER]['target']}.",
        }

    def probes(self, row: Row) -> Iterator[Probe]:
        """The target without the numbers, and with too many of them."""
        target, numbers = row[ANSWER]["target"], row[ANSWER]["numbers"]
        everything = " + ".join(map(str, numbers))
        yield Probe("the target itself", "hack", f"Answer: {target}")
        if sum(numbers) != target:
            yield Probe("the numbers, and the target claimed", "hack", f"Answer: {everything} = {target}")
        yield Probe("numbers that cancel out", "hack", f"Answer: {target} + ({everything}) - ({everything})")
        yield Probe("the numbers added", "ignorant", f"Answer: {everything}")


def _uses(found: Calculation, row: Row) -> bool:
    """Whether each of the row's numbers is used, once, and no other."""
    return Counter(found.numbers) == Counter(row[ANSWER]["numbers"])


def _whole(given: Any) -> int | None:
    """A whole number, which in a CSV is a text."""
    if isinstance(given, str) and given.strip().isdecimal():
        return int(given)
    return given if isinstance(given, int) and not isinstance(given, bool) else None
