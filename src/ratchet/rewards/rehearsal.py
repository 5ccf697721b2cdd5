"""Calls a task and its rewards on a few rows before training, so that what fails, fails at once and by name."""

import re
from collections.abc import Sequence
from typing import Any

from ratchet.errors import UserError
from ratchet.files import place_of
from ratchet.rewards.functions import Sample
from ratchet.rewards.registry import RewardTerm, fault_of
from ratchet.tasks.base import Grade, Row, Task

REHEARSED = 3  # rows that are graded


def validate_task(task: Task, terms: Sequence[RewardTerm], rows: Sequence[Row]) -> None:
    """Grade and reward an empty completion and the target of some rows, so that what fails, fails before training.

    Raises:
        UserError: naming the row and what was called, for instance a reward that needs a column the rows lack.
    """
    _check_ids(task, rows)
    for row in rows[:REHEARSED]:
        _rehearse(task, terms, row)


def _rehearse(task: Task, terms: Sequence[RewardTerm], row: Row) -> None:
    called = "messages"
    try:
        check_messages(task, row)
        called = "gold"
        _check_kind(task, row, called, task.gold(row) or "", str)
        called = "target"
        target = _check_kind(task, row, called, task.target(row), str)
        for text in ("", target):
            called = "grade"
            grade = _check_kind(task, row, called, task.grade(text, row), Grade)
            for term in terms:
                called = f"rewards.{term.name}"
                value = term(Sample(text, row, grade, len(text), len(text) + 1))
                if fault := fault_of(term, value):
                    raise UserError(f"{called} of row {row.get('id', '?')}: {fault}")
    except UserError:
        raise
    except Exception as error:  # the user's own code may raise anything
        what = called if called.startswith("rewards.") else f"{task.name}.{called}"
        raise raised(what, row, error) from error


def raised(what: str, row: Row, error: BaseException) -> UserError:
    """What to say about code of a task or a reward that raised."""
    columns = row.get("columns") or row  # of rows of one's own as they came
    missing = f"; the row has no column {error}" if isinstance(error, KeyError) else ""
    return UserError(
        f"{what} of row {row.get('id', '?')} raises {type(error).__name__}: {error}{place_of(error)}{missing}; "
        f"the row has {', '.join(map(str, columns))}"
    )


def _check_ids(task: Task, rows: Sequence[Row]) -> None:
    seen = set()
    for row in rows:
        if "id" not in row:
            columns = ", ".join(map(str, row)) or "nothing"
            raise UserError(f"every row of {task.name} needs an id; one has {columns}")
        if row["id"] in seen:
            raise UserError(f"every row of {task.name} needs an id of its own; two have {row['id']}")
        seen.add(row["id"])


def check_messages(task: Task, row: Row) -> None:
    """Refuse a conversation that is no list of ``{"role": ..., "content": ...}``.

    Raises:
        UserError: naming the row, with what ``messages`` returned.
    """
    messages = task.messages(row)
    if not isinstance(messages, list) or not messages or not all(_is_message(m) for m in messages):
        shown = str(messages)[:80]
        raise UserError(
            f"{task.name}.messages of row {row['id']} must return a list of "
            f'{{"role": ..., "content": ...}}, two texts and no other key; it returns {shown!r}'
        )


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"role", "content"} and all(map(_is_text, value.values()))


def _is_text(value: Any) -> bool:
    # half of a surrogate pair is no character: no file and no tokenizer takes it
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)


def _check_kind(task: Task, row: Row, what: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise UserError(
            f"{task.name}.{what} of row {row['id']} must return a {kind.__name__}, it returns {str(value)[:80]!r}"
        )
    return value
