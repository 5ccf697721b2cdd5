"""Rows of one's own, from a file, a folder or the Hub, with a grader for the kind of answer that they have.

task: dataset
data: {source: my.jsonl, prompt: question, answer: answer, grader: number}
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ratchet.errors import UserError
from ratchet.files import function_in
from ratchet.sandbox import Sandbox
from ratchet.tasks.base import SPLITS, Grade, Message, Probe, Row, Split, Task, completion_text
from ratchet.tasks.dataset import graders
from ratchet.tasks.dataset.columns import (
    USUAL,
    Columns,
    as_completion,
    as_conversation,
    as_messages,
    as_options,
    columns_of,
    condition,
    is_template,
    taken,
)
from ratchet.tasks.dataset.graders import ANSWER, LETTERS, OPTIONS, PLACE, Grader
from ratchet.tasks.dataset.sources import is_function, places
from ratchet.tasks.dataset.splits import asked, divided, turns, without_repeats
from ratchet.tasks.loading import at_most, bad_rows_error, capped
from ratchet.tasks.mixing import by_share

MAKERS: Mapping[str, Callable[["Dataset"], Grader]] = {
    "number": lambda task: graders.NumberGrader(task.tolerance),
    "text": lambda task: graders.TextGrader(),
    "choice": lambda task: graders.ChoiceGrader(),
    "math": lambda task: graders.MathGrader(),
    "regex": lambda task: graders.RegexGrader(task.pattern),
    "json": lambda task: graders.JsonGrader(task.schema),
    "code": lambda task: graders.CodeGrader(task.sandbox, task.entry, task.harness),
    "countdown": lambda task: graders.CountdownGrader(),
    "python": lambda task: graders.PythonGrader(function_in(task.function, "data.function")),
}
BELONGS = {
    "tolerance": "number",
    "function": "python",
    "pattern": "regex",
    "schema": "json",
    "entry": "code",
    "harness": "code",
}
"""Keys that are for one grader."""
SOURCE = "source"
"""What a row holds beside: the number of its source."""


@dataclass
class Dataset(Task):
    """Rows of one's own. The fields are the keys of the recipe's ``data`` group."""

    source: str | list[str] | None = None
    """A file (JSON lines, a JSON array, CSV, Parquet; .gz), a folder with train, validation and test files or one that
    ``save_to_disk`` wrote, a data set on the Hub ("owner/name"), a function that makes rows ("file.py:function",
    called with the split's name), or a list of these."""
    weights: list[float] | None = None
    """Shares of several sources among the training rows; without them each row of each is taken once."""
    revision: str | None = None
    """Revision of the Hub data set."""
    configuration: str | None = None
    """Configuration of the Hub data set."""
    prompt: str | None = None
    """Column of the question: a text, or messages; or a Jinja template over all columns ("{{ a }} + {{ b }}?"), as the
    next three may be. Without one the usual names are looked for."""
    answer: str | None = None
    """Column of the right answer; of a text with "####" (GSM8K) what follows it."""
    choices: str | None = None
    """Column of the options, for ``grader: choice``."""
    completion: str | None = None
    """Column of the text that SFT imitates; without one, the answer's reasoning or the answer alone."""
    turns: Literal["all", "last"] = "all"
    """Of conversations (a column of messages): whether each of the assistant's turns is imitated, or the last."""
    where: str | None = None
    """An expression over the columns, in Jinja's language; rows for which it is false are left out."""
    grader: (
        Literal["number", "text", "choice", "math", "regex", "json", "code", "countdown", "python", "none"] | None
    ) = None
    """How answers are read and compared; without it ``choice`` where there are options. ``none``: rows to imitate
    (SFT), whose answers nobody checks."""
    tolerance: float = 0.0
    """By which a number may differ (``grader: number``)."""
    function: str | None = None
    """"file.py:function", which says whether a completion is right: ``f(completion, row) -> bool``, with the row as it
    is in the source (``grader: python``)."""
    pattern: str | None = None
    """A regular expression for the answers of all rows (``grader: regex``); without it each row has its own."""
    schema: str | None = None
    """File of a JSON schema (``grader: json``)."""
    entry: str | None = None
    """Column that names the function which ``check(candidate)`` is given (``grader: code``); else "entry_point"."""
    harness: str | None = None
    """File of Python code that comes before each row's tests, and may hold all of them (``grader: code``)."""
    sandbox: Sandbox = field(default_factory=Sandbox)
    """How programs are confined (``grader: code``)."""
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
    paths = ("source", "function", "schema", "harness")

    def __post_init__(self) -> None:
        if not self.source:
            raise UserError("data.source is missing: name a file, a folder, or a data set on the Hub (owner/name)")
        if self.form.count(PLACE) != 1 or "\n" in self.form:
            raise UserError(f'data.form is one line with {PLACE} in it, as in "Answer: {PLACE}"; it is {self.form!r}')
        shares = self.validation_share, self.test_share
        if min(shares) < 0 or sum(shares) >= 1:
            raise UserError("data.validation_share and data.test_share must leave some rows to train on")
        for key, grader in BELONGS.items():
            if getattr(self, key) and self.grader != grader:
                raise UserError(f"data.{key} is for grader: {grader}")
        if self.grader == "python" and self.function is None:
            raise UserError("data.function is missing: name one, as in mine.py:right, for grader: python")
        if self.sandbox != Sandbox() and self.grader != "code":
            raise UserError("data.sandbox is for grader: code")
        if self.weights is not None and len(self.sources) == 1:
            raise UserError("data.weights is for several sources; data.source names one")
        if self.weights is not None and (len(self.weights) != len(self.sources) or min(self.weights) <= 0):
            raise UserError(
                f"data.weights wants a number greater than 0 for each source; there are {len(self.sources)} sources"
            )
        before, after = (re.escape(part.strip()) for part in self.form.split(PLACE))
        self._line = re.compile(rf"(?:\A|\n)[ \t]*{before}[ \t]*(?P<answer>[^\n]*?[^\s])[ \t]*{after}\s*\Z")

    @property
    def sources(self) -> Sequence[str]:
        """Where rows come from."""
        return [self.source] if isinstance(self.source, str) else self.source

    @property
    def own_files(self) -> Sequence[Path]:
        """The files of ``function``, ``harness``, ``schema`` and of sources that are functions."""
        named = [self.function, self.harness, self.schema, *filter(is_function, self.sources)]
        return [Path(name.rpartition(":")[0] if ".py:" in name else name).expanduser() for name in named if name]

    @property
    def slow(self) -> bool:
        """Whether answers are judged by another program."""
        return self.grader in ("math", "code")

    @property
    def graded(self) -> bool:
        """Whether answers are checked."""
        return self.grader != "none"

    @property
    def label(self) -> str:
        """What the rows are called."""
        return " and ".join(map(_name, self.sources))

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
            why = f"raise data.{split}_share" if split != "train" else "it has too few"
            raise UserError(
                f"data.source: {self.label} leaves no rows for the {split} split; {why}. {'. '.join(self._notes)}"
            )
        return Split(capped(rows, getattr(self, f"max_{split}"), self.seed), [*self._notes])

    def count(self, split: str) -> int | None:
        """The rows of a file that is here; None of the Hub's."""
        if not all(is_function(source) or Path(source).expanduser().exists() for source in self.sources):
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
        if text and not self._grader.formed:
            return self._grader.imitated(text)
        if self._line.search(text) and self.grade(text, row).components["format"]:
            return text
        gold = self._grader.answered_with(row)
        if gold is None:
            return text
        line = self.commit(gold, row)
        return f"{text}\n{line}" if text else line

    def gold(self, row: Row) -> str | None:
        """The answer as the grader writes it; None with ``grader: none``."""
        return self._grader.gold(row) if self.graded else None

    def commit(self, answer: str, row: Row) -> str:
        """The line that is asked for."""
        return self._grader.written(answer, self.form) if self.graded else answer

    def grade(self, completion: str | Sequence[Message], row: Row) -> Grade:
        """By the grader; ``data.form`` is read as the plainest way to answer."""
        if not self.graded:
            return Grade(False, None)
        text = completion_text(completion)
        line = self._line.search(text) if self._grader.formed else None
        said = f"{text[: line.start()]}\nAnswer: {line['answer']}" if line else text
        found = self._grader.judge(said, row)
        answered = found.answer is not None
        parts = {"correct": found.correct, "answered": answered, "format": bool(line) and answered, **found.components}
        span = found.span if said == text else None
        return Grade(found.correct, found.answer, {n: float(value) for n, value in parts.items()}, span, found.why)

    def options(self, row: Row) -> Sequence[str]:
        """The options' texts."""
        return row.get(OPTIONS, ())

    def dressed(self, row: Row) -> Mapping[str, str]:
        """The grader's forms."""
        return self._grader.dressed(row) if self.graded else {}

    def probes(self, row: Row) -> Iterator[Probe]:
        """The grader's cheap answers and hacks."""
        return self._grader.probes(row) if self.graded else iter(())

    # Reading.

    @cached_property
    def _raw(self) -> list[dict[str, list[tuple[str, Any]]]]:
        """For each source, its splits with their rows as they are, each with its place."""
        found = (places(source, self.revision, self.configuration) for source in self.sources)
        return [{split: [*rows] for split, rows in one.items()} for one in found]

    @cached_property
    def _columns(self) -> list[Columns]:
        """Of each source."""
        return [self._columns_of(source, parts) for source, parts in zip(self.sources, self._raw, strict=True)]

    def _columns_of(self, source: str, parts: Mapping[str, Sequence[tuple[str, Any]]]) -> Columns:
        place, first = next(iter(parts["train"]), (source, None))
        if not isinstance(first, Mapping):
            why = "it is empty" if first is None else f"{place} is no row of columns"
            raise UserError(f"data.source: {source} has no rows: {why}")
        named = {kind: getattr(self, kind) for kind in ("prompt", "answer", "choices", "completion")}
        own = self._grader if self.grader and self.graded else None
        usual = {**USUAL, **(own.usual if own else {})}
        found = columns_of(first, named, place, own.answered if own else self.graded, usual)
        if self.grader == "choice" and found.choices is None:
            raise UserError("data.choices: name the column of the options, which grader: choice needs")
        return found

    @property
    def _has_options(self) -> bool:
        return self.grader == "choice" or (self.grader is None and all(one.choices for one in self._columns))

    @cached_property
    def _grader(self) -> Grader:
        if self.grader is not None:
            return MAKERS[self.grader](self)
        if self._has_options:
            return graders.ChoiceGrader()
        raise UserError(f"data.grader: say what kind of answer it is: {', '.join(MAKERS)} (none for SFT)")

    @property
    def _instruction(self) -> str:
        if self.instruction is not None or not self.graded:
            return self.instruction or ""
        return self._grader.asks.replace("{form}", self.form.replace(PLACE, self._grader.example))

    @cached_property
    def _loaded(self) -> tuple[dict[str, list[Row]], list[str]]:
        notes, bad, seen, left_out = [f"columns: {_said(self._columns)}"], [], 0, 0
        if self.graded and self._grader.said:  # which also says what is wrong with it, before rows are read
            notes.append(self._grader.said)
        wanted = condition(self.where) if self.where else lambda raw: True
        parts: dict[str, list[Row]] = {split: [] for split in SPLITS}
        for number, (columns, splits) in enumerate(zip(self._columns, self._raw, strict=True)):
            for split, place, raw in ((split, *one) for split, rows in splits.items() for one in rows):
                seen += 1
                try:
                    row = self._row(raw, columns, wanted)
                except ValueError as error:
                    bad.append((place, str(error)))
                    continue
                left_out += row is None
                if row is not None:
                    parts[split].append({"id": f"{split}-{len(parts[split])}", SOURCE: number, **row})
        if bad and self.bad_rows == "stop":
            raise bad_rows_error(_each_fault(bad), f"{seen} rows", len(bad))
        if bad:
            notes.append(f"dropped {len(bad)} of {seen} rows, the first: {': '.join(bad[0])}")
        if left_out:
            notes.append(f"left out {left_out} of {seen} rows, for which data.where is false")
        parts, more = without_repeats(parts)
        return self._finished(*self._split(parts, notes + more))

    def _split(self, parts: dict[str, list[Row]], notes: list[str]) -> tuple[dict[str, list[Row]], list[str]]:
        """Held-out rows taken from the training rows, for the splits that no source has."""
        there = {split for splits in self._raw for split in splits}
        shares = {split: getattr(self, f"{split}_share") for split in ("validation", "test") if split not in there}
        shares = {split: share for split, share in shares.items() if share}
        if shares:
            made = divided(parts["train"], shares, self._group, self.seed)
            parts = {**parts, "train": made["train"], **{split: made[split] for split in shares}}
            counts = ", ".join(f"{len(parts[split])} {split}" for split in SPLITS)
            notes = [*notes, f"split into {counts} rows (seed {self.seed})"]
            empty = [split for split in shares if not parts[split]]
            if empty:
                what = f"groups of {self.group}" if self.group else "rows"
                notes.append(f"no {' and no '.join(empty)} rows: the {what} are too few, or larger than the share")
        return parts, notes

    def _finished(self, parts: dict[str, list[Row]], notes: list[str]) -> tuple[dict[str, list[Row]], list[str]]:
        """Sources in their shares, and conversations turn by turn."""
        if self.weights is not None:
            each = [[row for row in parts["train"] if row[SOURCE] == i] for i in range(len(self.sources))]
            if not all(each):
                raise UserError(f"data.weights: {self.sources[each.index([])]} leaves no training rows")
            mixed = by_share(each, self.weights, self.seed)
            counts = [f"{len(of)} of {source}" for of, source in zip(mixed, self.sources, strict=True)]
            notes = [*notes, f"training rows by data.weights: {', '.join(counts)}"]
            parts = {**parts, "train": [row for of in mixed for row in of]}
        if any(one.messages for one in self._columns) and self.turns == "all":
            before = len(parts["train"])
            parts = {split: [turn for row in rows for turn in turns(row)] for split, rows in parts.items()}
            notes = [*notes, f"{before} training conversations with {len(parts['train'])} of the assistant's turns"]
        return parts, notes

    def _group(self, row: Row) -> str:
        return str(row["columns"].get(self.group)) if self.group else asked(row)

    @property
    def _parts(self) -> dict[str, list[Row]]:
        return self._loaded[0]

    @property
    def _notes(self) -> list[str]:
        return self._loaded[1]

    def _row(self, raw: Any, columns: Columns, wanted: Callable[[Mapping[str, Any]], bool]) -> Row | None:
        """A checked row; None for one that is not wanted.

        Raises:
            ValueError: saying what is wrong, and in which column.
        """
        if isinstance(raw, ValueError):
            raise raw
        if not isinstance(raw, Mapping):
            raise ValueError(f"a row is a mapping of columns; it is a {type(raw).__name__}")
        if not wanted(raw):
            return None
        if self.group and self.group not in raw:
            raise ValueError(f"it has no column {self.group}")
        row: Row = {}
        if columns.messages is not None:
            row["prompt"], row["completion"] = taken(raw, columns.messages, as_conversation)
        else:
            row["prompt"], row["completion"] = taken(raw, columns.prompt, as_messages), self._completion(raw, columns)
        if self._has_options:
            row[OPTIONS] = taken(raw, columns.choices, as_options)
        row["columns"] = dict(raw)
        row[ANSWER] = self._answer(raw, columns, row) if self.graded else None
        if not self.graded and not row["completion"]:
            raise ValueError("it has nothing to imitate; name its column with data.completion")
        return row

    def _answer(self, raw: Mapping[str, Any], columns: Columns, row: Row) -> Any:
        if columns.answer is None or (not self._grader.answered and raw.get(columns.answer) is None):
            return self._grader.value(None, row)
        return taken(raw, columns.answer, lambda given: self._grader.value(given, row))

    def _completion(self, raw: Mapping[str, Any], columns: Columns) -> str:
        name = columns.completion
        if name is not None and (is_template(name) or raw.get(name) is not None):
            return taken(raw, name, as_completion)
        given = raw.get(columns.answer)
        return self._grader.reasoning(given) if self.graded and isinstance(given, str) else ""


def _name(source: str) -> str:
    """A source in few words: a file's or a folder's name, a function's with that of its file, or the Hub's.

    >>> _name("data/rows.jsonl.gz"), _name("mine.py:rows"), _name("openai/gsm8k")
    ('rows', 'mine.rows', 'openai/gsm8k')
    """
    if is_function(source):
        file, _, function = source.rpartition(":")
        return f"{Path(file).stem}.{function}"
    path = Path(source).expanduser()
    return path.name.partition(".")[0] if path.suffix or path.exists() else source


def _each_fault(bad: Sequence[tuple[str, str]]) -> list[str]:
    """One sentence for each fault, with the first row that has it.

    >>> _each_fault([("a:1", "it is empty"), ("a:2", "it is empty"), ("a:3", "it is long")])
    ['a:1 and 1 more: it is empty', 'a:3: it is long']
    """
    found: dict[str, list[str]] = {}
    for place, fault in bad:
        found.setdefault(fault, []).append(place)
    more = {fault: f" and {len(places) - 1} more" if len(places) > 1 else "" for fault, places in found.items()}
    return [f"{places[0]}{more[fault]}: {fault}" for fault, places in found.items()]


def _said(columns: Sequence[Columns]) -> str:
    return "; ".join(dict.fromkeys(map(str, columns)))
