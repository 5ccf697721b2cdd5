"""The last checkpoint, back from a stand-in for the Hub."""

import json

import pytest

from ratchet.errors import UserError
from ratchet.hub.fetch import LAST, last_checkpoint
from ratchet.hub.repository import Repository, Upload


@pytest.fixture
def pushed(hub, tmp_path, fill):
    """A function that pushes a whole checkpoint of a step."""

    def push(step: int) -> None:
        folder = fill(tmp_path / "there", **{"trainer_state.json": json.dumps({"global_step": step})})
        Repository("me/model").push(Upload(folder, "to resume from", where=LAST))

    return push


def test_the_last_checkpoint_lies_among_the_runs_own_afterwards(recipe, pushed, tmp_path):
    pushed(40)
    folder = last_checkpoint(recipe(hub_model_id="me/model"))
    assert folder == tmp_path / "out/checkpoint-40"
    assert (folder / "model.safetensors").read_bytes() == b"weights" and (folder / "optimizer.pt").is_file()
    assert not (tmp_path / "out/_from_hub").exists()


def test_a_checkpoint_that_is_here_is_kept(recipe, pushed, tmp_path):
    pushed(40)
    (tmp_path / "out/checkpoint-40").mkdir(parents=True)
    assert last_checkpoint(recipe(hub_model_id="me/model")) == tmp_path / "out/checkpoint-40"
    assert list((tmp_path / "out/checkpoint-40").iterdir()) == []


def test_a_repository_without_one_is_said(recipe, hub, tmp_path):
    hub.create({"name": "model"})
    with pytest.raises(UserError, match="me/model has no last-checkpoint/"):
        last_checkpoint(recipe(hub_model_id="me/model"))
    assert not (tmp_path / "out/_from_hub").exists()


def test_a_recipe_must_name_its_repository(recipe):
    with pytest.raises(UserError, match="needs hub_model_id"):
        last_checkpoint(recipe())


def test_a_repository_that_is_not_there_is_said(recipe, hub):
    with pytest.raises(UserError, match="could not be had from the Hub: me/model is not on the Hub"):
        last_checkpoint(recipe(hub_model_id="me/model"))
