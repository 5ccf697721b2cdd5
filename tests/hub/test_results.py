"""An evaluation on its way into cards, here and on the Hub."""

import json

import pytest
from huggingface_hub import ModelCard

from ratchet.errors import UserError
from ratchet.hub.card import model_card
from ratchet.hub.repository import Repository, Upload
from ratchet.hub.results import beside, publish

ENTRY = {
    "accuracy": 0.5,
    "low": 0.4,
    "high": 0.6,
    "n": 80,
    "task": "t",
    "split": "test",
    "majority": 0.3,
    "model": "m",
}


@pytest.fixture
def model(recipe, fill, tmp_path):
    """A model's folder with a card that holds one evaluation."""
    share = {key: ENTRY[key] for key in ("accuracy", "low", "high", "n")}
    result = {"steps": 1, "after": share, "split": "validation", "majority": 0.3}
    return fill(tmp_path / "out", **{"README.md": model_card(recipe(), tmp_path / "out", result)})


def test_a_card_beside_a_model_takes_the_evaluation(model):
    assert beside(model, ENTRY) == model / "README.md"
    assert [one.dataset_split for one in ModelCard.load(model / "README.md").data.eval_results] == [
        "validation",
        "test",
    ]


@pytest.mark.parametrize("text", [None, "# A card of somebody else", "---\ntags: [a]\n---\n"])
def test_a_card_without_results_is_left_as_it_is(tmp_path, text):
    if text is not None:
        (tmp_path / "README.md").write_text(text)
    assert beside(tmp_path, ENTRY) is None
    assert text is None or (tmp_path / "README.md").read_text() == text


def test_a_card_on_the_hub_takes_it_with_the_file_in_one_commit(hub, model):
    Repository("me/model").push(Upload(model, "the model"))
    said = publish("me/model", "evaluation-t-test.json", ENTRY)
    assert said == "published on me/model: its card, and evaluation-t-test.json"
    files = hub.files("me/model")
    assert json.loads(files["evaluation-t-test.json"]) == ENTRY
    assert len(ModelCard(files["README.md"].decode()).data.eval_results) == 2
    assert hub.commits == ["the model", "evaluation-t-test.json: 0.500"]


def test_a_revision_has_a_card_of_its_own(hub, model):
    Repository("me/model").push(Upload(model, "step 5", revision="step-000005"))
    assert "me/model (step-000005)" in publish("me/model@step-000005", "e.json", ENTRY)
    assert "e.json" in hub.files("me/model", "step-000005") and "e.json" not in hub.files("me/model")


def test_a_revision_that_is_not_there_is_said(hub, model):
    Repository("me/model").push(Upload(model, "the model"))
    with pytest.raises(UserError, match="--publish: me/model@step-000007: me/model has no such revision"):
        publish("me/model@step-000007", "e.json", ENTRY)
