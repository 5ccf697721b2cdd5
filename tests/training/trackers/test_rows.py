"""What trackers get: names, tables and heat maps."""

import math

from ratchet.diagnostics.artifacts import Artifacts
from ratchet.training.trackers import rows


def table(columns, data):
    return columns, data


def test_own_figures_keep_their_names_and_others_are_renamed_as_transformers_does():
    found = rows.named({"rl/acc": 0.5, "loss": 1.0, "eval_loss": 2.0})
    assert found == {"rl/acc": 0.5, "train/loss": 1.0, "eval/loss": 2.0}


def test_a_row_holds_its_step_and_no_total_of_the_run():
    logs = {"train_runtime": 9.0, "train_loss": 1.0, "rl/acc": 0.5}
    assert rows.scalars(7, logs) == {"rl/acc": 0.5, "train/global_step": 7}
    assert rows.totals(logs) == {"train/train_runtime": 9.0, "train/train_loss": 1.0}


def test_a_sample_fills_its_columns_and_a_list_becomes_text():
    sample = {"id": 3, "completion": "C", "gold": ["a", "b"], "span": [0, 1], "correct": True}
    (row,) = rows.sample_rows(Artifacts(samples=[sample]))
    found = dict(zip(rows.SAMPLE_COLUMNS, row, strict=True))
    assert found["gold"] == "['a', 'b']" and found["correct"] is True and found["reward"] is None


def test_confusion_is_a_row_for_each_pair_in_order():
    confusion = {"B": {"none": 1, "A": 2}, "A": {"A": 5}}
    assert rows.confusion_rows(Artifacts(confusion=confusion)) == [["A", "A", 5], ["B", "A", 2], ["B", "none", 1]]


def test_only_tables_with_rows_are_made():
    assert rows.tables(Artifacts(), table) == {}
    made = rows.tables(Artifacts(confusion={"A": {"A": 1}}), table)
    assert made == {"rl/letter_confusion": (["gold", "answered", "count"], [["A", "A", 1]])}


def test_a_cell_cannot_break_a_table_of_markdown():
    text = rows.markdown_table(rows.sample_rows(Artifacts(samples=[{"completion": "a | b\nc"}])))
    lines = text.splitlines()
    assert len(lines) == 3 and "a \\| b<br>c" in lines[2]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


def test_a_heat_map_keeps_its_weights_and_reads_downwards():
    entry = {"layer": 1, "head": 2, "weights": [[1.0, 0.0], [0.25, 0.75]]}
    drawn = rows.heat_map(entry)
    assert drawn["data"][0]["z"] == entry["weights"] and drawn["layout"]["yaxis"]["autorange"] == "reversed"
    assert rows.map_name(entry) == "attn/map/layer1_head2"


def test_a_heat_map_as_rows_leaves_out_what_cannot_be_seen():
    entry = {"layer": 0, "head": 0, "weights": [[1.0, 0.0], [0.005, 0.995]]}
    assert rows.map_rows(entry) == [[0, 0, 1.0], [1, 1, 0.995]]


def test_a_non_finite_scalar_is_sent_as_it_is():
    assert math.isnan(rows.scalars(1, {"rl/acc": math.nan})["rl/acc"])
