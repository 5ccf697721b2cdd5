"""SFT on packed rows: attention keeps them apart, and a run says how many there are."""

import json
import re

import pytest
import torch


@pytest.mark.parametrize("family", ["qwen3", "qwen2", "llama"])
def test_rows_of_a_packed_sequence_do_not_see_each_other(family):
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "vocab_size": 100, "head_dim": 16}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **sizes, **heads)).eval()
    assert model.config._attn_implementation == "sdpa"  # what a recipe without attn_implementation gets
    first, second = torch.randint(100, (1, 9)), torch.randint(100, (1, 7))
    positions = torch.cat([torch.arange(9), torch.arange(7)])[None]
    with torch.no_grad():
        apart = torch.cat([model(row).logits for row in (first, second)], dim=1)
        packed = model(torch.cat([first, second], dim=1), position_ids=positions, use_cache=False).logits
    assert torch.allclose(apart, packed, atol=1e-5)


def test_a_packed_run_says_its_rows_and_takes_as_many_steps(script, tmp_path):
    words = ("--packing", "true", "--max_steps", "-1", "--num_train_epochs", "1", "--evaluation.after", "false")
    said = script("scripts/sft.py", "recipes/debug/sft.yaml", *words, "--report", "off", "--output_dir", "out").stdout
    rows, packed, steps = map(
        int, re.search(r"packed +(\d+) rows into (\d+) of 256 tokens: (\d+) steps", said).groups()
    )
    assert packed < rows == 400
    assert json.loads((tmp_path / "out/result.json").read_text())["steps"] == steps == -(-packed // 16)
