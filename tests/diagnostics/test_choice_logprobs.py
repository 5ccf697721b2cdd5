"""Where the committed choice stands among tokens, and the logits of all choices from the output head."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from ratchet.diagnostics.choice_logprobs import ChoiceTokens, Head, head_of, margins
from ratchet.diagnostics.kl import choice_kl
from ratchet.models import load_tokenizer, locate


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(locate("ratchet-tiny"))


def ids(tokenizer, text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("text", ["Answer: C", "A C or B?\nAnswer: C", "C) 42\nso C\nAnswer: C"])
def test_the_place_is_that_of_the_committed_letter_among_others(tokenizer, text):
    choices = ChoiceTokens(tokenizer, "ABCDE")
    ((place, family),) = choices.places([ids(tokenizer, text)], [(text, text.rindex("C"))])
    assert tokenizer.decode(ids(tokenizer, text)[: place + 1]) == text
    assert choices.families[family][2] == ids(tokenizer, text)[place]


def test_a_completion_without_a_committed_letter_has_no_place(tokenizer):
    choices = ChoiceTokens(tokenizer, "ABCDE")
    assert choices.places([ids(tokenizer, "A or B"), ids(tokenizer, "C")], [None, ("C", 0)]) == [
        (-1, 0),
        (0, choices.of_token[ids(tokenizer, "C")[0]][0]),
    ]


def test_a_letter_inside_a_longer_token_has_no_place(tokenizer):
    text = "Answer: C"
    tokens = ids(tokenizer, "no letter here")
    assert ChoiceTokens(tokenizer, "ABCDE").places([tokens], [(text, 8)]) == [(-1, 0)]


def test_families_differ_in_the_letter_alone(tokenizer):
    for family in ChoiceTokens(tokenizer, "ABCDE").families:
        texts = [tokenizer.convert_ids_to_tokens(token) for token in family]
        assert [text.replace("ABCDE"[i], "?") for i, text in enumerate(texts)] == [texts[0].replace("A", "?")] * 5


def test_the_head_scales_caps_and_adds_its_bias():
    weight, bias, hidden = torch.randn(9, 4), torch.randn(9), torch.randn(2, 4)
    tokens = torch.tensor([[1, 2], [3, 4]])
    found = Head(weight, bias, 0.5, 2.0).logits(hidden, tokens)
    expected = 2.0 * torch.tanh((hidden @ weight.T + bias) * 0.5 / 2.0)
    assert torch.allclose(found, expected.gather(1, tokens), atol=1e-6)


@pytest.mark.parametrize(
    ("model_type", "key", "value"),
    [("granite", "logits_scaling", 8.0), ("cohere", "logit_scale", 0.25), ("gemma2", "final_logit_softcapping", 5.0)],
)
def test_letter_logits_are_the_models_own_for_heads_with_scale_or_cap(model_type, key, value):
    shape = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "vocab_size": 40,
        "head_dim": 8,
    }
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(model_type, **shape, **{key: value}, pad_token_id=0, bos_token_id=1, eos_token_id=2)
    ).eval()
    given = torch.arange(3, 9).unsqueeze(0)
    hidden = model.base_model(given).last_hidden_state[0]
    tokens = torch.arange(5, 10).expand(len(hidden), 5)
    assert torch.allclose(head_of(model).logits(hidden, tokens), model(given).logits[0][:, 5:10].float(), atol=1e-5)


def test_margin_and_distance_of_known_distributions():
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25]]))
    assert margins(logits).item() == pytest.approx(0.6931, abs=1e-3)
    assert choice_kl(logits, logits).item() == pytest.approx(0, abs=1e-7)
    assert choice_kl(logits, torch.log(torch.tensor([[0.25, 0.5, 0.25]]))).item() == pytest.approx(
        0.25 * 0.6931, abs=1e-3
    )
