"""What the terminal shows of a run, read from its folder."""

import time
from io import StringIO
from pathlib import Path

import pytest
from made_run import make_run
from rich.console import Console

from ratchet.files import alone, lock_of
from ratchet.record.run_data import RunData
from ratchet.reporting.terminal.figures import Disk, _steps, line, look, means, seconds_of_step
from ratchet.reporting.terminal.screen import page, spark


@pytest.fixture
def folder(tmp_path):
    return make_run(tmp_path / "run", finished=False)


def seen(folder):
    return look(folder, Disk(folder), None, 3)


def drawn(view):
    console = Console(width=100, record=True, file=StringIO())
    console.print(page(view))
    return console.export_text()


def test_a_finished_run_has_nothing_left(tmp_path):
    view = seen(make_run(tmp_path / "run"))
    assert (view.status, view.step, view.steps, view.left, view.silent) == ("finished", 40, 40, None, None)


def test_a_stopped_run_says_what_is_left_at_its_rate(folder):
    (folder / "recipe.yaml").write_text("trainer: grpo\nmax_steps: 60\n")
    view = seen(folder)
    # A step each second of the made-up clock, and 20 steps to go.
    assert view.status == "stopped" and view.left == pytest.approx(20.0) and view.silent is None


def test_a_running_run_says_how_long_it_has_been_silent(folder):
    with alone(lock_of(folder), "run", "--output_dir"):
        view = seen(folder)
    assert view.status == "running" and view.silent == pytest.approx(time.time() - 1040, abs=60)
    assert "nothing was logged for" in drawn(view)


def test_everything_is_drawn(folder):
    text = drawn(seen(folder))
    for words in (
        "stopped: step 40 of 40",
        "held-out accuracy 0.600 [0.500, 0.700] at step 40",
        "step 40 | 3.0 s | reward 0.80 | accuracy 0.80 | 70 tok/s",
        "seconds of a step: rollout 2.00 (67%), training 1.00 (33%)",
        "step 40: collapse: one letter only",
    ):
        assert words in text


def test_a_run_that_has_logged_nothing_is_drawn(tmp_path):
    (tmp_path / "recipe.yaml").write_text("trainer: grpo\n")
    view = seen(tmp_path)
    assert (view.step, view.steps, view.left) == (0, None, None) and "stopped: step 0" in drawn(view)


@pytest.mark.parametrize(
    ("recipe", "result", "log", "steps"),
    [
        ({"max_steps": 7}, {}, [], 7),
        ({"max_steps": -1}, {"steps": 9}, [], 9),
        ({"num_train_epochs": 2}, {}, [{"step": 10, "epoch": 0.5}], 40),
        ({}, {}, [{"step": 10, "epoch": 1.0}], 30),
        ({"num_train_epochs": "x"}, {}, [{"step": 10, "epoch": 1.0}], None),
        ({}, {}, [{"step": 10, "epoch": 0}], None),
        ({}, {}, [], None),
    ],
)
def test_the_last_step_is_the_recipes_or_the_epochs_share(recipe, result, log, steps):
    assert _steps(RunData(Path(), recipe=recipe, result=result, log=log)) == steps


def test_a_mean_is_over_the_steps_that_logged_a_number():
    assert means([{"a": 1.0, "b": "x"}, {"a": 3.0, "b": 4, "c": True}]) == {"a": 2.0, "b": 4.0}


def test_seconds_are_by_the_clock_else_by_what_was_logged_of_a_step():
    entries = [{"step": 10, "time": 100.0, "time/step": 1.0}, {"step": 20, "time": 150.0, "time/step": 1.0}]
    assert seconds_of_step(entries) == 5.0
    assert seconds_of_step(entries[:1]) == 1.0 and seconds_of_step([{"step": 1, "step_time": 2.0}]) == 2.0
    assert seconds_of_step([]) is None


def test_the_first_name_that_was_logged_is_shown():
    assert line({"step": 1, "time/step": 2.0, "step_time": 3.0, "loss": "x"}) == "step 1 | 2.0 s"


@pytest.mark.parametrize("count", [1, 39, 40, 41, 1000])
def test_a_spark_fits_its_width(count):
    assert len(spark([float(i) for i in range(count)])) <= 40


def test_the_end_of_a_log_that_cannot_be_read_is_a_sentence(folder):
    assert "cannot be read" in look(folder, Disk(folder), folder, 3).tail[0]
