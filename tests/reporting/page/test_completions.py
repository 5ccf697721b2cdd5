"""Completions as the page lists them."""

from pathlib import Path

import pytest
from made_run import completion, evaluation

from ratchet.record.run_data import RunData
from ratchet.reporting.page.completions import LONGEST, ROWS, browser, completions


def shown(**changes):
    sample = {**completion(0), "step": 1, "reward": 1.0, "advantage": 0.0, **changes}
    (entry,) = completions(RunData(Path(), samples=[sample]))
    return entry


def test_a_run_without_completions_has_no_browser():
    assert completions(RunData(Path())) is None and browser(None) == ""


def test_the_first_and_the_newest_evaluation_are_listed_once_each():
    evaluations = [evaluation(step, 0.5, 20) for step in (0, 5, 10)]
    found = completions(RunData(Path(), evaluations=evaluations))
    assert [entry["step"] for entry in found] == [0, 0, 0, 10, 10, 10]
    assert len(completions(RunData(Path(), evaluations=evaluations[:1]))) == 3


def test_only_the_newest_samples_of_training_are_listed():
    samples = [{**completion(i), "step": i, "reward": 1.0, "advantage": 0.0} for i in range(ROWS + 5)]
    found = completions(RunData(Path(), samples=samples))
    assert len(found) == ROWS and found[0]["step"] == 5


def test_a_long_completion_is_cut_and_says_so():
    entry = shown(completion="x" * (LONGEST + 1), span=None, answer=None)
    assert entry["completion"] == "x" * LONGEST + " [...]" and entry["span"] is None


@pytest.mark.parametrize(
    ("changes", "span"),
    [
        ({}, [13, 14]),
        ({"span": None, "completion": "B, so B"}, [6, 7]),
        ({"span": None, "answer": "Z"}, None),
        ({"span": None, "answer": None}, None),
        ({"span": [0, 999]}, None),
        ({"span": [1]}, None),
    ],
)
def test_what_is_marked_is_the_answer_where_it_was_read(changes, span):
    assert shown(**changes)["span"] == span


def test_the_newest_evaluation_is_chosen_at_first():
    entries = [{"source": source} for source in ("evaluation at step 5", "evaluation at step 10", "training")]
    assert "<option selected>evaluation at step 10</option>" in browser(entries)
    assert "<option selected>training</option>" in browser(entries[2:])
