"""The distance from the initial model, by hand."""

import pytest
import torch

from ratchet.diagnostics.kl import choice_kl, sequence_kl


def test_the_distance_over_choices_is_the_sum_of_its_definition():
    p, q = torch.tensor([[0.5, 0.25, 0.25]]), torch.tensor([[0.25, 0.5, 0.25]])
    expected = 0.5 * (0.5 / 0.25 * torch.ones(1)).log() + 0.25 * torch.tensor(0.25 / 0.5).log()
    assert choice_kl(p.log(), q.log()).item() == pytest.approx(expected.item())


def test_a_sequences_distance_is_the_mean_over_the_tokens_that_count():
    means, there = sequence_kl(
        torch.tensor([[-1.0, -2.0, -9.0]]), torch.tensor([[-2.0, -5.0, -1.0]]), torch.tensor([[1, 1, 0]])
    )
    assert means.tolist() == [2.0] and there.tolist() == [True]


def test_a_completion_without_a_counted_token_has_none():
    means, there = sequence_kl(torch.ones(1, 2), torch.zeros(1, 2), torch.zeros(1, 2))
    assert means.tolist() == [0.0] and there.tolist() == [False]
