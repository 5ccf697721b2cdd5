"""Publishing what there is of a run, and saying what that would be."""

import json

import pytest

from ratchet.errors import UserError
from ratchet.hub.contents import PUSHING
from ratchet.hub.push import publish

SHARE = {"accuracy": 0.5, "low": 0.4, "high": 0.6, "n": 80, "split": "test", "majority": 0.3, "chance": 0.2}


@pytest.fixture
def run(recipe, fill, tmp_path):
    """A finished run with two checkpoints, of which one was evaluated."""
    folder = fill(
        tmp_path / "out",
        **{
            "recipe.yaml": recipe().as_yaml(),
            "result.json": "{}",
            "README.md": '---\ntags: [ratchet]\n---\nanswer = pipeline("text-generation", model="out")\n',
        },
    )
    for step in (5, 10):
        fill(folder / f"checkpoint-{step}", weights=b"weights of %d" % step)
    (folder / "checkpoint-5/evaluation-aquarat-test.json").write_text(json.dumps(SHARE))
    return folder


def test_a_dry_run_lists_every_file_and_sends_nothing(run, hub):
    lines = list(publish(run, "me/model", dry=True))
    assert lines[0] == "would push to me/model (private unless it is there already)"
    heads = [line.split(":")[0] for line in lines[1:] if not line.startswith(" ")]
    assert heads == ["step-000005", "step-000010", "main"]
    assert any(line.endswith("  model.safetensors") for line in lines)
    assert hub.requests == [] and not (run / PUSHING).exists()
    assert 'model="out"' in (run / "README.md").read_text()


def test_checkpoints_go_to_branches_and_the_model_to_main(run, hub):
    lines = list(publish(run, "me/model"))
    assert (lines[0].startswith("pushing to me/model"), lines[-1]) == (True, "pushed to me/model")
    assert set(hub.branches["me/model"]) == {"main", "step-000005", "step-000010"}
    assert hub.files("me/model", "step-000005")["model.safetensors"] == b"weights of 5"
    assert b'model="me/model"' in hub.files("me/model")["README.md"]
    assert list((run / PUSHING).iterdir()) == []


def test_a_checkpoints_card_holds_its_evaluation(run, hub):
    list(publish(run, "me/model"))
    card = {step: hub.files("me/model", f"step-{step:06d}")["README.md"].decode() for step in (5, 10)}
    assert "| after training | 0.500 |" in card[5] and "5 optimiser steps" in card[5]
    assert "Not evaluated." in card[10]


def test_a_name_alone_is_of_the_tokens_account_and_public_is_said(run):
    first = next(publish(run, private=False, dry=True))
    assert first == "would push to out (of your account, public unless it is there already)"


def test_a_run_that_has_not_finished_publishes_its_checkpoints(run, hub):
    (run / "result.json").unlink()
    list(publish(run, "me/model"))
    assert set(hub.files("me/model")) == {".gitattributes"} and "step-000010" in hub.branches["me/model"]


def test_a_refusal_is_said_with_what_to_do(run, hub):
    hub.faults = [(403, "Private repository storage limit reached")]
    with pytest.raises(UserError, match="step-000005 could not be pushed: the Hub has no room left") as refused:
        list(publish(run, "me/model"))
    assert "rerun the same command" in str(refused.value)


@pytest.mark.parametrize(
    ("harm", "name", "says"),
    [
        (lambda run: (run / "recipe.yaml").unlink(), None, "it has no recipe.yaml"),
        (lambda run: None, "bad//name", "--repo: Repo id must"),
        (lambda run: [path.unlink() for path in run.rglob("model.safetensors")], None, "holds no weights"),
    ],
    ids=["no run", "no name", "no weights"],
)
def test_what_cannot_be_published_is_said(run, harm, name, says):
    harm(run)
    with pytest.raises(UserError, match=says):
        list(publish(run, name, dry=True))


def test_a_run_that_has_made_nothing_yet_is_said(recipe, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/recipe.yaml").write_text(recipe().as_yaml())
    with pytest.raises(UserError, match="neither a trained model nor a checkpoint"):
        list(publish(tmp_path / "out", dry=True))
