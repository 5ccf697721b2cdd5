"""Adapters through their whole life: trained, trained further, merged, planned, measured, moved."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from hub_server import Hub
from safetensors.torch import load_file

from ratchet.models import load_for_evaluation, locate

SMALL = (
    *("--model_name_or_path", "ratchet-tiny", "--from_scratch", "null", "--max_steps", "2", "--report", "off"),
    *("--evaluation.after", "false", "--diagnostics", "off"),
)
LORA = ("--use_peft", "true", "--lora_target_modules", "[q_proj, v_proj]", "--lora_r", "4", "--lora_dropout", "0.0")


@pytest.fixture(scope="module")
def lora(tmp_path_factory) -> Path:
    """An adapter that SFT has trained."""
    from conftest import _runner

    place = tmp_path_factory.mktemp("lora")
    _runner(place)(
        "scripts/sft.py", "recipes/debug/sft.yaml", *SMALL, *LORA, "--learning_rate", "5e-3", "--output_dir", "lora"
    )
    return place / "lora"


def grpo(script, lora, *more, output="out", **settings):
    words = ("scripts/grpo.py", "recipes/debug/grpo.yaml", *SMALL, "--model_name_or_path", str(lora))
    return script(*words, "--output_dir", output, *more, **settings)


def adapter(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def far(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    """How far apart weights are, relative to their size."""
    apart = sum(float((first[name] - second[name]).norm() ** 2) for name in first)
    return (apart / sum(float(weight.norm() ** 2) for weight in first.values())) ** 0.5


def test_grpo_goes_on_with_the_adapter_that_sft_trained(script, tmp_path, lora):
    grpo(script, lora, "--use_peft", "true", "--learning_rate", "1e-4")
    before, after = adapter(lora), adapter(tmp_path / "out")
    assert 0 < far(before, after) < 0.05
    assert json.loads((tmp_path / "out/adapter_config.json").read_text())["r"] == 4


def test_the_reference_is_the_model_as_it_is_at_the_start(script, tmp_path, lora):
    grpo(script, lora, "--use_peft", "true", "--beta", "0.1", "--logging_steps", "1", "--diagnostics.every", "1")
    lines = [json.loads(line) for line in (tmp_path / "out/diagnostics/log.jsonl").read_text().splitlines()]
    assert lines[0]["kl"] == pytest.approx(0.0, abs=1e-5)


def test_the_initial_model_of_the_diagnostics_is_the_one_at_the_start(script, tmp_path, lora):
    words = ("--use_peft", "true", "--logging_steps", "1", "--diagnostics.mode", "on", "--diagnostics.every", "1")
    grpo(script, lora, *words)
    lines = [json.loads(line) for line in (tmp_path / "out/diagnostics/log.jsonl").read_text().splitlines()]
    assert lines[0]["rl/kl_sequence_mean"] == pytest.approx(0.0, abs=1e-5)


def test_a_stopped_run_goes_on_exactly(script, tmp_path, lora):
    words = ("--use_peft", "true", "--save_strategy", "steps", "--save_steps", "2", "--max_steps", "4")
    grpo(script, lora, *words, output="whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "half")
    shutil.rmtree(tmp_path / "half/checkpoint-4")
    (tmp_path / "half/result.json").unlink()
    said = grpo(script, lora, *words, output="half").stdout
    assert "after step 2, from half/checkpoint-2" in said
    assert far(adapter(tmp_path / "whole"), adapter(tmp_path / "half")) == 0.0


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_for_evaluation(str(folder), "float32", "cpu").state_dict()


def test_without_peft_the_adapter_is_merged_and_all_weights_are_trained(script, tmp_path, lora):
    grpo(script, lora, "--learning_rate", "1e-5")
    assert far(weights(lora), weights(tmp_path / "out/initial_model")) < 1e-6
    assert 0 < far(weights(lora), weights(tmp_path / "out")) < 0.01
    assert not (tmp_path / "out/adapter_config.json").exists()


def test_a_new_adapter_begins_on_the_merged_model_and_moves_with_its_run(script, tmp_path, lora):
    grpo(script, lora, *LORA[:4], "--lora_r", "2", "--adapter", "merge")
    found = weights(tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "moved")
    assert far(found, weights(tmp_path / "moved")) == 0.0
    said = script("ratchet", "evaluate", "moved/recipe.yaml", "--model", "moved", "--evaluation.max_rows", "4").stdout
    assert "(n = 4)" in said


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--use_peft", "true", "--lora_r", "8"), "take out lora_r: 8 (the adapter has 4)"),
        (("--adapter", "continue"), "which needs use_peft: true"),
        (("--adapter", "merge", "--model_name_or_path", "ratchet-tiny"), "is a whole model"),
    ],
    ids=["another rank", "no peft", "no adapter"],
)
def test_a_recipe_that_contradicts_the_adapter_is_refused(script, lora, more, says):
    assert says in grpo(script, lora, *more, code=2).stderr


def test_an_adapter_whose_model_is_gone_is_said(script, tmp_path, lora):
    broken = tmp_path / "broken"
    shutil.copytree(lora, broken)
    config = json.loads((broken / "adapter_config.json").read_text())
    (broken / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": "/nowhere/base"}))
    said = grpo(script, broken, "--use_peft", "true", code=2).stderr
    assert "is an adapter to the model in /nowhere/base, which is not there" in said


def test_plan_knows_the_model_that_an_adapter_belongs_to(script, lora):
    words = ("recipes/debug/grpo.yaml", "--from_scratch", "null", "--model_name_or_path", str(lora))
    assert "trained (LoRA)" in script("ratchet", "plan", *words, "--use_peft", "true").stdout


def test_a_merged_model_answers_as_the_adapter_does(script, tmp_path, lora):
    said = script("ratchet", "merge", str(lora), "--output", "merged").stdout
    assert float(said.split(" differ by ")[1].split()[0]) < 1e-4
    assert far(weights(lora), weights(tmp_path / "merged")) < 1e-6
    assert "not empty" in script("ratchet", "merge", str(lora), "--output", "merged", code=2).stderr
    assert "there is nothing to merge" in script("ratchet", "merge", "ratchet-tiny", "--output", "x", code=2).stderr


@pytest.mark.apart
def test_an_adapter_beside_4_bit_weights_lives_beside_them(script, tmp_path):
    quantised = (*LORA, "--load_in_4bit", "true", "--learning_rate", "5e-3")
    rows = ("--evaluation.max_rows", "40", "--evaluation.after", "true")
    script("scripts/sft.py", "recipes/debug/sft.yaml", *SMALL, *quantised, *rows, "--output_dir", "four")
    inside = json.loads((tmp_path / "four/result.json").read_text())["after"]
    script("ratchet", "evaluate", "four/recipe.yaml", "--model", "four", "--output", "again.json")
    again = json.loads((tmp_path / "again.json").read_text())
    same = ("accuracy", "n", "low", "high")
    assert [again.get(key) for key in same] == [inside.get(key) for key in same]
    grpo(script, "four", "--use_peft", "true", "--load_in_4bit", "true", "--learning_rate", "1e-4")
    assert 0 < far(adapter(tmp_path / "four"), adapter(tmp_path / "out")) < 0.05
    assert "differ by" in script("ratchet", "merge", "four", "--output", "merged").stdout


@pytest.fixture(scope="module")
def hub(lora):
    """A Hub with the embedded model, and the adapter to it as it is published."""
    found = Hub()
    found.branches["me/base"] = {"main": {p.name: p.read_bytes() for p in Path(locate("ratchet-tiny")).iterdir()}}
    settings = json.loads((lora / "adapter_config.json").read_text())
    files = {p.name: p.read_bytes() for p in lora.iterdir() if p.is_file() and p.name != "recipe.yaml"}
    files["adapter_config.json"] = json.dumps({**settings, "base_model_name_or_path": "me/base"}).encode()
    found.branches["me/adapter"] = {"main": {}, "step-000002": files}
    found.private = dict.fromkeys(found.branches, False)
    return found


ADAPTER = "me/adapter@step-000002"
AQUA = ("--task", "aquarat", "--data.source", "generated", "--use_cpu", "true", "--bf16", "false")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("evaluate", "recipes/debug/sft.yaml", "--model", ADAPTER, "--evaluation.max_rows", "4"), "(n = 4)"),
        (("plan", "recipes/debug/grpo.yaml", *SMALL[:4], "--model_name_or_path", ADAPTER, *LORA[:2]), "(LoRA)"),
        (("merge", ADAPTER, "--output", "merged"), "differ by"),
        (("chat", ADAPTER, *AQUA, "--row", "0"), "validation-0"),
    ],
    ids=["evaluate", "plan", "merge", "chat"],
)
def test_an_adapter_on_the_hub_is_one_like_any_other(script, tmp_path, hub, words, says):
    assert says in script("ratchet", *words, HF_HOME=str(tmp_path / "cache"), **hub.environ()).stdout


def test_training_goes_on_from_an_adapter_on_the_hub_and_names_its_model(script, tmp_path, lora, hub):
    environ = {"HF_HOME": str(tmp_path / "cache"), **hub.environ()}
    grpo(script, ADAPTER, "--use_peft", "true", "--learning_rate", "1e-4", **environ)
    assert 0 < far(adapter(lora), adapter(tmp_path / "out")) < 0.05
    assert json.loads((tmp_path / "out/adapter_config.json").read_text())["base_model_name_or_path"] == "me/base"


def test_an_adapter_to_a_model_of_the_hub_is_published_with_its_name(script, tmp_path, hub):
    environ = {"HF_HOME": str(tmp_path / "cache"), **hub.environ()}
    push = (
        "--push_to_hub",
        "true",
        "--hub_model_id",
        "me/trained",
        "--save_strategy",
        "steps",
        "--save_steps",
        "1",
        "--hub_strategy",
        "every_save",
    )
    grpo(script, "me/base@main", *LORA, *push, **environ)
    assert set(hub.branches["me/trained"]) == {"main", "step-000001", "step-000002"}
    for files in hub.branches["me/trained"].values():
        settings = json.loads(files["adapter_config.json"])
        assert (settings["base_model_name_or_path"], settings["revision"]) == ("me/base", "main")
        assert b"base_model: me/base" in files["README.md"]
        assert not any(str(tmp_path).encode() in files[name] for name in files if not name.endswith("safetensors"))
    words = ("recipes/debug/sft.yaml", "--model", "me/trained", "--evaluation.max_rows", "4")
    assert "(n = 4)" in script("ratchet", "evaluate", *words, **environ).stdout


def test_an_adapter_to_a_folder_is_published_when_its_model_is_named(script, tmp_path, lora, hub):
    shutil.copytree(lora, tmp_path / "run")
    refused = script("ratchet", "push", "run", "--repo", "me/ours", code=2, **hub.environ()).stderr
    assert "publish that model and name it (publish.base: OWNER/MODEL" in refused and "me/ours" not in hub.branches
    script("ratchet", "push", "run", "--repo", "me/ours", "--base", "me/base", **hub.environ())
    settings = json.loads(hub.files("me/ours")["adapter_config.json"])
    assert settings["base_model_name_or_path"] == "me/base"


@pytest.fixture(scope="module")
def made(lora, tmp_path_factory):
    """What runs leave: a whole model and an adapter, each as an output and as a checkpoint."""
    from conftest import _runner

    place, words = tmp_path_factory.mktemp("made"), ("scripts/grpo.py", "recipes/debug/grpo.yaml", *SMALL)
    save = ("--save_strategy", "steps", "--save_steps", "1", "--learning_rate", "1e-5")
    _runner(place)(*words, *save, "--output_dir", "full")
    _runner(place)(*words, *save, "--model_name_or_path", str(lora), "--use_peft", "true", "--output_dir", "adapter")
    return {name: place / name for name in ("full", "full/checkpoint-1", "adapter", "adapter/checkpoint-1")}


@pytest.mark.apart
@pytest.mark.parametrize("producer", ["full", "full/checkpoint-1", "adapter", "adapter/checkpoint-1"])
@pytest.mark.parametrize("consumer", ["plan", "evaluate", "chat", "grpo", "sft", "merge", "push"])
def test_what_a_run_left_is_taken_by_everything(script, tmp_path, made, hub, producer, consumer):
    folder, is_adapter = str(made[producer]), producer.startswith("adapter")
    peft = ("--use_peft", "true") if is_adapter else ()
    words = {
        "plan": ("ratchet", "plan", "recipes/debug/grpo.yaml", *SMALL[2:4], "--model_name_or_path", folder, *peft),
        "evaluate": ("ratchet", "evaluate", "recipes/debug/sft.yaml", "--model", folder, "--evaluation.max_rows", "4"),
        "chat": ("ratchet", "chat", folder, "--row", "0"),
        "grpo": ("scripts/grpo.py", "recipes/debug/grpo.yaml", *SMALL, "--model_name_or_path", folder, *peft),
        "sft": ("scripts/sft.py", "recipes/debug/sft.yaml", *SMALL, "--model_name_or_path", folder, *peft),
        "merge": ("ratchet", "merge", folder, "--output", "merged"),
        "push": ("ratchet", "push", folder.removesuffix("/checkpoint-1"), "--repo", "me/made", "--base", "me/base"),
    }[consumer]
    if consumer in ("grpo", "sft"):
        words += ("--output_dir", "next")
    refused = consumer == "merge" and not is_adapter
    script(*words, code=2 if refused else 0, **(hub.environ() if consumer == "push" else {}))
    if consumer == "merge" and is_adapter:
        assert far(weights(made[producer]), weights(tmp_path / "merged")) < 1e-6
