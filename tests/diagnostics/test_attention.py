"""The attention probe sees what eager attention computes, and leaves the model as it was."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from ratchet.diagnostics.attention import entropy, look


def test_uniform_weights_have_the_highest_entropy():
    assert entropy(torch.full((1, 8), 0.125)).item() == pytest.approx(2.0794, abs=1e-3)
    assert entropy(torch.tensor([[1.0, 0.0]])).item() == 0


@pytest.mark.parametrize("model_type", ["qwen3", "nanochat", "gemma2", "llama"])
def test_a_probe_leaves_the_model_as_it_was(model_type):
    shape = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "vocab_size": 40,
        "head_dim": 8,
    }
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(model_type, **shape, pad_token_id=0, bos_token_id=1, eos_token_id=2)
    ).train()
    before, implementation = (
        {name: value.clone() for name, value in model.state_dict().items()},
        model.config._attn_implementation,
    )
    random = torch.get_rng_state()
    given = {
        "input_ids": torch.tensor([[0, 0, 5, 6, 7, 8], [3, 4, 5, 6, 7, 8]]),
        "attention_mask": torch.tensor([[0, 0, 1, 1, 1, 1], [1] * 6]),
    }
    seen = look(model, given, 3, [(1, 0), (9, 9)])
    assert [*seen.entropy] == [0, 1] and [*seen.maps] == [(1, 0)] and seen.hidden.shape == (2, 16)
    assert seen.maps[1, 0].sum(-1)[-1].item() == pytest.approx(1.0, abs=1e-4)
    assert (
        model.training
        and model.config._attn_implementation == implementation
        and torch.equal(random, torch.get_rng_state())
    )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    model.set_attn_implementation("eager")
    model.eval()
    positions = (given["attention_mask"].cumsum(-1) - 1).clamp(min=0)
    for i, weights in enumerate(model(**given, position_ids=positions, output_attentions=True).attentions):
        assert seen.entropy[i].item() == pytest.approx(
            torch.special.entr(weights[:, :, -3:]).sum(-1).mean().item(), abs=1e-5
        )
