"""The published Dakota rows as they are, faults and all: prompts with their gloss lines, placeholders, every type.

For auditing a reward on what it was trained on; ``ratchet.tasks.dakota.task`` cleans the same rows.
"""

from dataclasses import dataclass

from ratchet.tasks import Split, Task
from ratchet.tasks.dakota.rows import published
from ratchet.tasks.dakota.task import Dakota


@dataclass
class DakotaAsPublished(Task):
    """Columns: question, answer, required_affixes, and the published info."""

    source: str
    """The folder of grammar_tasks_*.jsonl."""

    name = "dakota_as_published"

    def __post_init__(self):
        self._grader = Dakota(source=self.source)

    def load(self, split):
        rows = [row for _, row in published(self.source, None)]
        return Split(
            [
                {
                    "id": f"row-{i}",
                    "question": row["prompt"],
                    "answer": row["answer"],
                    "required_affixes": row["info"].get("required_affixes") or [],
                    "info": row["info"],
                }
                for i, row in enumerate(rows)
            ]
        )

    def messages(self, row):
        return [{"role": "user", "content": row["question"]}]

    def target(self, row):
        return row["answer"]

    def gold(self, row):
        return row["answer"]

    def grade(self, completion, row):
        return self._grader.grade(
            completion, {"prompt": row["question"], "answer": row["answer"], "info": row["info"]}
        )
