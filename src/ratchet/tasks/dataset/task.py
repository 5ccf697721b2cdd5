"""Rows of one's own, from a file, a folder or the Hub, with a grader for the kind of answer that they have.

task: dataset
data: {source: my.jsonl, prompt: question, answer: answer, grader: number}
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ratchet.errors import UserError
from ratchet.files import function_in
from ratchet.tasks.base import SPLITS, Grade, Message, Probe, Row, Split, Task, completion_text
from ratchet.tasks.dataset.columns import (
    Columns,
    as_completion,
    as_conversation,
    as_messages,
    as_options,
    columns_of,
)
from ratchet.tasks.dataset.graders import ANSWER, GRADERS, LETTERS, OPTIONS, Grader, NumberGrader, PythonGrader
from ratchet.tasks.dataset.sources import divided, places
from ratchet.tasks.loading import at_most, bad_rows_error, capped

_HASHES = re.compile(r"\s*####[^\n]*\s*\Z")
PLACE = "{answer}"


@dataclass
class Dataset(Task):
    """Rows of one's own. The fields are the keys of the recipe's ``data`` group."""

    source: str | None = None
    """A file (JSON lines, a JSON array, CSV, Parquet; .gz), a folder with train, validation and test files or one that
    ``save_to_disk`` wrote, or a data set on the Hub ("owner/name")."""
    revision: str | None = None
    """Revision of the Hub data set."""
    configuration: str | None = None
    """Configuration of the Hub data set."""
    prompt: str | None = None
    """Column of the question: a text, or messages. Without it, and the next three, the usual names are looked for."""
    answer: str | None = None
    """Column of the right answer; of a text with "####" (GSM8K) what follows it."""
    choices: str | None = None
    """Column of the options, for ``grader: choice``."""
    completion: str | None = None
    """Column of the text that SFT imitates; without one, the answer's reasoning or the answer alone."""
    grader: Literal["number", "text", "choice", "python", "none"] | None = None
    """How answers are read and compared; without it ``choice`` where there are options. ``python``: by ``function``.
    ``none``: rows to imitate (SFT), whose answers nobody checks."""
    function: str | None = None
    """"file.py:function", which says whether a completion is right: ``f(completion, row) -> bool``, with the row as it
    is in the source (``grader: python``)."""
    tolerance: float = 0.0
    """By which a number may differ (``grader: number``)."""
    form: str = "Answer: {answer}"
    """The last line that the prompt asks for."""
    instruction: str | None = None
    """Stands after every question; null: the grader's own, which asks for ``form``. May be empty."""
    system_prompt: str | None = None
    """A system message before every prompt."""
    validation_share: float = 0.1
    """Share of the rows for validation, where the source has none."""
    test_share: float = 0.1
    """Share of the rows for the test split, where the source has none."""
    group: str | None = None
    """Column of what must not be split up; without it rows with one prompt stay together."""
    train_split: Literal["train", "validation", "test"] = "train"
    """Which split is trained on."""
    max_train: int | None = None
    """At most so many training rows, drawn with ``seed``."""
    max_validation: int | None = None
    """At most so many validation rows."""
    max_test: int | None = None
    """At most so many test rows."""
    seed: int = 42
    """Of the splits and the caps."""
    bad_rows: Literal["stop", "drop"] = "stop"
    """What a row that is not as it should be does: stops the run, or is dropped and counted."""

    name = "dataset"
    paths = ("source", "function")

    def __post_init__(self) -> None:
        if not self.source:
            raise UserError("data.source is missing: name a file, a folder, or a data set on the Hub (owner/name)")
        if self.form.count(PLACE) != 1 or "\n" in self.form:
            raise UserError(f'data.form is one line with {PLACE} in it, as in "Answer: {PLACE}"; it is {self.form!r}')
        shares = self.validation_share, self.test_share
        if min(shares) < 0 or sum(shares) >= 1:
            raise UserError("data.validation_share and data.test_share must leave some rows to train on")
        if self.tolerance and self.grader != "number":
            raise UserError("data.tolerance is for grader: number")
        if (self.grader == "python") != (self.function is not None):
            raise UserError("data.function, as in mine.py:right, belongs to grader: python, and only to it")
        before, after = (re.escape(part.strip()) for part in self.form.split(PLACE))
        self._line = re.compile(rf"(?:\A|\n)[ \t]*{before}[ \t]*(?P<answer>[^\n]*?[^\s])[ \t]*{after}\s*\Z")

    @property
    def own_files(self) -> Sequence[Path]:
        """The file of ``function``."""
        return [Path(self.function.rpartition(":")[0]).expanduser()] if self.function else []

    @property
    def graded(self) -> bool:
        """Whether answers are checked."""
        return self.grader != "none"

    @property
    def label(self) -> str:
        """What the rows are called."""
        path = Path(self.source)
        return path.stem.removesuffix(".jsonl") if path.suffix else self.source

    @property
    def answers(self) -> Sequence[str]:
        """The letters of the most options, for ``grader: choice``."""
        if not self._has_options:
            return ()
        rows = (row for split in self._parts.values() for row in split)
        return tuple(LETTERS[: max((len(row[OPTIONS]) for row in rows), default=0)])

    def load(self, split: str) -> Split:
        """Rows with id, prompt (messages), answer, options, completion, and the source's own ``columns``."""
        rows = self._parts[split]
        if not rows:
            raise UserError(
                f"data.source: {self.source} leaves no rows for the {split} split; "
                + (f"raise data.{split}_share" if split != "train" else "it has too few")
            )
        return Split(capped(rows, getattr(self, f"max_{split}"), self.seed), [*self._notes])

    def count(self, split: str) -> int | None:
        """The rows of a file that is here; None of the Hub's."""
        if not Path(self.source).expanduser().exists():
            return None
        return at_most(len(self._parts[split]), getattr(self, f"max_{split}"))

    def messages(self, row: Row) -> list[Message]:
        """The row's conversation, its options and the instruction in the last message."""
        *before, last = row["prompt"]
        text = last["content"]
        if options := row.get(OPTIONS):
            text += "\n" + "\n".join(f"{letter}) {option}" for letter, option in zip(LETTERS, options, strict=False))
        if instruction := self._instruction:
            text += f"\n\n{instruction}"
        system = [{"role": "system", "content": self.system_prompt}] if self.system_prompt else []
        return [*system, *before, {**last, "content": text}]

    def target(self, row: Row) -> str:
        """The completion, and the answer in the form that is asked for where it does not end so."""
        text = row["completion"]
        if not self.graded:
            return text
        if text and self.grade(text, row).components["format"]:
            return text
        if row[ANSWER] is None:
            return text
        line = self.commit(row[ANSWER] if isinstance(row[ANSWER], str) else row[ANSWER][0], row)
        return f"{text}\n{line}" if text else line

    def gold(self, row: Row) -> str | None:
        """The answer as the grader writes it; None with ``grader: none``."""
        return self._grader.gold(row) if self.graded else None

    def commit(self, answer: str, row: Row) -> str:
        """The line that is asked for."""
        return self.form.replace(PLACE, answer)

    def grade(self, completion: str | Sequence[Message], row: Row) -> Grade:
        """By the grader; ``data.form`` is read as the plainest way to answer."""
        if not self.graded:
            return Grade(False, None)
        text = completion_text(completion)
        line = self._line.search(text)
        own = self.function is not None  # which is given what was written
        said = f"{text[: line.start()]}\nAnswer: {line['answer']}" if line and not own else text
        correct, answer, span = self._grader.judge(said, row)
        if line and said != text:
            span = None
        parts = {"correct": correct, "answered": answer is not None, "format": bool(line) and answer is not None}
        return Grade(correct, answer, {name: float(value) for name, value in parts.items()}, span)

    def options(self, row: Row) -> Sequence[str]:
        """The options' texts."""
        return row.get(OPTIONS, ())

    def dressed(self, row: Row) -> Mapping[str, str]:
        """The grader's forms."""
        return self._grader.dressed(row)

    def probes(self, row: Row) -> Iterator[Probe]:
        """The grader's cheap answers and hacks."""
        return self._grader.probes(row)

    # Reading.

    @cached_property
    def _raw(self) -> dict[str, list[tuple[str, Any]]]:
        """Split of the source -> its rows as they are, each with its place."""
        return {split: [*rows] for split, rows in places(self.source, self.revision, self.configuration).items()}

    @cached_property
    def _columns(self) -> Columns:
        place, first = next(iter(self._raw["train"]), (self.source, None))
        if not isinstance(first, Mapping):
            why = "it is empty" if first is None else f"{place} is no row of columns"
            raise UserError(f"data.source: {self.source} has no rows: {why}")
        named = {kind: getattr(self, kind) for kind in ("prompt", "answer", "choices", "completion")}
        found = columns_of(first, named, place, answered=self.graded and self.function is None)
        if self.grader == "choice" and found.choices is None:
            raise UserError("data.choices: name the column of the options, which grader: choice needs")
        return found

    @property
    def _has_options(self) -> bool:
        return self.grader == "choice" or (self.grader is None and self._columns.choices is not None)

    @cached_property
    def _grader(self) -> Grader:
        if self._has_options:
            return GRADERS["choice"]()
        if self.function is not None:
            return PythonGrader(function_in(self.function, "data.function"))
        if self.grader is None:
            raise UserError("data.grader: say what kind of answer it is: number, text or choice (none for SFT)")
        return NumberGrader(self.tolerance) if self.grader == "number" else GRADERS[self.grader]()

    @property
    def _instruction(self) -> str:
        if self.instruction is not None or not self.graded:
            return self.instruction or ""
        return self._grader.asks.format(form=self.form.replace(PLACE, self._grader.example))

    @cached_property
    def _loaded(self) -> tuple[dict[str, list[Row]], list[str]]:
        notes, bad, seen = [f"columns: {self._columns}"], [], 0
        if self.graded:
            self._grader  # noqa: B018 (says what is wrong with it, before rows are read)
        parts: dict[str, list[Row]] = {split: [] for split in SPLITS}
        for split, rows in self._raw.items():
            for number, (place, raw) in enumerate(rows):
                seen += 1
                try:
                    parts[split].append({"id": f"{split}-{number}", **self._row(raw)})
                except ValueError as error:
                    bad.append(f"{place}: {error}")
        if bad and self.bad_rows == "stop":
            raise bad_rows_error(bad, f"{seen} rows")
        if bad:
            notes.append(f"dropped {len(bad)} of {seen} rows, the first: {bad[0]}")
        parts, more = _without_repeats(parts)
        return self._split(parts, notes + more)

    def _split(self, parts: dict[str, list[Row]], notes: list[str]) -> tuple[dict[str, list[Row]], list[str]]:
        """Held-out rows taken from the training rows, for the splits that the source does not have."""
        shares = {split: getattr(self, f"{split}_share") for split in ("validation", "test") if split not in self._raw}
        shares = {split: share for split, share in shares.items() if share}
        if shares:
            made = divided(parts["train"], shares, self._group, self.seed)
            parts = {**parts, "train": made["train"], **{split: made[split] for split in shares}}
            counts = ", ".join(f"{len(parts[split])} {split}" for split in SPLITS)
            notes = [*notes, f"split into {counts} rows (seed {self.seed})"]
        return parts, notes

    def _group(self, row: Row) -> str:
        return str(row["columns"].get(self.group)) if self.group else _asked(row)

    @property
    def _parts(self) -> dict[str, list[Row]]:
        return self._loaded[0]

    @property
    def _notes(self) -> list[str]:
        return self._loaded[1]

    def _row(self, raw: Any) -> Row:
        """A checked row.

        Raises:
            ValueError: saying what is wrong, and in which column.
        """
        if isinstance(raw, ValueError):
            raise raw
        if not isinstance(raw, Mapping):
            raise ValueError(f"a row is a mapping of columns; it is a {type(raw).__name__}")
        columns = self._columns
        if self.group and self.group not in raw:
            raise ValueError(f"it has no column {self.group}")
        row: Row = {}
        if columns.messages is not None:
            row["prompt"], row["completion"] = _in(raw, columns.messages, as_conversation)
        else:
            row["prompt"], row["completion"] = _in(raw, columns.prompt, as_messages), self._completion(raw)
        if self._has_options:
            row[OPTIONS] = _in(raw, columns.choices, as_options)
        row[ANSWER] = None
        if self.graded:
            known = columns.answer is not None or self.function is None
            row[ANSWER] = _in(raw, columns.answer, lambda given: self._grader.value(given, row)) if known else None
        elif not row["completion"]:
            raise ValueError("it has nothing to imitate; name its column with data.completion")
        return {**row, "columns": dict(raw)}

    def _completion(self, raw: Mapping[str, Any]) -> str:
        columns = self._columns
        if columns.completion is not None and raw.get(columns.completion) is not None:
            return _in(raw, columns.completion, as_completion)
        given = raw.get(columns.answer)
        return _HASHES.sub("", given) if isinstance(given, str) and "####" in given else ""


def _in(raw: Mapping[str, Any], column: str, take: Callable[[Any], Any]) -> Any:
    if raw.get(column) is None:
        raise ValueError(f"column {column} is {'empty' if column in raw else 'not there'}")
    try:
        return take(raw[column])
    except ValueError as error:
        raise ValueError(f"column {column}: {error}") from None


def _asked(row: Row) -> str:
    """What a row asks, as it is compared."""
    texts = [*(message["content"] for message in row["prompt"]), *row.get(OPTIONS, ())]
    return " ".join(" ".join(texts).casefold().split())


def _known_by(row: Row) -> str:
    """What makes a row the same as another: what it asks; where nobody checks the answer, what it answers too."""
    return f"{_asked(row)}\n{row['completion'] if row[ANSWER] is None else ''}"


def _without_repeats(parts: dict[str, list[Row]]) -> tuple[dict[str, list[Row]], list[str]]:
    """Each prompt once, where its answers are one; held-out rows first, so that none of them is trained on."""
    answers: dict[str, set[str]] = {}
    for part in parts.values():
        for row in part:
            answers.setdefault(_known_by(row), set()).add(str(row[ANSWER]))
    seen: set[str] = set()
    kept: dict[str, list[Row]] = {}
    repeated = contradicted = 0
    for split in reversed(SPLITS):
        kept[split] = []
        for row in parts[split]:
            asked = _known_by(row)
            if len(answers[asked]) > 1:
                contradicted += 1
            elif asked in seen:
                repeated += 1
            else:
                seen.add(asked)
                kept[split].append(row)
    notes = [f"removed {repeated} rows whose prompt is there already, held-out rows first"] if repeated else []
    notes += [f"removed {contradicted} rows whose prompt is there with another answer"] if contradicted else []
    return {split: kept[split] for split in SPLITS}, notes
