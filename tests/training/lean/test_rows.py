"""Rows of a batch: chosen, cut, put side by side, and put behind prompts that are computed once."""

from types import SimpleNamespace

import pytest
import torch

from ratchet.training.lean.rows import Aligned, Shared, chosen, described, learns_nothing, nothing

PROMPTS, COMPLETIONS = (3, 3, 5, 1), (2, 4, 1, 3)


@pytest.fixture
def batch():
    prompt_mask = torch.tensor([[0] * (6 - n) + [1] * n for n in PROMPTS])
    mask = torch.tensor([[1] * n + [0] * (5 - n) for n in COMPLETIONS])
    ids = torch.arange(1, 25).reshape(4, 6) * prompt_mask
    ids[1] = ids[0]
    return {
        "prompt_ids": ids,
        "prompt_mask": prompt_mask,
        "completion_ids": torch.arange(101, 121).reshape(4, 5) * mask,
        "completion_mask": mask,
        "advantages": torch.tensor([1.0, 0.0, -1.0, 0.0]),
        "old_per_token_logps": torch.full((4, 5), -1.0) * mask,
        "num_items_in_batch": torch.tensor(10),
    }


def joined(batch):
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
    return ids, torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)


def test_rows_of_one_prompt_are_known(batch):
    rows = described(batch["prompt_ids"], batch["prompt_mask"], batch["completion_mask"])
    assert [(row.prompt, row.completion) for row in rows] == list(zip(PROMPTS, COMPLETIONS, strict=True))
    assert rows[0].group == rows[1].group
    assert len({row.group for row in rows}) == 3


def test_chosen_rows_are_as_wide_as_the_widest_of_them(batch):
    found = chosen(batch, [0, 2])
    assert found["prompt_ids"].tolist() == [[0, 0, 4, 5, 6], [14, 15, 16, 17, 18]]
    assert found["completion_ids"].tolist() == [[101, 102], [111, 0]]
    assert found["old_per_token_logps"].shape == (2, 2)
    assert found["advantages"].tolist() == [1.0, -1.0]
    assert found["num_items_in_batch"] == 10


def test_a_masked_completion_keeps_the_place_that_diagnostics_look_at(batch):
    batch["completion_mask"][0] = 0
    batch["choice_at"] = torch.tensor([3, -1, -1, -1])
    assert chosen(batch, [0])["completion_ids"].shape == (1, 4)


def test_rows_without_advantage_or_without_a_token_that_counts_learn_nothing(batch):
    batch["completion_mask"][2] = 0
    assert learns_nothing(batch, by_advantage=True).tolist() == [False, True, True, True]
    assert learns_nothing(batch, by_advantage=False).tolist() == [False, False, True, False]
    batch["advantages"] = torch.zeros(4, 5).index_put((torch.tensor(1), torch.tensor(4)), torch.tensor(0.5))
    assert learns_nothing(batch, by_advantage=True).tolist() == [True, False, True, True]
    batch["tool_mask"] = torch.zeros(4, 5)
    assert all(learns_nothing(batch, by_advantage=False))


def test_a_row_that_is_not_there_counts_nowhere(batch):
    found = nothing({**batch, "importance_sampling_ratio": torch.full((4, 1), 0.5)})
    assert found["prompt_ids"].shape == found["completion_ids"].shape == (1, 1)
    assert int(found["completion_mask"].sum()) == 0
    assert found["advantages"].tolist() == [0.0]
    assert found["importance_sampling_ratio"].tolist() == [[1.0]]


def test_aligned_rows_have_no_padding_before_them(batch):
    ids, mask = joined(batch)
    aligned = Aligned(ids, mask, 5)
    assert aligned.ids[:, 0].tolist() == [4, 4, 14, 24]
    assert aligned.ids.shape == (4, 7)
    assert aligned.mask.sum(1).tolist() == [5, 7, 6, 4]
    assert aligned.starts.tolist() == list(PROMPTS)


def test_values_of_aligned_rows_come_back_to_their_tokens(batch):
    ids, mask = joined(batch)
    aligned = Aligned(ids, mask, 5)
    found = aligned.completions(aligned.ids[:, -aligned.kept :])
    assert (found * batch["completion_mask"]).tolist() == batch["completion_ids"].tolist()


def test_behind_a_shared_prompt_stands_what_follows_it(batch):
    pair = chosen(batch, [0, 1])
    shared = Shared(*joined(pair), 4)
    assert shared.prompts.tolist() == [[4, 5]]
    assert shared.of.tolist() == [0, 0]
    assert shared.ids.tolist() == [[6, 101, 102, 0, 0], [6, 106, 107, 108, 109]]
    assert shared.positions[0].tolist() == [2, 3, 4, 5, 6]
    assert shared.labels[0].tolist() == [-100, 101, 102, -100, -100]
    assert shared.mask.sum(1).tolist() == [5, 7]


def test_prompts_are_shared_where_that_computes_fewer_tokens(batch):
    assert Shared.pays(*joined(chosen(batch, [0, 1])), 4)  # 2 + 2 x 5 tokens, and 2 x 7 apart
    assert not Shared.pays(*joined(chosen(batch, [0, 2])), 2)  # 2 x 4 + 2 x 3, and 2 x 6


def test_gradients_of_a_prompt_that_several_rows_share_are_the_same_bits_in_every_run():
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        prompts = torch.arange(1, 25).reshape(3, 8)[torch.randint(3, (96,))]
        ids = torch.cat([prompts, torch.randint(1, 25, (96, 4))], 1)
        shared = Shared(ids, torch.ones_like(ids), 4)
        states = torch.randn(3, 4, 64, 32)
        above = torch.randn(96, 4, 64, 32)

        def gradient() -> torch.Tensor:
            leaf = states.clone().requires_grad_()
            layer = SimpleNamespace(keys=leaf, values=leaf)
            shared.repeat_prompts(SimpleNamespace(layers=[layer]))
            assert torch.equal(layer.keys, states[shared.of])
            return torch.autograd.grad(layer.keys, leaf, above)[0]

        first = gradient()
        assert all(torch.equal(first, gradient()) for _ in range(20))
    finally:
        torch.set_num_threads(threads)
