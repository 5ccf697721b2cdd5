"""What a task is: rows, the messages shown for a row, and one grade for any answer of a model.

Everything that judges a completion (reward, evaluation, audit) calls ``Task.grade``, so they cannot disagree. A task
of your own is one file with one subclass; see "Bring your own task" in the README.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

SPLITS = ("train", "validation", "test")
Row = dict[str, Any]
Message = dict[str, str]


@dataclass(frozen=True)
class Grade:
    """What a completion is worth."""

    correct: bool
    """Whether the answer is right."""
    answer: str | None
    """The committed answer, normalised; None where there is none."""
    components: Mapping[str, float] = field(default_factory=dict)
    """Named parts between 0 and 1 that rewards can be built from."""
    span: tuple[int, int] | None = None
    """Where the committed answer stands in the completion's text (start, end), if the task can tell."""
    why: str = ""
    """Why the answer is not right, in few words, where that is more than "another one"; for the audit's findings."""


@dataclass
class Split:
    """The rows of one split, and what happened to them on the way."""

    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    """One sentence each: rows dropped, marked, or removed, with counts."""


class Probe(NamedTuple):
    """A completion that a task's own knowledge says the audit should try."""

    name: str
    kind: Literal["ignorant", "gold", "hack"]
    """Whether it needs no knowledge, holds the right answer honestly, or tries to be paid without it."""
    text: str


class Task(ABC):
    """One thing to learn. The parameters of ``__init__`` are the keys of the recipe's ``data`` group."""

    name: ClassVar[str]
    answers: ClassVar[Sequence[str]] = ()
    """The possible answers where there are finitely many: they give the chance and majority baselines."""

    paths: ClassVar[Sequence[str]] = ("source",)
    """Keys of ``data`` that may name a file or a folder, which is also looked for beside the recipe."""
    own_files: ClassVar[Sequence[Path]] = ()
    """Python files of the user's own that it calls, beside the one that it is defined in."""
    graded: ClassVar[bool] = True
    """Whether answers can be judged at all; where they cannot, rows are only imitated, and no accuracy is measured."""

    slow: ClassVar[bool] = False
    """Whether grading may take long, so that worker processes are worth it."""

    @property
    def label(self) -> str:
        """What a figure is measured on, for a reader: the name, and the source where the name alone would mislead."""
        return self.name

    @abstractmethod
    def load(self, split: str) -> Split:
        """Return the rows of "train", "validation" or "test". Every row has an "id" of its own."""

    @abstractmethod
    def messages(self, row: Row) -> list[Message]:
        """The conversation that asks the row's question, without an answer."""

    @abstractmethod
    def target(self, row: Row) -> str:
        """The completion that supervised fine-tuning imitates; empty where nobody has written one."""

    @abstractmethod
    def gold(self, row: Row) -> str | None:
        """The right answer, in the form of ``Grade.answer``; None where ``grade`` verifies any."""

    @abstractmethod
    def grade(self, completion: str, row: Row) -> Grade:
        """Judge a completion. Pure, total and fast: any text gives a grade, never an exception."""

    def count(self, split: str) -> int | None:
        """About how many rows a split has, where that can be told at once and without a network; for estimates."""
        return None

    def cluster(self, row: Row) -> str | None:
        """The group of rows whose answers hang together (forms of one stem, questions on one text).

        Intervals are then over groups, which are fewer than rows. None where the row stands for itself.
        """
        return None

    def part(self, row: Row) -> str | None:
        """Of a mixture the name of the task that a row is of; figures are then also kept for each."""
        return None

    # What the audit also asks of a task; each has a default that suits any task.

    def commit(self, answer: str, row: Row) -> str:
        """A completion that is nothing but ``answer``, given the way the prompt asks for it."""
        return answer

    def dressed(self, row: Row) -> Mapping[str, str]:
        """Name -> completion: the right answer in further forms that ``grade`` accepts."""
        return {}

    def options(self, row: Row) -> Sequence[str]:
        """The texts of the row's options, one for each of ``answers``; none where the row offers none."""
        return ()

    def probes(self, row: Row) -> Iterable[Probe]:
        """Completions that only make sense for this task: cheap answers, and ways to cheat."""
        return ()


def completion_text(completion: str | Sequence[Message]) -> str:
    """The text of a completion, which TRL passes as a string or as a list of messages; anything else has none.

    >>> completion_text([{"role": "assistant", "content": "Answer: C"}])
    'Answer: C'
    """
    if isinstance(completion, str):
        return completion
    if not isinstance(completion, Sequence):
        return ""
    texts: list[str] = []
    for message in completion:
        # what the user and the tools say is no part of the answer
        if isinstance(message, Mapping) and message.get("role", "assistant") == "assistant":
            texts += _content_texts(message.get("content"))
    return "\n".join(texts)


def _content_texts(content: Any) -> list[str]:
    """The texts of a message's content: a string, or a list of strings and of parts such as ``{"text": ...}``."""
    if isinstance(content, str):
        return [content]
    if not isinstance(content, Sequence):
        return []
    parts = [part.get("text") if isinstance(part, Mapping) else part for part in content]
    return [part for part in parts if isinstance(part, str)]
