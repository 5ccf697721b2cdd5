"""A task whose rows a table of columns would change; its grader fails on one that is not as ``load`` made it."""

from dataclasses import dataclass
from datetime import date

from ratchet.tasks import Grade, Split, Task, read_written_answer


def row(split, i):
    """Whole numbers beside fractions, columns that some rows lack, texts beside numbers, tuples, ragged dicts."""
    n = i + 1
    made = {"id": f"{split}-{i}", "n": n, "answer": n // 2 if n % 2 == 0 else n / 2, "pair": (i, "x")}
    made["tests"] = {f"case{i % 3}": 1}
    made["mixed"] = [10**25, str(i), None][i % 3]
    made["when"] = date(2026, 1, 1 + i % 28)
    if i >= 10:
        made["hint"] = "late"
    return made


@dataclass
class OddRows(Task):
    """Halves."""

    name = "odd_rows"

    def load(self, split):
        return Split([row(split, i) for i in range(40)])

    def messages(self, row):
        return [{"role": "user", "content": f"Half of {row['n']}?"}]

    def gold(self, row):
        return str(row["answer"])

    def target(self, row):
        return self.gold(row)

    def grade(self, completion, found):
        split, number = found["id"].split("-")
        expected = row(split, int(number))
        if repr(found) != repr(expected):
            raise ValueError(f"not the row that load made: {found!r} instead of {expected!r}")
        answer = read_written_answer(completion)
        return Grade(answer == self.gold(found), answer, {"format": 1.0})
