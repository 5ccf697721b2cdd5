"""The model card: what it says of a run, and metadata that the Hub accepts."""

import json

import pytest
from hub_server import card_errors
from huggingface_hub import ModelCard

from ratchet.errors import UserError
from ratchet.hub.card import model_card, with_result

SHARE = {"accuracy": 0.51234, "low": 0.4, "high": 0.6, "n": 80}
MEASURED = {
    "steps": 7,
    "before": {**SHARE, "accuracy": 0.25},
    "after": SHARE,
    "split": "test",
    "majority": 0.3,
    "chance": 0.2,
}
ENTRY = {**SHARE, "task": "other task", "split": "test", "majority": 0.3, "model": "m"}


@pytest.fixture
def card(recipe, tmp_path):
    """A function that writes the card of a run."""
    (tmp_path / "out").mkdir()
    return lambda result=MEASURED, **values: model_card(recipe(**values), tmp_path / "out", result)


def test_accuracies_stand_beside_interval_n_and_baselines(card):
    text = card()
    assert "| before training | 0.250 | 0.400 to 0.600 | 80 |" in text
    assert "| after training | 0.512 | 0.400 to 0.600 | 80 |" in text
    assert "| always the commonest answer | 0.300 | | |\n| guessing | 0.200 | | |" in text
    assert "7 optimiser steps" in text


def test_the_metadata_hold_the_figure_and_are_what_the_hub_accepts(card):
    text = card()
    assert card_errors(text) == []
    data = ModelCard(text).data
    (measured,) = data.eval_results
    assert (measured.metric_value, measured.dataset_split) == (0.5123, "test")
    assert measured.metric_args == {"n": 80, "low": 0.4, "high": 0.6, "majority": 0.3}
    assert (data.model_name, data.tags, data.datasets) == ("out", ["ratchet", "trl", "grpo"], None)


def test_a_model_that_was_not_measured_has_no_figure(card):
    text = card({"steps": 3})
    assert "Not evaluated." in text and "model-index" not in text and card_errors(text) == []


@pytest.mark.parametrize(
    ("base", "there"), [("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B"), ("ratchet-tiny", None)], ids=["Hub", "embedded"]
)
def test_only_a_model_on_the_hub_is_a_base_model(card, base, there):
    assert ModelCard(card(model_name_or_path=base)).data.base_model == there


def test_a_folder_is_no_base_model(card, tmp_path):
    (tmp_path / "models/base").mkdir(parents=True)
    assert ModelCard(card(model_name_or_path=str(tmp_path / "models/base"))).data.base_model is None


def test_rewards_have_a_line_each_with_weight_and_meaning(card):
    assert "| correctness | 1 |  | " in card()
    assert "supervised fine-tuning has no reward" in card(trainer="sft", rewards=None)


def test_the_recipe_in_the_card_can_be_run(card, tmp_path):
    from ratchet.recipe import load_recipe

    (tmp_path / "again.yaml").write_text(card().split("```yaml\n")[1].split("```")[0])
    assert load_recipe(tmp_path / "again.yaml", environ={}, to_train=False).task.name == "aquarat"


def test_the_terms_of_real_rows_are_named(card):
    text = card(data={"source": "deepmind/aqua_rat"})
    assert "arXiv:1705.04146" in text and ModelCard(text).data.datasets == ["deepmind/aqua_rat"]
    assert "no person's data" in card()


def test_a_dakota_model_says_whose_language_it_is(card):
    text = card(task="dakota", data={"source": "generated", "instruction": ""})
    assert "language of the Dakota people" in text and "Do not use this model to translate for people" in text
    assert "a program, from a table of forms" in text


def test_commit_and_question_are_those_of_the_run(card, tmp_path):
    assert "with an installed Ratchet" in card()
    (tmp_path / "out/run.json").write_text(json.dumps({"commit": "a" * 40 + " (changed)", "question": "How many?"}))
    text = card()
    assert "at commit aaaaaaaaaaaa (changed)." in text and "'How many?'" in text


POLICY = {"kind": "hack", "reward": 0.1, "correct": 0.0}
AUDIT = {
    "mode": "strict",
    "title": "all rows",
    "scores": 40,
    "rows": 10,
    "policies": [{**POLICY, "policy": f"hack {i}"} for i in range(5)],
    "findings": [
        {"name": "one", "text": "bad", "fails": True, "accepted": ""},
        {"name": "two", "text": "known", "fails": False, "accepted": "on purpose"},
        {"name": "three", "text": "look", "fails": False, "accepted": ""},
    ],
}


def test_the_audit_shows_the_best_policies_and_every_finding(card, tmp_path):
    (tmp_path / "out/audit.json").write_text(json.dumps(AUDIT))
    text = card()
    assert text.count("(hack) | 0.100 | 0.000 |") == 3
    assert "- fails: one: bad\n- accepted: on purpose: two: known\n- note: three: look" in text


def test_an_audit_that_was_switched_off_is_admitted(card, tmp_path):
    (tmp_path / "out/audit.json").write_text('{"mode": "off"}')
    assert "nobody looked whether the reward can be cheated" in card()


def test_an_evaluation_joins_those_that_are_there(card):
    both = ModelCard(with_result(card(), ENTRY)).data.eval_results
    assert [one.dataset_name for one in both] == ["generated word problems", "other task"]


def test_an_evaluation_replaces_the_one_of_the_same_task_and_split(card):
    once = with_result(card(), ENTRY)
    twice = with_result(once, {**ENTRY, "accuracy": 0.9})
    assert [one.metric_value for one in ModelCard(twice).data.eval_results] == [0.5123, 0.9]


def test_a_card_without_a_name_takes_it_from_the_evaluation():
    data = ModelCard(with_result("---\ntags: [a]\n---\ntext", {**ENTRY, "model": "me/model"})).data
    assert data.model_name == "me/model" and len(data.eval_results) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("---\nmodel-index: 3\n---\nx", "cannot be read"),
        ("---\ntags: [a]\n---\nx", "no model-index with the model's name"),
    ],
    ids=["broken", "nameless"],
)
def test_a_card_that_can_take_no_result_is_refused(text, says):
    with pytest.raises(UserError, match=says):
        with_result(text, {**ENTRY, "model": None})
