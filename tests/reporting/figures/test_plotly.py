"""The figures' building blocks."""

import numpy as np
import pytest

from ratchet.reporting.figures.plotly import (
    COLOURS,
    GREEN,
    RED,
    between,
    choice,
    colour_of,
    flat,
    line,
    short,
    thinned,
)


@pytest.mark.parametrize(("count", "most"), [(5, 10), (10, 10), (1000, 7), (11, 10)])
def test_thinned_values_are_few_and_keep_their_ends(count, most):
    kept = thinned(range(count), most)
    assert len(kept) == min(count, most) and (kept[0], kept[-1]) == (0, count - 1)
    assert sorted(set(kept)) == list(kept)


def test_a_long_curve_is_thinned_and_a_short_one_has_markers():
    assert line(range(5), range(5), "x", "#000000")["mode"] == "lines+markers"
    long = line(range(5000), range(5000), "x", "#000000")
    assert len(long["x"]) == len(long["y"]) == 1000 and long["mode"] == "lines"


def test_a_curve_with_intervals_keeps_its_points():
    values = range(5000)
    assert len(line(values, values, "x", "#000000", error_y={})["x"]) == 5000


def test_the_area_between_two_curves_is_one_outline():
    area = between([1, 2], [0, 1], [5, 6], "#0a0b0c", "spread")
    assert (area["x"], area["y"]) == ([1, 2, 2, 1], [5, 6, 1, 0]) and area["fillcolor"] == "rgba(10,11,12,0.18)"


def bands(*values):
    figure = flat("x", "share", [{"y": [*values]}], "rl/letter_found_frac")  # healthy from 0.8 to 1
    return [(band["fillcolor"], band["y0"], band["y1"]) for band in figure["layout"]["shapes"]]


def test_a_healthy_band_is_green_and_what_lies_beyond_red():
    assert bands(0.9) == [(GREEN, 0.8, 1.0), (RED, pytest.approx(0.75), 0.8)]


def test_a_band_reaches_as_far_as_the_data_and_a_share_no_further_than_one():
    assert bands(0.1, None)[1] == (RED, 0.1, 0.8) and bands(1.5) == bands(0.9)


def test_a_figure_without_a_band_or_a_definition_has_no_shapes():
    for metric in ("rl/acc", "loss", None):
        assert "shapes" not in flat("x", "", [], metric)["layout"]


def test_a_menu_shows_one_trace_at_a_time_and_the_last_first():
    menu = choice(["a", "b"])
    assert [button["args"][0]["visible"] for button in menu["buttons"]] == [[True, False], [False, True]]
    assert menu["active"] == 1


def test_numbers_are_as_short_as_a_figure_can_show():
    assert short(np.array([[1 / 3, 2.0]])) == [[0.33333, 2.0]] and short([None, 3]) == [None, 3]


def test_colours_repeat_after_the_last():
    assert colour_of(len(COLOURS)) == COLOURS[0]
