"""What a grader of rows of one's own is: how one kind of answer is read, compared, and shown to the audit."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ratchet.tasks.base import Probe, Row

ANSWER, OPTIONS = "answer", "options"
"""What a row holds for its grader, beside the columns that it came with."""
PLACE = "{answer}"
"""Stands in ``data.form`` for the answer."""
_HASHES = re.compile(r"####[ \t]*(?P<answer>\S[^\n]*?)\s*\Z")


@dataclass(frozen=True)
class Judged:
    """What a completion is worth to a grader."""

    correct: bool
    answer: str | None
    """What it commits to; written as the row's answer where it is right."""
    span: tuple[int, int] | None = None
    """Where that stands, if it can be told."""
    components: Mapping[str, float] = field(default_factory=dict)
    """Further parts between 0 and 1."""
    why: str = ""
    """Why it is not right, where that can be told."""


class Grader(ABC):
    """Reads what a completion commits to, and compares it with the row's answer."""

    name: str
    asks: str
    """What the prompt asks for; {form} stands for an example of the last line."""
    example: str
    """An answer, to be shown in that line."""
    usual: Mapping[str, tuple[str, ...]] = {}
    """Kind of column -> its usual names, where they are not those of every grader."""
    answered = True
    """Whether every row must have an answer."""
    formed = True
    """Whether answers are given on a last line, as ``data.form`` has it."""
    said = ""
    """What should be known of how it judges, for the run's first lines."""

    @abstractmethod
    def value(self, given: Any, row: Row) -> Any:
        """A row's answer as it is kept.

        Args:
            given: what stands in its column; None where nothing does, and ``answered`` does not ask for it.

        Raises:
            ValueError: saying in words what is wrong with it.
        """

    @abstractmethod
    def gold(self, row: Row) -> str | None:
        """The row's answer, in the form of ``Grade.answer``; None where there is not the one right answer."""

    @abstractmethod
    def judge(self, completion: str, row: Row) -> Judged:
        """Read a completion, and judge it. Any text is judged; none raises."""

    def answered_with(self, row: Row) -> str | None:
        """The row's answer as it is to be imitated."""
        return self.gold(row)

    def written(self, answer: str, form: str) -> str:
        """A completion that is nothing but an answer, as the prompt asks for it."""
        return form.replace(PLACE, answer)

    def reasoning(self, given: str) -> str:
        """What an answer's column holds beside the answer, to be imitated before it; empty where that is nothing."""
        before, marked = after_hashes(given)
        return before if marked is not None else ""

    def imitated(self, completion: str) -> str:
        """A row's own completion as SFT imitates it, where answers are not given on a last line."""
        return completion

    def dressed(self, row: Row) -> Mapping[str, str]:
        """Name -> completion: the right answer in further forms."""
        gold = self.gold(row)
        if gold is None:
            return {}
        return {
            "bare": gold,
            "boxed": f"That settles it.\n\\boxed{{{gold}}}",
            "in tags": f"<think>What is it?</think>\n<answer>{gold}</answer>",
            "in a sentence": f"So the answer is {gold}.",
        }

    def probes(self, row: Row) -> Iterator[Probe]:
        """Cheap answers and hacks of this kind of answer."""
        return iter(())


def after_hashes(text: str) -> tuple[str, str | None]:
    """A text without its last line "#### answer", as GSM8K has it, and that answer.

    >>> after_hashes("2 + 2 = 4\\n#### 4"), after_hashes("4")
    (('2 + 2 = 4', '4'), ('4', None))
    """
    marked = _HASHES.search(text)
    return (text, None) if marked is None else (text[: marked.start()].rstrip(), marked["answer"])


def shown(given: Any) -> str:
    """A value in a message."""
    text = repr(given)
    return text if len(text) <= 60 else text[:57] + "..."
