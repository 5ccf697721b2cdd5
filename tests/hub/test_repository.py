"""A repository as a run writes to it, over real HTTP, and what the Hub's answers mean."""

from types import SimpleNamespace

import pytest

from ratchet.errors import UserError
from ratchet.hub.repository import Repository, Upload, of_branch, repository_of, sentence


class Refused(Exception):
    """An answer with a status, as the client raises it."""

    def __init__(self, status: int, text: str):
        super().__init__(text)
        self.response = SimpleNamespace(status_code=status)


class RevisionNotFoundError(Refused):
    """Named like the client's."""


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (Refused(401, "Invalid token"), "does not accept the token"),
        (Refused(403, "Private repository storage limit reached"), "has no room left for me/model"),
        (Refused(507, "not enough space"), "has no room left for me/model"),
        (Refused(403, "Forbidden"), "this account may not write to me/model"),
        (RevisionNotFoundError(404, "no"), "me/model has no such revision"),
        (Refused(404, "no"), "me/model is not on the Hub, or this token may not see it"),
        (ConnectionError("refused\n  by a wall"), "ConnectionError: refused by a wall"),
        (UserError("a sentence already"), "a sentence already"),
    ],
    ids=["token", "full", "full too", "rights", "revision", "repository", "network", "own"],
)
def test_an_answer_of_the_hub_becomes_a_sentence(error, says):
    assert says in sentence(error, "me/model")


def test_an_upload_is_named_by_where_it_goes(tmp_path):
    assert Upload(tmp_path, "m").place == "main"
    assert Upload(tmp_path, "m", where="last-checkpoint").place == "last-checkpoint"
    assert of_branch(tmp_path / "step-000005").place == "step-000005"


@pytest.mark.parametrize(
    ("values", "name", "private"),
    [
        ({}, "out", True),
        ({"hub_model_id": "me/model"}, "me/model", True),
        ({"hub_private_repo": False}, "out", False),
    ],
    ids=["by default", "named", "public"],
)
def test_a_recipes_repository_is_private_unless_it_says_otherwise(recipe, values, name, private):
    repository = repository_of(recipe(**values))
    assert (repository.name, repository.private) == (name, private)


def test_the_first_push_makes_the_repository_under_the_tokens_owner(hub, tmp_path, fill):
    repository = Repository("model")
    repository.push(Upload(fill(tmp_path / "run"), "the model"))
    assert repository.name == "me/model" and hub.private["me/model"]
    assert {".gitattributes", "config.json", "model.safetensors"} <= set(hub.files("me/model"))
    assert hub.files("me/model")["model.safetensors"] == b"weights" and hub.commits == ["the model"]


def test_a_branch_holds_its_own_files_alone(hub, tmp_path, fill):
    repository = Repository("me/model")
    repository.push(Upload(fill(tmp_path / "run", **{"README.md": "---\ntags: [a]\n---\n"}), "the model"))
    staged = tmp_path / "step-000005"
    staged.mkdir()
    (staged / "model.safetensors").write_bytes(b"earlier weights")
    repository.push(of_branch(staged))
    assert set(hub.files("me/model", "step-000005")) - {".gitattributes"} == {"model.safetensors"}
    assert hub.files("me/model", "step-000005")["model.safetensors"] == b"earlier weights"
    assert "README.md" in hub.files("me/model")


def test_a_folder_inside_leaves_the_rest_alone(hub, tmp_path, fill):
    repository = Repository("me/model", revision="runs")
    repository.push(Upload(fill(tmp_path / "run"), "the model"))
    repository.push(Upload(tmp_path / "run", "to resume from", where="last-checkpoint"))
    assert {"config.json", "last-checkpoint/optimizer.pt"} <= set(hub.files("me/model", "runs"))
    assert set(hub.files("me/model")) == {".gitattributes"}


def test_a_repository_of_somebody_else_is_refused(hub, tmp_path, fill):
    with pytest.raises(Exception, match="You don't have the rights") as refused:
        Repository("you/model").push(Upload(fill(tmp_path / "run"), "the model"))
    assert "may not write to you/model" in sentence(refused.value, "you/model")
