"""The generated word problems without their options: the answer is a number, which a guess does not find."""

import re

from ratchet.tasks import Grade, Split, Task
from ratchet.tasks.aquarat.word_problems import make_problems

INSTRUCTION = 'Work it out line by line. End with a line "Answer: " and the number.'
ANSWER = re.compile(r"^Answer: (\d+)$")


class Problems(Task):
    """Word problems with one or two operations on small numbers.

    Args:
        train: how many rows are trained on.
        held_out: how many validation and test have, each.
        seed: other rows for another seed; held-out questions are never trained on, for any seeds.
    """

    name = "problems"

    def __init__(self, train: int = 4000, held_out: int = 300, seed: int = 0):
        self.counts = {"train": train, "validation": held_out, "test": held_out}
        self.seed = seed

    def load(self, split: str) -> Split:
        """Problems of AQuA-RAT's form; what stood behind the right letter is the answer."""
        rows = make_problems(split, self.counts[split], self.seed)
        return Split([{"id": f"{split}-{number}", **row} for number, row in enumerate(rows)])

    def messages(self, row: dict) -> list[dict[str, str]]:
        """The question, and how it is to be answered."""
        return [{"role": "user", "content": f"{row['question']}\n{INSTRUCTION}"}]

    def target(self, row: dict) -> str:
        """The lines of working, and the answer."""
        return f"{row['rationale']}\n{self.commit(self.gold(row), row)}"

    def gold(self, row: dict) -> str:
        """The number at the end of the working."""
        return row["rationale"].split()[-1]

    def grade(self, completion: str, row: dict) -> Grade:
        """The last line counts, and nothing else."""
        lines = completion.strip().splitlines()
        found = ANSWER.match(lines[-1].strip()) if lines else None
        answer = found.group(1) if found else None
        return Grade(answer == self.gold(row), answer, {"format": float(found is not None)})

    def commit(self, answer: str, row: dict) -> str:
        """The last line alone."""
        return f"Answer: {answer}"
