"""A row crosses a table as text, and comes back value for value and type for type."""

import enum
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from ratchet.errors import UserError
from ratchet.tasks.packing import pack, unpack


class Level(enum.IntEnum):
    EASY = 1


class Name(str):
    pass


KEPT = [
    *(None, True, 1, 10**25, 1.0, -0.0, 1e-320, float("inf"), "", "9", "half a pair \ud800", "\x00 \u2028"),
    *([], {}, [1, 1.0, "1", None], {"a": {"b": [1]}}, {1: "one", None: 2, (1, 2): "pair"}, {"__type__": "tuple"}),
    *((), (1, (2.0, [3])), {1, 2}, {("a", 1)}, frozenset({"x"}), b"\x00\xff", 1 + 2j, Decimal("1.10"), Fraction(1, 3)),
    *(date(2026, 2, 28), datetime(2026, 2, 28, 1, tzinfo=UTC), time(1, 2, 3, 4), timedelta(days=-1, microseconds=1)),
]


@pytest.mark.parametrize("value", KEPT, ids=repr)
def test_a_value_comes_back_as_it_was(value):
    row = {"id": "train-0", "value": value}
    assert repr(unpack(pack(row))) == repr(row)


def test_not_a_number_comes_back():
    assert repr(unpack(pack({"id": "a", "value": float("nan")}))["value"]) == "nan"


def test_columns_keep_their_order():
    assert list(unpack(pack({"id": "a", "z": 1, "b": 2}))) == ["id", "z", "b"]


def holds_itself() -> list:
    found = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.int64(3), "numpy.int64"),
        ({"deep": [np.array([1])]}, "numpy.ndarray"),
        (Level.EASY, "Level"),
        (Name("a"), "Name"),
        (object(), "object"),
        (holds_itself(), "holds itself"),
        (10**5000, "4300 digits"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_would_change_is_refused_with_its_place_and_the_reason(value, says):
    with pytest.raises(UserError, match=rf"row train-7, column level: .*{says}"):
        pack({"id": "train-7", "fine": 1, "level": value})


def test_the_same_set_gives_the_same_text_in_every_process():
    code = "from ratchet.tasks.packing import pack; print(pack({'words': {'a', 'b', 'c', 'd'}}))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": str(seed)}, capture_output=True, text=True, check=True
        ).stdout
        for seed in (1, 2)
    }
    assert len(texts) == 1
