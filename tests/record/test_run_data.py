"""A run's folder is read in any state: what is missing, torn or of another type is named, and the rest is used."""

import json

import pytest
import yaml
from made_run import STEPS, make_run

from ratchet.errors import UserError
from ratchet.files import alone, lock_of
from ratchet.record.run_data import load
from ratchet.record.shapes import SHAPES, fits

JUNK = [None, "text", -1, True, [], {}, [None], float("nan")]


@pytest.fixture
def folder(tmp_path):
    return make_run(tmp_path / "run")


def test_a_whole_folder_is_read_whole(folder):
    run = load(folder)
    assert run.missing == [] and run.status == "finished" and run.step == 40 and run.name == "run"
    records = (run.log, run.histograms, run.samples, run.confusion, run.attention, run.embeddings)
    assert [len(entries) for entries in (*records, run.evaluations, run.alarms)] == [10, 4, 2, 2, 2, 2, 2, 1]
    assert run.slice["step"] == 40 and run.recipe["task"] == "aquarat" and run.about["commit"] == "0123abc"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("recipe.yaml", "there is no recipe.yaml"),
        ("run.json", "there is no run.json"),
        ("result.json", "there is no result.json: the run is stopped"),
        ("diagnostics/log.jsonl", "nothing was logged yet"),
        ("diagnostics/evaluations.jsonl", "no evaluation was kept"),
    ],
)
def test_a_file_that_is_missing_is_named(folder, name, sentence):
    (folder / name).unlink()
    assert any(sentence in text for text in load(folder).missing)


@pytest.mark.parametrize(
    "name", ["recipe.yaml", "result.json", "run.json", "audit.json", "diagnostics/loss_slice.json"]
)
@pytest.mark.parametrize("text", ['{"task": ', "[1, 2]", "\x00\xff", '"text"', "[" * 100_000])
def test_a_file_that_cannot_be_used_is_named_and_the_rest_is_read(folder, name, text):
    (folder / name).write_text(text)
    run = load(folder)
    assert f"{name} could not be read: it is torn, or not what it should be" in run.missing
    assert len(run.log) == 10


def test_a_machine_whose_gpus_are_no_names_is_not_described(folder):
    about = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**about, "hardware": {"gpus": [[]]}}))
    assert load(folder).about == {}


def test_a_torn_line_is_counted(folder):
    with (folder / "diagnostics/log.jsonl").open("a") as file:
        file.write('{"step": 45, "lo')
    run = load(folder)
    assert run.step == 40
    assert run.missing == ["1 line of diagnostics/log.jsonl could not be used (torn, not finite, or of another make)"]


@pytest.mark.parametrize(
    "name", ["histograms", "samples", "confusion", "attention", "embeddings", "evaluations", "alarms"]
)
def test_entries_of_other_types_are_left_out_and_counted(folder, name):
    path = folder / f"diagnostics/{name}.jsonl"
    whole = path.read_text()
    entry = json.loads(whole.splitlines()[0])
    needed = next(key for key in SHAPES[name] if not key.endswith("?"))
    bad = [{**entry, needed: junk} for junk in (None, [None], True)]
    path.write_text(whole + "".join(json.dumps(one) + "\n" for one in bad))
    run = load(folder)
    assert len(getattr(run, name)) == len(whole.splitlines())
    assert run.missing[0].startswith(f"3 lines of diagnostics/{name}.jsonl could not be used")


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("histograms", {"edges": [0.0, 1.0]}),
        ("embeddings", {"vectors": [[1.0], [1.0, 2.0]]}),
        ("attention", {"tokens": ["a"]}),
    ],
)
def test_entries_whose_parts_do_not_match_are_left_out(folder, name, changes):
    path = folder / f"diagnostics/{name}.jsonl"
    entry = json.loads(path.read_text().splitlines()[0])
    path.write_text(json.dumps({**entry, **changes}) + "\n")
    assert getattr(load(folder), name) == []


def test_a_folder_that_holds_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="is no folder"):
        load(tmp_path / "absent")
    with pytest.raises(UserError, match="holds no run: neither"):
        load(tmp_path)
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(UserError, match="holds no run that can be read: result.json"):
        load(tmp_path)


def test_a_series_has_the_later_value_of_a_step_and_only_numbers(folder):
    (folder / "diagnostics/log.jsonl").write_text(
        "".join(
            json.dumps({"step": step, "loss": loss}) + "\n" for step, loss in [(1, 2.0), (2, None), (2, True), (1, 3)]
        )
    )
    assert load(folder).series("loss") == ([1], [3])


def test_trls_own_names_stand_in_where_there_were_no_diagnostics(folder):
    lines = [{"step": step, "reward": 0.5, "entropy": 1.0} for step in (1, 2)]
    (folder / "diagnostics/log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    run = load(folder)
    assert run.series("rl/mean_reward") == run.series("reward") == ([1, 2], [0.5, 0.5])
    assert run.series("policy/entropy")[1] == [1.0, 1.0] and run.series("rl/acc") == ([], [])


def test_names_are_in_the_order_of_their_numbers(tmp_path):
    folder = make_run(tmp_path / "run")
    entry = {"step": 50, **{f"grad/layer/{layer}": 1.0 for layer in (10, 2, 0)}}
    with (folder / "diagnostics/log.jsonl").open("a") as file:
        file.write(json.dumps(entry) + "\n")
    assert load(folder).names("grad/layer/") == [f"grad/layer/{layer}" for layer in (0, 1, 2, 10)]


def test_checkpoints_are_the_complete_ones_by_step(folder):
    for name in ("checkpoint-20", "checkpoint-100", "checkpoint-3", "checkpoint-x"):
        (folder / name).mkdir()
        (folder / name / "trainer_state.json").write_text("{}")
    (folder / "checkpoint-200").mkdir()
    assert [path.name for path in load(folder).checkpoints()] == ["checkpoint-3", "checkpoint-20", "checkpoint-100"]


def test_without_a_record_the_newest_trainer_state_is_read(folder):
    (folder / "diagnostics/log.jsonl").unlink()
    for step in (10, 20):
        state = {"log_history": [{"step": step, "loss": 1.0, "eval_accuracy": 0.5}, "torn", {"loss": 2.0}]}
        (folder / f"checkpoint-{step}").mkdir()
        (folder / f"checkpoint-{step}/trainer_state.json").write_text(json.dumps(state))
    run = load(folder)
    assert run.log == [{"step": 20, "loss": 1.0, "eval/accuracy": 0.5}]
    assert any("figures are from checkpoint-20/trainer_state.json" in text for text in run.missing)


def test_a_run_whose_lock_is_held_is_running(folder):
    (folder / "result.json").unlink()
    with alone(lock_of(folder), "run", "--output_dir"):
        assert load(folder).status == "running"
    assert load(folder).status == "stopped"


def test_what_the_record_itself_writes_has_the_shape_that_is_asked_for(folder):
    for name in ("histograms", "samples", "confusion", "attention", "embeddings", "evaluations", "alarms"):
        for line in (folder / f"diagnostics/{name}.jsonl").read_text().splitlines():
            assert fits(json.loads(line), SHAPES[name]), name
    assert len(load(folder).log) == len(STEPS) + 2


@pytest.mark.parametrize(
    ("value", "shape", "fitting"),
    [
        (1, (int, float), True),
        (True, (int, float), False),
        (True, (bool,), True),
        ([1, 2], [(int,)], True),
        ([1, "2"], [(int,)], False),
        ({"a": 1}, {"": (int,)}, True),
        ({"a": "1"}, {"": (int,)}, False),
        ({}, {"a?": (int,)}, True),
        ({"a": None}, {"a?": (int,)}, True),
        ({"a": "1"}, {"a?": (int,)}, False),
        ({}, {"a": (int,)}, False),
        ([], {"": (int,)}, False),
    ],
)
def test_shapes_are_exact(value, shape, fitting):
    assert fits(value, shape) is fitting


def test_a_recipe_with_any_value_is_read(folder):
    for junk in JUNK:
        (folder / "recipe.yaml").write_text(yaml.safe_dump({"trainer": junk, "max_steps": junk, "report": junk}))
        assert set(load(folder).recipe) == {"trainer", "max_steps", "report"}
