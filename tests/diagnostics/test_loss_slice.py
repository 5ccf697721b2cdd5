"""Directions of a loss slice, and the slice."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from ratchet.diagnostics.loss_slice import direction, loss_slice
from ratchet.models import locate


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
