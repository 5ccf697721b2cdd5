"""Figures from a run's record: each where its data is, none where it is not."""

import json
from pathlib import Path

import pytest
from made_run import make_run

from ratchet.record import catalogue
from ratchet.record.run_data import RunData, load
from ratchet.reporting.figures.attention import attention_map
from ratchet.reporting.figures.choices import letter_confusion, letter_counts
from ratchet.reporting.figures.figures import COMPARED, DRAWN, comparison, figures
from ratchet.reporting.figures.learning import accuracy, pass_at_k
from ratchet.reporting.figures.machine import processes, seconds
from ratchet.reporting.figures.three_d import attention_cloud, densities, embedding, gradient_flow, loss_path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return load(make_run(tmp_path_factory.mktemp("figures") / "run"))


def of(*log, **more):
    """A run that logged just this."""
    return RunData(Path("made"), log=[*log], **more)


def test_a_full_record_gives_every_figure_in_the_pages_order(run):
    assert [*figures(run)] == [*DRAWN]


def test_a_run_without_a_record_gives_none():
    assert figures(of()) == {} and comparison([of()]) == {}


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_is_plain_data_with_a_title_and_a_definition(run, name):
    figure = DRAWN[name](run)
    assert figure["layout"]["title"]["text"] and figure["data"]
    assert figure["metric"] is None or catalogue.find(figure["metric"]) is not None
    json.dumps(figure, allow_nan=False)


def test_a_comparison_has_a_line_for_each_run(run):
    drawn = comparison([run, run, of()])
    assert [*drawn] == [*COMPARED] and all(len(figure["data"]) == 2 for figure in drawn.values())


def test_accuracy_has_its_interval_and_the_baseline_over_all_steps(run):
    held_out, sampled, majority = accuracy(run)["data"]
    assert held_out["error_y"]["array"] == pytest.approx([0.1, 0.1])
    assert held_out["error_y"]["arrayminus"] == pytest.approx([0.1, 0.1])
    assert sampled["x"][-1] == 40 and majority["x"] == [0, 40] and majority["y"] == [0.25, 0.25]


def test_an_accuracy_without_an_interval_is_drawn_without_one():
    (trace,) = accuracy(of({"step": 1, "eval/accuracy": 0.5}))["data"]
    assert trace["error_y"]["array"] == trace["error_y"]["arrayminus"] == [0.0]


def test_pass_at_k_is_in_the_order_of_k():
    share = {"accuracy": 0.5, "low": 0.4, "high": 0.7, "n": 4}
    entry = {"step": 3, "pass_at_k": {"16": share, "2": share, "1": share}}
    drawn = pass_at_k(of(evaluations=[{"step": 0}, entry]))
    assert drawn["data"][0]["x"] == [1, 2, 16] == drawn["layout"]["xaxis"]["tickvals"]
    assert drawn["data"][0]["error_y"]["array"] == pytest.approx([0.2] * 3)


def test_letters_are_shares_of_each_step():
    names = {f"rl/letter_pred_counts/{letter}": count for letter, count in (("A", 1.0), ("B", 3.0))}
    zeros = dict.fromkeys(names, 0.0)
    first, second = letter_counts(of({"step": 1, **names}, {"step": 2, **zeros}))["data"]
    assert (first["y"], second["y"]) == ([0.25, 0.0], [0.75, 0.0])


def test_confusion_is_in_shares_of_each_gold_and_none_comes_last():
    counts = {"A": {"A": 3, "none": 1}, "B": {"B": 2}}
    (heat,) = letter_confusion(of(confusion=[{"step": 1, "counts": counts}]))["data"]
    assert heat["x"] == ["A", "B", "none"] and heat["y"] == ["A", "B"]
    assert heat["z"] == [[0.75, 0.0, 0.25], [0.0, 1.0, 0.0]] and heat["customdata"] == [[3, 0, 1], [0, 2, 0]]


def test_of_many_confusions_some_are_shown_with_the_ends_and_the_last_one_first_seen():
    entries = [{"step": step, "counts": {"A": {"A": 1}}} for step in range(40)]
    drawn = letter_confusion(of(confusion=entries))
    labels = [button["label"] for button in drawn["layout"]["updatemenus"][0]["buttons"]]
    assert len(labels) == 12 and (labels[0], labels[-1]) == ("to step 0", "to step 39")
    assert [trace["visible"] for trace in drawn["data"]] == [False] * 11 + [True]


def test_answers_of_which_there_are_too_many_give_no_confusion():
    wide = {"A": {f"answer {i}": 1 for i in range(30)}}
    long = {f"gold {i}": {"A": 1} for i in range(13)}
    for counts in (wide, long):
        assert letter_confusion(of(confusion=[{"step": 1, "counts": counts}])) is None


def test_of_many_heat_maps_the_first_and_the_newest_are_shown():
    maps = [{"step": step, "layer": 0, "head": 0, "tokens": ["a"], "weights": [[1.0]]} for step in range(20)]
    drawn = attention_map(of(attention=maps))
    labels = [button["label"] for button in drawn["layout"]["updatemenus"][0]["buttons"]]
    assert [int(label.split()[1].rstrip(",")) for label in labels] == [0, *range(12, 20)]
    assert len(attention_map(of(attention=maps[:9]))["data"]) == 9


def test_a_point_of_the_cloud_is_a_weight_that_can_be_seen():
    entry = {"step": 1, "layer": 0, "head": 0, "tokens": ["a", "b", "c"], "weights": [[0.5, 0.5, 0.0]]}
    (cloud,) = attention_cloud(of(attention=[entry]))["data"]
    assert (cloud["x"], cloud["y"], cloud["z"]) == ([2, 2], [0, 1], [0.5, 0.5])
    assert cloud["text"][1] == "'c' looks at 'b'"
    assert attention_cloud(of(attention=[{**entry, "weights": [[0.0, 0.0, 0.0]]}])) is None


def test_seconds_are_stacked_without_phases_that_took_none():
    log = {"step": 1, "time/rollout": 2.0, "time/reward": 0.0, "time/weight_sync": 1.0}
    assert [trace["name"] for trace in seconds(of(log))["data"]] == ["rollout", "weight sync"]


def test_one_process_is_compared_with_no_other(run):
    assert processes(of({"step": 1, "distributed/world_size": 1.0, "time/rollout_max": 1.0})) is None
    assert len(processes(run)["data"]) == 4


def test_a_gap_in_a_layers_gradient_stays_a_gap():
    log = [{"step": 1, "grad/layer/0": 1.0, "grad/layer/1": 2.0}, {"step": 2, "grad/layer/0": 1.5}]
    (surface,) = gradient_flow(of(*log))["data"]
    assert surface["z"] == [[1.0, 2.0], [1.5, None]] and surface["x"] == [0, 1]
    assert gradient_flow(of(log[0])) is None


def test_a_path_needs_losses_and_rates():
    log = [{"step": step, "loss": 1.0 / step} for step in (1, 2, 3)]
    assert loss_path(of(*log)) is None
    ribbon, path = loss_path(of(*({**entry, "learning_rate": 0.1} for entry in log)))["data"]
    assert ribbon["z"][0] == [1.0 / 3] * 3 and path["z"] == ribbon["z"][1]


def test_shares_of_a_step_stay_where_they_are_for_any_edges():
    entries = [{"step": step, "name": "x", "counts": [1, 3], "edges": [0.0, step, 2.0 * step]} for step in (1, 2)]
    steps, centres, rows = densities(of(histograms=entries), "x", bins=4)
    assert steps == [1, 2] and [*centres] == [0.5, 1.5, 2.5, 3.5]
    assert rows.tolist() == [[0.25, 0.75, 0.0, 0.0], [0.125, 0.125, 0.375, 0.375]]
    assert densities(of(histograms=entries[:1]), "x") is None


def test_hidden_states_keep_their_distances_in_few_dimensions():
    vectors = [[[0.0, 0.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]]
    entries = [{"step": step, "vectors": rows} for step, rows in enumerate(vectors)]
    first, second = embedding(of(embeddings=entries))["data"]
    apart = sum((a[0] - b[0]) ** 2 for a, b in ((first[axis], second[axis]) for axis in "xyz")) ** 0.5
    assert apart == pytest.approx(5.0, rel=1e-3) and first["marker"]["showscale"] and not second["marker"]["showscale"]
