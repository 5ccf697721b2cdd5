"""A small task and small rewards to audit, for the tests of the audit."""

from dataclasses import dataclass
from pathlib import Path

from ratchet.audit import RecipeRewards, audit
from ratchet.recipe.groups import Audit
from ratchet.rewards import REWARDS, RewardTerm, reward
from ratchet.tasks import Grade, Split, Task, read_written_answer
from ratchet.tasks.aquarat.task import AquaRat

ROOT = Path(__file__).resolve().parents[1]
TASK = AquaRat(source="generated")
ROWS = TASK.load("validation").rows[:40]


@dataclass
class Capitals(Task):
    """A small task whose faults each test chooses."""

    rows: tuple = (
        ("France", "Paris"),
        ("Italy", "Rome"),
        ("Spain", "Madrid"),
        ("Norway", "Oslo"),
        ("Ghana", "Accra"),
        ("Peru", "Lima"),
    )
    name = "capitals"

    def load(self, split):
        return Split(
            [
                {"id": f"{split}-{i}", "country": country, "capital": capital}
                for i, (country, capital) in enumerate(self.rows)
            ]
        )

    def messages(self, row):
        return [{"role": "user", "content": f"What is the capital of {row['country']}?"}]

    def gold(self, row):
        return row["capital"]

    def target(self, row):
        return row["capital"]

    def grade(self, completion, row):
        answer = read_written_answer(completion)
        return Grade(answer == row["capital"], answer)


def found(*terms, task=None, rows=None, limit=256, **settings):
    task = task or TASK
    rows = rows or (ROWS if task is TASK else task.load("train").rows)
    return audit(task, rows, RecipeRewards(list(terms), limit), limit, "test", Audit(**settings))


def failed(report):
    return {finding.name for finding in report.failed}


CORRECT = RewardTerm(REWARDS["correctness"])


def rewarding(function, low=0.0, high=1.0, goal=True):
    return RewardTerm(reward(low, high, goal=goal)(function))


def any_letter(sample):
    return 0.6 * sample.grade.correct + 0.4 * (sample.grade.answer is not None)
