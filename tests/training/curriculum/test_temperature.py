"""A temperature that changes: where it stands at a step, and that scores follow it."""

from types import MethodType

import pytest
import torch
from accelerate.utils import convert_outputs_to_fp32
from peft import LoraConfig, get_peft_model
from transformers import Qwen3Config, Qwen3ForCausalLM
from trl.trainer.utils import add_fused_lm_head

from ratchet.recipe.groups import Curriculum
from ratchet.training.curriculum.temperature import scoring_temperature, temperature_at

IDS = torch.arange(12).reshape(2, 6)


@pytest.fixture
def model():
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "vocab_size": 64, "head_dim": 8}
    made = Qwen3ForCausalLM(
        Qwen3Config(**sizes, num_attention_heads=4, num_key_value_heads=4, tie_word_embeddings=False)
    )
    torch.nn.init.normal_(made.lm_head.weight)
    return made


def as_it_is(model):
    return model


def with_an_adapter(model):
    return get_peft_model(model, LoraConfig(target_modules=["q_proj"]))


def in_bfloat16(model):
    """As ``Accelerator.prepare_model`` does it."""
    forward = torch.autocast("cpu", torch.bfloat16)(model.forward.__func__)
    model.forward = MethodType(convert_outputs_to_fp32(forward), model)
    return model


@pytest.mark.parametrize("wrap", [as_it_is, with_an_adapter, in_bfloat16], ids=lambda wrap: wrap.__name__)
def test_scores_are_those_of_the_temperature_that_was_set(model, wrap):
    add_fused_lm_head(model)
    wrapped = wrap(model)
    for value in (1.0, 0.5, 2.0):
        scoring_temperature(wrapped).cell_contents = value
        with torch.no_grad():
            found = wrapped(IDS, labels=IDS, fused_lm_head=True).log_probs
            wanted = (wrapped(IDS).logits[:, :-1].float() / value).log_softmax(-1).gather(2, IDS[:, 1:, None])[..., 0]
        assert torch.allclose(found.float(), wanted, atol=0.1 if wrap is in_bfloat16 else 1e-5)


def test_a_temperature_arrives_after_its_steps_and_stays():
    settings = Curriculum(temperature_to=0.5, temperature_steps=2, temperature_shape="cosine")
    found = [temperature_at(settings, 1.5, step, 100) for step in range(4)]
    assert found == pytest.approx([1.5, 1.0, 0.5, 0.5])
