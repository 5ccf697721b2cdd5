"""Files of rows in the forms that people have them in."""

import csv
import gzip
import json

import pyarrow
import pyarrow.parquet
import pytest

from ratchet.errors import UserError
from ratchet.tasks.aquarat.rows import checked_row, read_folder
from ratchet.tasks.loading import read_lines

ROWS = [
    {"question": f"{n} + 1?", "options": [f"{x}){n + i}" for i, x in enumerate("ABCDE")], "correct": "B"}
    for n in range(30)
]


def json_lines(path):
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")


def array(path):
    path.write_text(json.dumps(ROWS, indent=2), encoding="utf-8-sig")


def compressed(path):
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in ROWS).encode()))


def table(path):
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)


def sheet(path):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ROWS[0])
        writer.writeheader()
        writer.writerows(ROWS)


FORMS = {
    "train.json": json_lines,
    "train.jsonl": array,
    "train.jsonl.gz": compressed,
    "train.parquet": table,
    "train.csv": sheet,
}


@pytest.mark.parametrize("name", FORMS)
def test_rows_are_the_same_in_every_form(tmp_path, name):
    FORMS[name](tmp_path / name)
    found = list(read_folder(tmp_path, "train"))
    assert [row for _, row in found] == ROWS
    assert str(tmp_path / name) in found[3][0] and found[3][0].endswith("4")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", "x".encode("utf-16"), "is UTF-16 or binary"),
        ("a.jsonl", json.dumps(ROWS[0]).encode("utf-16-le"), "is UTF-16 or binary"),
        ("a.json", b'[{"question": 1},', "begins as a JSON array and is none"),
        ("a.jsonl.gz", b"not compressed", "cannot be read"),
        ("a.parquet", b"PAR1 and no more", "cannot be read"),
        ("a.csv", b"question\n\xff\xfe\n", "cannot be read"),
    ],
    ids=["UTF-16", "UTF-16 without a mark", "half an array", "not compressed", "no table", "no text"],
)
def test_a_file_that_is_something_else_is_one_sentence(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=says):
        list(read_lines(tmp_path / name))


def test_a_line_that_is_a_list_is_a_line(tmp_path):
    (tmp_path / "a.jsonl").write_text("[1, 2]\n[3]\n")
    assert [row for _, row in read_lines(tmp_path / "a.jsonl")] == [[1, 2], [3]]


def test_an_option_that_is_a_number_is_named_with_the_remedy():
    said = checked_row("file:1", {**ROWS[0], "options": ["1", 24, "3", "4", "5"]})
    assert said == 'file:1: options must be five texts, and option B is 24; write it in quotes, as "24"'
