"""A recipe, a run's folder without a model, and a stand-in for the Hub that this process talks to."""

import json
from pathlib import Path

import pytest
from hub_server import Hub

from ratchet.recipe import load_recipe


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub over real HTTP; the real client in this process takes it for the real one."""
    from huggingface_hub import constants

    hub = Hub()
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    yield hub
    hub.http.shutdown()
    hub.http.server_close()


@pytest.fixture
def recipe(tmp_path):
    """A function that makes a recipe whose output folder is ``out``."""

    def make(**values):
        text = {
            "trainer": "grpo",
            "task": "aquarat",
            "data": {"source": "generated"},
            "model_name_or_path": "ratchet-tiny",
            "rewards": {"correctness": {"weight": 1.0}},
            "use_cpu": True,
            "bf16": False,
            "output_dir": str(tmp_path / "out"),
            **values,
        }
        path = tmp_path / "recipe.yaml"
        path.write_text(json.dumps({key: value for key, value in text.items() if value is not None}))
        return load_recipe(path, environ={}, to_train=False)

    return make


@pytest.fixture
def fill():
    """A function that writes what a model's folder holds, weights being a few bytes."""

    def write(folder: Path, weights: bytes = b"weights", **texts: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.safetensors").write_bytes(weights)
        (folder / "config.json").write_text("{}")
        for name in ("optimizer.pt", "training_args.bin", "trainer_state.json", "manifest.json"):
            (folder / name).write_bytes(b"{}")
        for name, text in texts.items():
            (folder / name).write_text(text)
        return folder

    return write
