"""Pushing while the Hub fails, and going on from it: the real client over real HTTP against a stand-in."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("hub_server", Path(__file__).resolve().parents[1] / "hub_server.py")
hub_server = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hub_server)

PUSH = "--push_to_hub true --hub_model_id me/model --hub_strategy checkpoint --save_strategy steps --save_steps 2 --max_steps 4 --report off --evaluation.max_rows 4 --output_dir out"


@pytest.fixture
def hub():
    return hub_server.Hub()


def push(script, hub, *more: str, **options):
    return script("scripts/grpo.py", "recipes/debug/grpo.yaml", *PUSH.split(), *more, **hub.environ(), **options)


def test_a_run_is_pushed_as_it_goes_and_goes_on_from_the_hub(script, tmp_path, hub):
    done = push(script, hub)
    assert "pushed to me/model" in done.stdout and hub.private["me/model"]
    files = hub.files["me/model"]
    assert {"model.safetensors", "README.md", "tokenizer.json", "recipe.yaml", "last-checkpoint/manifest.json"} <= set(files)
    kept_home = ("diagnostics/", "data/", "_", "training_args.bin", "run.json", "checkpoint-")
    assert not [path for path in files if path.startswith(kept_home)]
    assert files["model.safetensors"] == (tmp_path / "out/model.safetensors").read_bytes()
    assert "step 2" in hub.commits
    shutil.move(tmp_path / "out", tmp_path / "lost")
    again = push(script, hub, "--resume", "hub")
    assert "goes on     after step 4, from out/checkpoint-4" in again.stdout
    assert (tmp_path / "out/model.safetensors").read_bytes() == (tmp_path / "lost/model.safetensors").read_bytes()


def test_a_hub_that_fails_for_a_while_costs_warnings_only(script, tmp_path, hub):
    hub.faults += [500, 0, 429, 503, 500, 500, 0, 500, 500, 500, 500, 500]
    done = push(script, hub)
    assert "it is tried again while training goes on" in done.stdout and "pushed to me/model" in done.stdout
    assert "last-checkpoint/manifest.json" in hub.files["me/model"]


@pytest.mark.parametrize("status", [401, None], ids=["token expired", "unreachable"])
def test_what_could_not_be_pushed_is_named_with_the_command(script, tmp_path, hub, status):
    if status:
        hub.faults += [status] * 1000
    else:
        hub.http.shutdown()
        hub.http.server_close()
    done = push(script, hub, "--faults.upload_wait", "6")
    assert json.loads((tmp_path / "out/result.json").read_text())["steps"] == 4
    assert "warning: not everything could be pushed to the Hub" in done.stdout and "hf upload me/model out" in done.stdout


def test_a_hub_without_a_checkpoint_is_said(script, hub):
    hub.create({"name": "model"})
    assert "me/model has no last-checkpoint/" in push(script, hub, "--resume", "hub", code=2).stderr


def test_a_repository_that_is_not_there_is_said(script, hub):
    done = push(script, hub, "--resume", "hub", code=2)
    assert "me/model could not be had from the Hub" in done.stderr and "Traceback" not in done.stderr
