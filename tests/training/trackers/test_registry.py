"""Opening, logging and closing trackers, of which any may fail at any time."""

import json
import time
from types import SimpleNamespace

import pytest

from ratchet.diagnostics.artifacts import Artifacts
from ratchet.recipe.groups import Tracking
from ratchet.training.trackers import registry
from ratchet.training.trackers.base import reason, within
from ratchet.training.trackers.registry import Trackers, wanted


class Fake:
    """Remembers what it was given; ``fails`` names the calls that raise."""

    fails: tuple[str, ...] = ()

    def __init__(self, settings):
        self.settings, self.rows, self.closed = settings, [], False
        self.identity = {"id": settings.known.get("wandb", {}).get("id", "first")}
        self._perhaps("open")

    def log(self, step, logs, artifacts, figures):
        self._perhaps("log")
        self.rows.append((step, logs, artifacts, figures))

    def close(self):
        self._perhaps("close")
        self.closed = True

    def _perhaps(self, call):
        if call in self.fails:
            raise ConnectionError("no route")


class Other(Fake):
    """Another tracker of the same run."""


@pytest.fixture
def opened(monkeypatch, tmp_path):
    """Opens W&B and TensorBoard as fakes; takes whether the run is resumed, and the calls in which W&B fails."""

    def open_trackers(resumed=False, fails=(), **tracking):
        monkeypatch.setitem(registry.OURS, "wandb", type("Failing", (Fake,), {"fails": fails}))
        monkeypatch.setitem(registry.OURS, "tensorboard", Other)
        values = {"report_to": ["wandb", "tensorboard"]}
        recipe = SimpleNamespace(
            get=values.get,
            values=values,
            tracking=Tracking(**tracking),
            processes=1,
            tree=SimpleNamespace(plain=lambda: {"task": "aquarat"}),
        )
        return Trackers(recipe, tmp_path, resumed)

    return open_trackers


def send(trackers, step=1):
    trackers.log(step, {"loss": 1.0}, Artifacts(), {})


def test_every_tracker_gets_every_row_and_is_closed(opened):
    trackers = opened()
    fakes = [*trackers.open.values()]
    send(trackers, 1)
    send(trackers, 2)
    trackers.close()
    assert [[row[0] for row in fake.rows] for fake in fakes] == [[1, 2], [1, 2]]
    assert all(fake.closed for fake in fakes) and not trackers.open


@pytest.mark.parametrize("call", ["open", "log"])
def test_one_that_fails_is_named_once_and_the_others_go_on(opened, capsys, call):
    trackers = opened(fails=(call,))
    send(trackers, 1)
    send(trackers, 2)
    assert [*trackers.open] == ["tensorboard"] and len(trackers.open["tensorboard"].rows) == 2
    output = capsys.readouterr().out
    assert output.count("warning: wandb gets nothing more of this run: it cannot be reached (no route)") == 1
    assert "/diagnostics" in output


def test_one_that_fails_to_close_keeps_no_other_from_closing(opened, capsys):
    trackers = opened(fails=("close",))
    other = trackers.open["tensorboard"]
    trackers.close()
    assert other.closed and "warning: wandb" in capsys.readouterr().out


def test_a_resumed_run_finds_its_identity_again_and_a_new_one_does_not(opened, tmp_path):
    opened()
    (tmp_path / "tracking.json").write_text(json.dumps({"wandb": {"id": "known"}}))
    assert opened(resumed=True).open["wandb"].identity == {"id": "known"}
    assert json.loads((tmp_path / "tracking.json").read_text())["wandb"] == {"id": "known"}
    assert opened().open["wandb"].identity == {"id": "first"}


@pytest.mark.parametrize("text", ["[]", '{"wandb": ', "null"])
def test_a_file_of_identities_that_cannot_be_read_is_as_none(opened, tmp_path, text):
    (tmp_path / "tracking.json").write_text(text)
    assert opened(resumed=True).open["wandb"].identity == {"id": "first"}


def test_the_project_is_the_recipes_else_the_environments_else_ratchet(opened, monkeypatch):
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    assert opened().open["wandb"].settings.project == "ratchet"
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    assert opened().open["wandb"].settings.project == "mine"
    assert opened(project="letters").open["wandb"].settings.project == "letters"


@pytest.mark.parametrize(
    ("report_to", "own", "others"),
    [
        ("wandb", ["wandb"], []),
        (None, [], []),
        (["none"], [], []),
        (["mlflow", "tensorboard"], ["tensorboard"], ["mlflow"]),
    ],
)
def test_trackers_are_shared_out_between_ratchet_and_transformers(report_to, own, others):
    assert wanted(report_to) == (own, others)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (ImportError("no module"), 'pip install "wandb"'),
        (ValueError("API key must be 40 characters"), "wandb login"),
        (TimeoutError("it did not open within 30 seconds"), "check the network"),
        (RuntimeError("request timed out"), "check the network"),
        (type("CommError", (Exception,), {})("gone"), "check the network"),
        (ValueError(""), "ValueError: ValueError"),
    ],
)
def test_a_failure_is_told_with_its_remedy(error, remedy):
    assert remedy in reason("wandb", error)


def test_a_call_that_takes_too_long_is_left_behind():
    start = time.perf_counter()
    with pytest.raises(TimeoutError, match="it did not open within 0 seconds"):
        within(0.05, lambda: time.sleep(2), "it did not open")
    assert time.perf_counter() - start < 1


def test_what_a_call_raises_or_returns_is_passed_on():
    assert within(5, lambda: None, "") is None
    with pytest.raises(KeyError):
        within(5, lambda: {}["absent"], "")
