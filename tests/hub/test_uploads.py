"""The queue of uploads, with a repository made up here: order, replacement, retries, warnings, and what is left."""

import threading
from pathlib import Path

import pytest

from ratchet.hub import uploads as module
from ratchet.hub.contents import PUSHING, revision_of, stage
from ratchet.hub.repository import Upload
from ratchet.hub.uploads import Uploads, push_finished


class Repository:
    """Takes uploads, or raises the next of ``errors`` instead; waits for ``door`` where it is closed."""

    def __init__(self):
        self.name, self.pushed, self.errors = "me/model", [], []
        self.door, self.knocked = threading.Event(), threading.Event()
        self.door.set()

    def push(self, upload: Upload) -> None:
        self.knocked.set()
        self.door.wait(10)
        if self.errors:
            raise self.errors.pop(0)
        self.pushed.append((upload.place, upload.message))

    @property
    def places(self) -> list[str]:
        return [place for place, _ in self.pushed]


@pytest.fixture
def repository(monkeypatch):
    repository = Repository()
    monkeypatch.setattr(module, "repository_of", lambda recipe: repository)
    monkeypatch.setattr(module, "PAUSES", (0.01, 0.01))
    return repository


@pytest.fixture
def uploads(repository, recipe):
    return Uploads(recipe(faults={"upload_wait": 5}))


@pytest.fixture
def impatient(repository, recipe):
    """Gives up at once."""
    return Uploads(recipe(faults={"upload_wait": 0}))


@pytest.fixture
def checkpoint(tmp_path, fill):
    """A function that makes a checkpoint of the run."""
    return lambda step: fill(tmp_path / f"out/checkpoint-{step}")


def test_uploads_are_made_in_their_order(uploads, repository, checkpoint):
    for step in (1, 2):
        uploads.checkpoint(checkpoint(step), step, "every_save", [])
    assert uploads.close() == []
    assert repository.places == ["step-000001", "step-000002"]


@pytest.mark.parametrize(
    ("strategy", "places"),
    [
        ("end", []),
        ("every_save", ["step-000004"]),
        ("checkpoint", ["step-000004", "last-checkpoint"]),
        ("all_checkpoints", ["step-000004", "checkpoint-4"]),
    ],
)
def test_the_strategy_decides_where_a_checkpoint_goes(uploads, repository, checkpoint, strategy, places):
    uploads.checkpoint(checkpoint(4), 4, strategy, [])
    assert uploads.close() == [] and repository.places == places


def test_a_checkpoint_goes_with_a_card_of_its_own_and_is_not_staged_any_more_afterwards(uploads, repository, tmp_path):
    seen = {}

    def push(upload):
        seen.update({path.name: path.read_text() for path in upload.folder.iterdir()})

    repository.push = push
    folder = tmp_path / "out/checkpoint-4"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    uploads.checkpoint(folder, 4, "every_save", [])
    assert uploads.close() == [] and not any((tmp_path / "out" / PUSHING).iterdir())
    assert set(seen) == {"README.md", "recipe.yaml", "result.json", "model.safetensors"}
    assert "4 optimiser steps" in seen["README.md"] and '"steps": 4' in seen["result.json"]


def test_an_upload_replaces_one_that_still_waits_to_go_to_the_same_place(uploads, repository, tmp_path):
    repository.door.clear()
    for message in ("under way", "replaced", "newest"):
        uploads.add(Upload(tmp_path, message, where="last-checkpoint"))
        repository.knocked.wait(10)
    repository.door.set()
    assert uploads.close() == []
    assert [message for _, message in repository.pushed] == ["under way", "newest"]


def test_a_failed_upload_is_retried_and_warned_of_once(uploads, repository, tmp_path, capsys):
    repository.errors = [ConnectionError("down")] * 3 + [ConnectionError("still down")]
    uploads.add(Upload(tmp_path, "m"))
    uploads.there("main")
    assert uploads.close() == [] and repository.places == ["main"]
    said = capsys.readouterr().out
    assert said.count("could not be pushed to me/model") == 2 and "it is retried while training continues" in said


def test_a_checkpoint_that_was_rotated_away_needs_no_upload(uploads, repository, tmp_path):
    uploads.add(Upload(tmp_path / "gone", "m", where="checkpoint-3"))
    assert uploads.close() == [] and repository.pushed == []


def test_what_an_earlier_start_left_is_pushed_first(repository, recipe, tmp_path, checkpoint):
    stage(checkpoint(3), tmp_path / "out" / PUSHING / revision_of(3), {})
    uploads = Uploads(recipe(faults={"upload_wait": 5}))
    uploads.add(Upload(tmp_path, "the model"))
    assert uploads.close() == [] and repository.places == ["step-000003", "main"]


def test_what_could_not_be_pushed_in_time_is_named_and_stays(impatient, repository, checkpoint, tmp_path):
    repository.errors = [ConnectionError("down")] * 100
    impatient.checkpoint(checkpoint(3), 3, "every_save", [])
    assert impatient.close() == ["step-000003"]
    assert (tmp_path / "out" / PUSHING / "step-000003/model.safetensors").is_file()


def test_a_checkpoint_without_weights_costs_a_warning(uploads, tmp_path, capsys):
    (tmp_path / "out/checkpoint-2").mkdir(parents=True)
    uploads.checkpoint(tmp_path / "out/checkpoint-2", 2, "every_save", [])
    assert uploads.close() == []
    assert "warning: checkpoint-2 is not pushed: " in capsys.readouterr().out


def test_one_can_wait_for_a_revision(uploads, impatient, tmp_path):
    folder = tmp_path / "step-000009"
    folder.mkdir()
    uploads.add(Upload(folder, "m", revision="step-000009"))
    assert uploads.there("step-000009")
    assert not impatient.there("step-000010")


def finished(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_finished_run_says_that_it_was_pushed(uploads, repository, tmp_path, capsys):
    push_finished(uploads, finished(tmp_path / "out"), 12)
    assert repository.pushed == [("main", "after 12 steps")]
    assert capsys.readouterr().out == "pushed to me/model\n"


def test_a_finished_run_names_what_is_left_and_how_to_push_it(impatient, repository, tmp_path, capsys):
    repository.errors = [ConnectionError("down")] * 100
    push_finished(impatient, finished(tmp_path / "out"), 12)
    said = capsys.readouterr().out
    assert "warning: main could not be pushed to me/model; when the Hub can be reached, type\n" in said
    assert said.rstrip().endswith(f"{tmp_path / 'out'}")


def test_a_model_that_may_not_be_published_is_said_and_checkpoints_are_still_pushed(
    uploads, repository, checkpoint, tmp_path, capsys
):
    uploads.checkpoint(checkpoint(3), 3, "every_save", [])
    (tmp_path / "out/README.md").write_text("hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345")
    push_finished(uploads, finished(tmp_path / "out"), 12)
    assert "warning: the trained model is not pushed: " in capsys.readouterr().out
    assert repository.places == ["step-000003"]
