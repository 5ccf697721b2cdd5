"""The run's own record: written in whole lines, read whatever state it is in."""

import json

from ratchet.record.records import Records, cut, read


def test_a_line_that_was_torn_is_left_out_and_counted(tmp_path):
    records = Records(tmp_path)
    records.log(1, {"loss": 2.0})
    records.log(2, {"loss": 1.0})
    with (tmp_path / "diagnostics/log.jsonl").open("a") as file:
        file.write('{"step": 3, "lo')
    entries, torn = read(tmp_path, "log")
    assert [entry["loss"] for entry in entries] == [2.0, 1.0] and torn == 1


def test_numbers_that_json_has_not_become_null(tmp_path):
    Records(tmp_path).log(1, {"loss": float("nan"), "grad_norm": float("inf"), "nested": [float("nan")]})
    text = (tmp_path / "diagnostics/log.jsonl").read_text()
    assert json.loads(text, parse_constant=lambda word: 1 / 0)["loss"] is None


def test_a_run_that_goes_on_from_a_step_drops_what_came_after(tmp_path):
    records = Records(tmp_path)
    for step in range(5):
        records.write("samples", step=step, completion="x")
    cut(tmp_path, 2)
    assert [entry["step"] for entry in read(tmp_path, "samples")[0]] == [0, 1, 2]


def test_a_process_that_is_not_the_main_one_writes_nothing(tmp_path):
    Records(None).log(1, {"loss": 1.0})
    assert list(tmp_path.iterdir()) == []


def test_a_histogram_counts_every_finite_value(tmp_path):
    Records(tmp_path).histograms(1, {"x": [0.0, 1.0, 2.0, float("nan")] * 10, "empty": []})
    (entry,) = read(tmp_path, "histograms")[0]
    assert sum(entry["counts"]) == 30 and len(entry["edges"]) == len(entry["counts"]) + 1
