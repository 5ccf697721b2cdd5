"""Models and adapters on the Hub, by name and revision: over real HTTP, with the real client."""

import json
from pathlib import Path

import pytest

from ratchet.errors import UserError
from ratchet.models import hub as module
from ratchet.models import locate, locate_of
from ratchet.models.adapters import base_of
from ratchet.models.folder import on_hub


@pytest.fixture
def models(hub):
    """A Hub with a model, another revision of it, and an adapter to that."""
    module.fetched.cache_clear()
    tiny = {path.name: path.read_bytes() for path in Path(locate("ratchet-tiny")).iterdir() if path.is_file()}
    extra = {"onnx/model.onnx": b"o", "optimizer.bin": b"o", "pytorch_model.bin": b"p", "original/a.safetensors": b"s"}
    adapter = {"base_model_name_or_path": "me/base", "revision": "later"}
    files = {"adapter_config.json": json.dumps(adapter).encode(), "adapter_model.safetensors": b"a"}
    hub.branches = {
        "me/base": {"main": {**tiny, **extra}, "later": {**tiny, "config.json": b'{"later": true}'}},
        "me/adapter": {"main": files},
        "me/notes": {"main": {"README.md": b""}},
    }
    hub.private = dict.fromkeys(hub.branches, False)
    yield hub
    module.fetched.cache_clear()


def test_a_model_becomes_a_folder_with_what_it_is_loaded_from(models):
    there = {path.name for path in Path(locate("me/base")).rglob("*")}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= there
    assert not there & {"onnx", "original", "optimizer.bin", "pytorch_model.bin"}


def test_tokenizer_and_configuration_come_without_the_weights(models):
    assert not (Path(locate("me/base", weights=False)) / "model.safetensors").exists()
    assert (Path(locate("me/base")) / "model.safetensors").exists()


@pytest.mark.parametrize("of", [lambda: locate("me/base@later"), lambda: locate("me/base", "later")])
def test_a_revision_is_named_by_itself_or_behind_the_name(models, of):
    assert (Path(of()) / "config.json").read_text() == '{"later": true}'


def test_a_recipes_revision_is_that_of_its_own_model_alone(models):
    values = {"model_name_or_path": "me/base", "model_revision": "later"}
    assert locate_of(values) == locate("me/base@later") == locate_of(values, "me/base")
    assert locate_of({**values, "model_name_or_path": "me/other"}, "me/base") == locate("me/base")


def test_an_adapter_brings_the_model_it_belongs_to_at_its_revision(models):
    assert base_of(locate("me/adapter")) == locate("me/base@later")


def test_what_was_fetched_is_there_without_a_network(models, monkeypatch):
    from huggingface_hub import constants

    found = locate("me/base")
    module.fetched.cache_clear()
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert locate("me/base") == found
    module.fetched.cache_clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert locate("me/base") == found


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("me/nothing", "there is no folder me/nothing, and no such model on the Hub"),
        ("me/base@never", "me/base has no revision never; there are main, later"),
        ("me/notes", "me/notes on the Hub has no config.json"),
        ("a b", "there is no folder a b, and no model of the Hub has such a name"),
    ],
)
def test_what_the_hub_lacks_is_said_at_once(models, name, says):
    with pytest.raises(UserError, match=says):
        locate(name)


@pytest.mark.parametrize(
    ("switched", "says"), [(True, "HF_HUB_OFFLINE is set"), (False, "the Hub cannot be reached .ConnectError.")]
)
def test_without_a_network_a_model_that_was_never_fetched_is_said(models, monkeypatch, switched, says):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", switched)
    with pytest.raises(UserError, match=f"cannot be had, since {says}"):
        locate("me/base")


def test_a_misspelt_name_gets_the_nearest_of_its_owner(models):
    with pytest.raises(UserError, match="did you mean me/base[?]"):
        locate("me/bose")


def test_a_folder_and_the_embedded_model_are_not_on_the_hub(tmp_path):
    assert on_hub("ratchet-tiny") is None and on_hub(str(tmp_path)) is None
    assert on_hub("a/b@c") == ("a/b", "c") and on_hub("a/b", "d") == ("a/b", "d")
