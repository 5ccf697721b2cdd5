"""TRL's figures of a step's passes as one value, and what was saved."""

from collections import defaultdict

import pytest

from ratchet.training.lean.figures import Saved, Size, WindowMeans


def closed(passes, left_out=None, by_sequence=False):
    metrics, means = defaultdict(list), WindowMeans(by_sequence)
    metrics["reward"].append(0.5)
    for values, size, empty in passes:
        before = {name: len(known) for name, known in metrics.items()}
        for name, value in values.items():
            metrics[name].append(value)
        means.take(metrics, before, size, empty)
    means.close(metrics, left_out or Size())
    assert metrics.pop("reward") == [0.5]
    return dict(metrics)


def test_a_mean_over_tokens_weighs_tokens():
    assert closed([({"entropy": 1.0}, Size(2, 30), 0), ({"entropy": 2.0}, Size(1, 10), 0)]) == {"entropy": [1.25]}


def test_rows_left_out_are_not_clipped_and_count():
    found = closed([({"clip_ratio/low_mean": 0.5}, Size(2, 30), 0)], Size(1, 10))
    assert found == {"clip_ratio/low_mean": [0.375]}


@pytest.mark.parametrize(("name", "value"), [("clip_ratio/low_min", 0.0), ("clip_ratio/high_max", 0.4)])
def test_extremes_are_of_all_rows(name, value):
    passes = [({name: 0.2}, Size(2, 30), 0), ({name: 0.4}, Size(1, 10), 0), ({name: float("nan")}, Size(), 1)]
    assert closed(passes, Size(1, 10)) == {name: [value]}


def test_ratios_by_sequence_weigh_rows():
    passes = [({"clip_ratio/low_mean": 0.5}, Size(2, 30), 0), ({"clip_ratio/low_mean": 0.25}, Size(1, 10), 1)]
    assert closed(passes, by_sequence=True) == {"clip_ratio/low_mean": [pytest.approx((1 + 0.5) / 3)]}


def test_a_row_that_is_not_there_is_taken_out_of_a_mean_over_rows():
    assert closed([({"vespo/phi_seq_mean": 0.75}, Size(1, 10), 1)]) == {"vespo/phi_seq_mean": [0.5]}


def test_a_step_without_rows_has_no_entropy():
    assert closed([({"entropy": 0.0, "clip_ratio/low_mean": 0.0}, Size(), 2)], Size(4, 40)) == {
        "clip_ratio/low_mean": [0.0]
    }


def test_what_was_saved_is_said_once():
    saved = Saved()
    saved.take(padded=100, computed=[20, 30], needed=40, rows=8, left_out=2, passes=3)
    figures = saved.figures()
    assert figures["lean/computed_share"] == 0.5
    assert figures["lean/computed_over_needed"] == 1.25
    assert figures["lean/rows_left_out"] == 0.25
    assert figures["lean/imbalance"] == pytest.approx(0.2)
    assert saved.figures() == {}
