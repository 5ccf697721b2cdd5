"""A row as one line of text and back, value for value and type for type.

Tables of columns, in which trainers and evaluation programs keep their rows, change what they are given: a column that
the first row lacks is gone, whole numbers beside fractions become fractions, tuples become lists, dicts gain keys. So
a row crosses them as text.

>>> row = {"id": "test-0", "answer": 9, "pair": (1, 2.0), "tests": {"case1": None}}
>>> pack(row)
'{"id":"test-0","answer":9,"pair":{"__type__":"tuple","value":[1,2.0]},"tests":{"case1":null}}'
>>> unpack(pack(row)) == row
True
"""

import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from ratchet.errors import UserError
from ratchet.tasks.base import Row

COLUMN = "row"
"""The column in which a table holds packed rows."""
_TYPE = "__type__"
_FAILURES = (ValueError, TypeError, RecursionError)


class _Kind(NamedTuple):
    """How values of a type are written: as what JSON has, and back."""

    written: Callable[[Any], Any]
    read: Callable[[Any], Any]


_KINDS: dict[type, _Kind] = {
    tuple: _Kind(list, tuple),
    # a set has no order of its own; one is given to it, so that the same rows have the same checksum
    set: _Kind(lambda value: sorted(value, key=repr), set),
    frozenset: _Kind(lambda value: sorted(value, key=repr), frozenset),
    dict: _Kind(lambda value: [[k, v] for k, v in value.items()], dict),
    bytes: _Kind(bytes.hex, bytes.fromhex),
    complex: _Kind(lambda value: [value.real, value.imag], lambda parts: complex(*parts)),
    Decimal: _Kind(str, Decimal),
    Fraction: _Kind(str, Fraction),
    datetime: _Kind(datetime.isoformat, datetime.fromisoformat),
    date: _Kind(date.isoformat, date.fromisoformat),
    time: _Kind(time.isoformat, time.fromisoformat),
    timedelta: _Kind(lambda value: [value.days, value.seconds, value.microseconds], lambda parts: timedelta(*parts)),
}
_NAMES = {kind.__name__: kind for kind in _KINDS}
_PLAIN = {type(None), bool, int, float, str}


def pack(row: Row) -> str:
    """The row as text.

    Raises:
        UserError: naming the row, the column and the reason, for a value that would not come back as it is.
    """
    if not isinstance(row, dict):
        raise UserError(f"a row must be a dict of columns, one is {_shown(row)}")
    try:
        return _text(row)
    except _FAILURES:
        raise _refusal(row) from None


def _refusal(row: Row) -> UserError:
    """What to say of a row that cannot be packed; the columns are tried one by one."""
    for column, value in row.items():
        try:
            _text({column: value})
        except _FAILURES as error:
            reason = "it holds itself, or is too deep" if isinstance(error, RecursionError) else error
            return UserError(f"row {row.get('id', '?')}, column {column}: graders would not get it as it is: {reason}")
    return UserError(f"row {row.get('id', '?')} is too large to be handed to graders as it is")


def unpack(text: str) -> Row:
    """The row that ``pack`` made a text of."""
    return json.loads(text, object_hook=_read)


def _text(row: Row) -> str:
    return json.dumps(_written(row), separators=(",", ":"))


def _written(value: Any) -> Any:
    kind = type(value)  # exactly: a subclass of int or str would come back as something else
    if kind in _PLAIN:
        return value
    if kind is list:
        return [_written(part) for part in value]
    if kind is dict and all(type(key) is str for key in value) and _TYPE not in value:
        return {key: _written(part) for key, part in value.items()}
    if kind not in _KINDS:
        raise TypeError(
            f"{_shown(value)} is of a type that is not kept; in load, make it a number, text, list, tuple, set, dict, "
            "date or bytes"
        )
    return {_TYPE: kind.__name__, "value": _written(_KINDS[kind].written(value))}


def _read(found: dict[str, Any]) -> Any:
    """A JSON object as the value it stands for; those inside it have been read already."""
    name = found.get(_TYPE)
    return found if name is None else _KINDS[_NAMES[name]].read(found["value"])


def _shown(value: Any) -> str:
    kind = type(value)
    where = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{where}{kind.__qualname__} {value!r:.60}"
