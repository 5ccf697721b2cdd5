"""Choices, attention and the clock, each by itself."""

import time
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from ratchet.diagnostics.attention import entropy, look
from ratchet.diagnostics.choice_logprobs import ChoiceTokens, Head, head_of, kl, margins
from ratchet.diagnostics.clock import Clock
from ratchet.diagnostics.loss_slice import direction, loss_slice
from ratchet.diagnostics.observer import Observer
from ratchet.models import load_tokenizer, locate
from ratchet.recipe.groups import Diagnostics
from ratchet.training.vllm_server import time_weight_sync


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
    assert kl(logits, logits).item() == pytest.approx(0, abs=1e-7)
    assert kl(logits, torch.log(torch.tensor([[0.25, 0.5, 0.25]]))).item() == pytest.approx(0.25 * 0.6931, abs=1e-3)


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


def test_a_phase_inside_another_is_counted_once():
    clock, start = Clock(), time.perf_counter()
    with clock.phase("outer"):
        time.sleep(0.02)
        with clock.phase("inner"):
            time.sleep(0.05)
    found, whole = clock.take(), time.perf_counter() - start
    assert found["inner"] >= 0.05 and found["outer"] >= 0.02
    assert found["inner"] + found["outer"] <= whole
    assert clock.take() == {}


def test_a_phase_that_an_exception_left_open_is_closed_with_the_one_around_it():
    clock = Clock()
    clock.begin("training")
    clock.begin("rollout")
    clock.end("training")
    clock.take()
    time.sleep(0.01)
    assert clock.take() == {}


def test_directions_are_scaled_filter_by_filter_and_the_slice_leaves_the_model_as_it_was():
    model = AutoModelForCausalLM.from_pretrained(locate("ratchet-tiny"))
    found = direction(model, torch.Generator().manual_seed(0))
    weights = dict(model.named_parameters())
    for name, moved in found.items():
        assert torch.allclose(moved.flatten(1).norm(dim=1), weights[name].flatten(1).norm(dim=1), rtol=1e-4)
    assert not any(weights[name].ndim < 2 for name in found)
    before = {name: weight.clone() for name, weight in weights.items()}
    batch = {
        "input_ids": torch.arange(10, 20).unsqueeze(0),
        "attention_mask": torch.ones(1, 10, dtype=torch.long),
        "labels": torch.arange(10, 20).unsqueeze(0),
    }
    losses = loss_slice(model, batch, [-1.0, 0.0, 1.0], 0)
    with torch.no_grad():
        assert losses[1][1] == pytest.approx(model(**batch).loss.item(), rel=1e-5)
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())


def test_the_seconds_of_a_weight_sync_are_counted_apart_from_the_rollout():
    def slow():
        time.sleep(0.05)

    vllm = SimpleNamespace(sync_weights=slow)
    model = torch.nn.Linear(2, 2)
    accelerator = SimpleNamespace(unwrap_model=lambda model, **_: model)
    trainer = SimpleNamespace(accelerator=accelerator, model=model, is_deepspeed_enabled=False, vllm_generation=vllm)
    observer = Observer(trainer, Diagnostics(), [])
    time_weight_sync(trainer, observer.clock)
    start = time.perf_counter()
    with observer.clock.phase("rollout"):
        vllm.sync_weights()
    found, whole = observer.clock.take(), time.perf_counter() - start
    assert found["weight_sync"] >= 0.05 and found["weight_sync"] + found["rollout"] <= whole
