"""A model's own settings change neither rollouts nor measurement, and are in the saved model as they were."""

import json
import shutil

import pytest

from ratchet.models import locate
from ratchet.models.sampling import own_sampling

OWN = {"repetition_penalty": 1.4, "no_repeat_ngram_size": 2, "min_length": 20, "do_sample": True, "temperature": 0.1}


@pytest.fixture
def opinionated(tmp_path):
    """The tiny model with a generation_config.json as some authors publish them."""
    folder = tmp_path / "model"
    shutil.copytree(locate("ratchet-tiny"), folder)
    path = folder / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **OWN}))
    return folder


def test_what_a_models_file_would_add_is_named(opinionated):
    assert own_sampling(str(opinionated)) == {name: OWN[name] for name in list(OWN)[:3]}
    assert own_sampling(locate("ratchet-tiny")) == {}


def test_rollouts_and_evaluation_are_the_recipes_and_the_saved_model_has_its_own_file(script, tmp_path, opinionated):
    words = ["recipes/debug/grpo.yaml", "--max_steps", "2", "--diagnostics", "off", "--report", "off"]
    plain = script("scripts/grpo.py", *words, "--output_dir", "plain")
    own = script("scripts/grpo.py", *words, "--output_dir", "own", "--model_name_or_path", str(opinionated))
    assert "repetition_penalty: 1.4" in own.stdout and "repetition_penalty" not in plain.stdout
    results = [json.loads((tmp_path / name / "result.json").read_text()) for name in ("plain", "own")]
    assert results[0]["after"] == results[1]["after"]
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("plain", "own")]
    assert weights[0] == weights[1]
    saved = json.loads((tmp_path / "own/generation_config.json").read_text())
    assert {name: saved[name] for name in OWN} == OWN


MIXTURE = (
    "{model_type: mixtral, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, "
    "num_key_value_heads: 2, num_local_experts: 4, num_experts_per_tok: 2, max_position_embeddings: 512}"
)


def test_a_mixture_of_experts_is_measured_after_sft_and_saved_as_it_was(script, tmp_path):
    script(
        *("scripts/sft.py", "recipes/debug/sft.yaml", "--max_steps", "2", "--diagnostics", "off", "--report", "off"),
        *("--from_scratch.config", MIXTURE, "--activation_checkpointing", "true", "--output_dir", "out"),
    )
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert not config.get("output_router_logits", False) and config.get("use_cache", True)
    script("ratchet", "evaluate", "out/recipe.yaml", "--model", "out", "--evaluation.max_rows", "4")
