"""Several tasks in one run: every row knows which task it is of, and that task asks and grades it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ratchet.errors import UserError
from ratchet.tasks.base import Grade, Message, Probe, Row, Split, Task
from ratchet.tasks.mixing import by_share

TASK = "task"
"""What a row of a mixture holds beside: the name of its task."""


@dataclass(frozen=True)
class Part:
    """One task of a mixture."""

    task: Task
    share: float = 1.0
    """Of the training rows, in proportion to the others'."""


class Mixture(Task):
    """The tasks of a recipe's ``tasks``, under the names that it gives them.

    Args:
        parts: name -> task and share.
        seed: of which training rows come once more than others.
    """

    name = "mixture"

    def __init__(self, parts: Mapping[str, Part], seed: int = 42):
        self.parts, self.seed = dict(parts), seed

    @property
    def label(self) -> str:
        """The names."""
        return " + ".join(self.parts)

    @property
    def graded(self) -> bool:
        """Whether any task's answers can be judged; only those are evaluated."""
        return any(part.task.graded for part in self.parts.values())

    @property
    def slow(self) -> bool:
        """Whether any task's grading is."""
        return any(part.task.slow for part in self.parts.values())

    @property
    def own_files(self) -> Sequence[Path]:
        """Those of all tasks."""
        return [file for part in self.parts.values() for file in part.task.own_files]

    @property
    def answers(self) -> Sequence[str]:
        """The possible answers, where they are the same for all tasks."""
        found = {tuple(part.task.answers) for part in self.parts.values()}
        return found.pop() if len(found) == 1 else ()

    def load(self, split: str) -> Split:
        """Training rows by share; of other splits the rows of every task that is graded."""
        if split == "train":
            return self._mixed()
        rows, notes = [], []
        for name, part in self.parts.items():
            if part.task.graded:
                loaded = self._named(name, split)
                rows += loaded.rows
                notes += loaded.notes
        return Split(rows, notes)

    def _mixed(self) -> Split:
        loaded = {
            name: self._named(name, getattr(part.task, "train_split", "train")) for name, part in self.parts.items()
        }
        mixed = by_share(
            [split.rows for split in loaded.values()], [part.share for part in self.parts.values()], self.seed
        )
        notes = [note for split in loaded.values() for note in split.notes]
        for (name, split), rows in zip(loaded.items(), mixed, strict=True):
            again = f", of which {len(rows) - len(split.rows)} come again" if len(rows) > len(split.rows) else ""
            notes.append(f"{name}: {len(rows)} of {sum(map(len, mixed))} training rows{again}")
        return Split([row for rows in mixed for row in rows], notes)

    def _named(self, name: str, split: str) -> Split:
        """The rows of a task, with its name and ids that no other task's rows have."""
        try:
            loaded = self.parts[name].task.load(split)
        except UserError as error:
            raise UserError(f"tasks.{name}: {error}") from None
        if not loaded.rows:
            raise UserError(f"tasks.{name} has no rows for the {split} split")
        if TASK in loaded.rows[0]:
            raise UserError(f"tasks.{name}: its rows have a column {TASK}, which a mixture keeps the task's name in")
        rows = [{**row, "id": f"{name}/{row['id']}", TASK: name} for row in loaded.rows]
        return Split(rows, [f"{name}: {note}" for note in loaded.notes])

    def count(self, split: str) -> int | None:
        """Rows of all tasks, without those that come again."""
        counts = [part.task.count(split) for part in self.parts.values()]
        return None if None in counts else sum(counts)

    def of(self, row: Row) -> Task:
        """The task of a row."""
        return self.parts[row[TASK]].task

    def part(self, row: Row) -> str:
        """The name of its task."""
        return row[TASK]

    def cluster(self, row: Row) -> str | None:
        """Its task's, told from those of other tasks."""
        found = self.of(row).cluster(row)
        return None if found is None else f"{row[TASK]}/{found}"

    # As the row's task has it.

    def messages(self, row: Row) -> list[Message]:  # noqa: D102
        return self.of(row).messages(row)

    def target(self, row: Row) -> str:  # noqa: D102
        return self.of(row).target(row)

    def gold(self, row: Row) -> str | None:  # noqa: D102
        return self.of(row).gold(row)

    def grade(self, completion: str, row: Row) -> Grade:  # noqa: D102
        return self.of(row).grade(completion, row)

    def commit(self, answer: str, row: Row) -> str:  # noqa: D102
        return self.of(row).commit(answer, row)

    def dressed(self, row: Row) -> Mapping[str, str]:  # noqa: D102
        return self.of(row).dressed(row)

    def options(self, row: Row) -> Sequence[str]:  # noqa: D102
        return self.of(row).options(row)

    def probes(self, row: Row) -> Iterable[Probe]:  # noqa: D102
        return self.of(row).probes(row)
