"""What gathers between two logs, and how it survives a checkpoint."""

import pytest
import torch

from ratchet.diagnostics.accumulator import MetricAccumulator
from ratchet.diagnostics.artifacts import Artifacts


def filled():
    metrics = MetricAccumulator()
    metrics.add("values", torch.tensor([1.0, 2.0, 3.0]), torch.tensor([True, False, True]))
    metrics.add("values", torch.tensor([4]))
    metrics.add_sum("share", torch.tensor(2.0), 4)
    metrics.add_sum("share", 1.0, torch.tensor(4))
    return metrics


def test_masked_values_are_left_out_and_sums_add_up():
    gathered = filled().close({"memory": 1.0}, "own", 1)
    assert gathered.values == {"values": [1.0, 3.0, 4.0]} and gathered.sums == {"share": (3.0, 8.0)}
    assert gathered.ranks == [{"memory": 1.0}] and gathered.objects == ["own"]


def test_what_was_read_is_forgotten():
    metrics = filled()
    metrics.close({}, None, 1)
    again = metrics.close({}, None, 1)
    assert again.values == {} and again.sums == {}


def test_processes_become_one(monkeypatch):
    other = ({"values": [9.0]}, {"share": (1.0, 2.0), "more": (1.0, 1.0)}, {"memory": 2.0}, "other")
    monkeypatch.setattr("ratchet.diagnostics.accumulator.gather_object", lambda own: [*own, other])
    gathered = filled().close({"memory": 1.0}, "own", 2)
    assert gathered.values == {"values": [1.0, 3.0, 4.0, 9.0]}
    assert gathered.sums == {"share": (4.0, 10.0), "more": (1.0, 1.0)}
    assert gathered.objects == ["own", "other"] and [rank["memory"] for rank in gathered.ranks] == [1.0, 2.0]


def test_a_restored_accumulator_reads_the_same_and_leaves_the_state_as_it_was():
    metrics, state = MetricAccumulator(), filled().state_dict()
    for _ in range(2):  # a checkpoint may be restored more than once
        metrics.load_state_dict(state)
        metrics.add_sum("share", 5.0, 1)
        assert metrics.close({}, None, 1).sums == {"share": (8.0, 9.0)}


def test_nothing_keeps_a_graph():
    metrics, weight = MetricAccumulator(), torch.ones(2, requires_grad=True)
    metrics.add("values", weight * 2)
    (values, _) = metrics.state_dict()["values"]["values"][0]
    assert not values.requires_grad


def test_restored_artifacts_are_apart_from_their_state():
    state = Artifacts(samples=[{"id": 1}], histograms={"x": [1.0]}).state_dict()
    restored = Artifacts.from_state_dict(state)
    restored.samples.append({"id": 2})
    restored.histograms["y"] = [2.0]
    assert state["samples"] == [{"id": 1}] and [*state["histograms"]] == ["x"]
    assert restored == Artifacts(samples=[{"id": 1}, {"id": 2}], histograms={"x": [1.0], "y": [2.0]})


@pytest.mark.parametrize("name", ["samples", "maps", "embeddings"])
def test_artifacts_that_gather_on_do_not_reach_their_state(name):
    artifacts = Artifacts()
    state = artifacts.state_dict()
    getattr(artifacts, name).append({})
    assert state[name] == []
