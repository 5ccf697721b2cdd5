"""Completions with the letter that a careful person reads in them, written without sight of the rule.

``labelled.jsonl`` holds five sets. "seen" was used to find what the rule lacked; each of the others was written after
that, and its first measurement is the honest one (docs/answers.md); then its misses were looked at, and kinds mended.
"""

import json
from pathlib import Path

import pytest

from ratchet.evaluation.statistics import wilson
from ratchet.tasks.answers.choice import read_answer

ROWS = [
    json.loads(line) for line in Path(__file__).with_name("labelled.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize(
    ("name", "least"), [("seen", 0.97), ("unseen", 0.88), ("third", 0.95), ("fourth", 0.97), ("fifth", 0.89)]
)
def test_the_letter_is_the_one_that_a_careful_person_reads(name, least):
    rows = [row for row in ROWS if row["set"] == name]
    read = [(read_answer(row["text"], row["options"]), row["letter"]) for row in rows]
    right = sum(found == letter for found, letter in read)
    assert right >= least * len(rows), str(wilson(right, len(rows)))


def test_a_wrong_letter_is_rare_and_what_commits_to_none_is_hardly_ever_paid():
    read = [(read_answer(row["text"], row["options"]), row["letter"]) for row in ROWS]
    assert sum(bool(found and letter and found != letter) for found, letter in read) <= 3
    assert sum(bool(found and letter is None) for found, letter in read) <= 9
