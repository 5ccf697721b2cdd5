"""A model's folder is looked at before anything costs time: each fault is a sentence, and a good one has none."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from ratchet.errors import UserError
from ratchet.models import load_for_evaluation, locate
from ratchet.models.folder import check_folder, check_weights, faults


@pytest.fixture
def model(tmp_path):
    """A copy of the tiny model, to be spoilt."""
    shutil.copytree(locate("ratchet-tiny"), tmp_path / "model")
    return tmp_path / "model"


def changed(model, **values):
    path = model / "config.json"
    config = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


def renamed(model, rename):
    weights = load_file(model / "model.safetensors")
    save_file({rename(name): value for name, value in weights.items()}, model / "model.safetensors", {"format": "pt"})


def cut(model):
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100_000])


SPOILT = {
    "wrapped": (lambda model: renamed(model, "_orig_mod.{}".format), "begin with _orig_mod."),
    "distributed": (lambda model: renamed(model, "module.{}".format), "begin with module."),
    "cut off": (cut, "cut off"),
    "pointer": (
        lambda m: (m / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1"),
        "git lfs",
    ),
    "empty": (lambda m: (m / "model.safetensors").write_bytes(b""), "cut off, or no safetensors file"),
    "no architecture": (lambda model: changed(model, architectures=None), 'no "architectures"'),
    "padding": (lambda model: changed(model, pad_token_id=999_999), "pad_token_id 999999"),
    "tokenizer": (lambda model: changed(model, vocab_size=600), "an embedding of 600"),
    "configuration": (lambda model: (model / "config.json").write_text("{"), "config.json cannot be read"),
    "index": (
        lambda m: (m / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-00002.safetensors"}}'),
        "model-00002.safetensors is missing",
    ),
}


def test_a_whole_model_has_no_fault(model):
    assert faults(model) == []
    check_weights(str(model))


@pytest.mark.parametrize("name", SPOILT)
def test_each_fault_is_named(model, name):
    spoil, says = SPOILT[name]
    spoil(model)
    with pytest.raises(UserError, match=says):
        check_folder(str(model))


@pytest.mark.parametrize("rename", [lambda name: f"base.{name}", lambda name: name.replace("layers.0.", "layers.7.")])
def test_weights_of_another_model_are_refused_with_their_names(model, rename):
    renamed(model, rename)
    for load in (check_weights, lambda path: load_for_evaluation(path, "float32", "cpu")):
        with pytest.raises(UserError, match=r"are missing and would be random.*are left over"):
            load(str(model))


def test_training_and_plan_refuse_it_too(script, model):
    renamed(model, "_orig_mod.{}".format)
    words = ["recipes/debug/grpo.yaml", "--model_name_or_path", str(model)]
    assert "begin with _orig_mod." in script("scripts/grpo.py", *words, code=2).stderr
    assert "begin with _orig_mod." in script("ratchet", "plan", *words, code=1).stdout
