"""Groups sampled again: what becomes of tensors and figures."""

import math

import torch

from ratchet.training.curriculum.again import one_value_each, replaced, spreads

PAD = 99


def batch(prompts, completions, advantages, **more):
    def padded(rows, left):
        width = max(map(len, rows))
        fill = [[0] * (width - len(row)) for row in rows]
        ids = [([PAD] * len(f) + r) if left else (r + [PAD] * len(f)) for f, r in zip(fill, rows, strict=True)]
        mask = [(f + [1] * len(r)) if left else ([1] * len(r) + f) for f, r in zip(fill, rows, strict=True)]
        return torch.tensor(ids), torch.tensor(mask)

    prompt_ids, prompt_mask = padded(prompts, True)
    completion_ids, completion_mask = padded(completions, False)
    return {
        "prompt_ids": prompt_ids,
        "prompt_mask": prompt_mask,
        "completion_ids": completion_ids,
        "completion_mask": completion_mask,
        "advantages": torch.tensor(advantages),
        "num_items_in_batch": torch.tensor(7),
        **more,
    }


def texts(found):
    return [
        (ids[mask == 1].tolist(), completion[kept == 1].tolist())
        for ids, mask, completion, kept in zip(
            found["prompt_ids"],
            found["prompt_mask"],
            found["completion_ids"],
            found["completion_mask"],
            strict=True,
        )
    ]


OLD = batch([[1], [1], [2], [2]], [[10], [11], [12], [12]], [1.0, -1.0, 0.0, 0.0])
NEW = batch([[3, 4], [3, 4], [5], [5]], [[13, 14, 15], [16], [17], [18]], [0.5, -0.5, 0.7, -0.7])


def test_a_group_takes_the_place_of_another_whatever_their_widths():
    found = replaced(OLD, NEW, [(1, 0)], 2, PAD)
    assert texts(found) == [([1], [10]), ([1], [11]), ([3, 4], [13, 14, 15]), ([3, 4], [16])]
    assert found["advantages"].tolist() == [1.0, -1.0, 0.5, -0.5]
    assert (found["prompt_ids"][found["prompt_mask"] == 0] == PAD).all()


def test_a_wider_batch_keeps_its_width_for_narrower_groups():
    found = replaced(NEW, OLD, [(0, 0)], 2, PAD)
    assert texts(found) == [([1], [10]), ([1], [11]), ([5], [17]), ([5], [18])]


def test_values_of_one_column_stay_so():
    ratio = {"importance_sampling_ratio": torch.tensor([[1.0], [2.0], [3.0], [4.0]])}
    found = replaced({**OLD, **ratio}, {**NEW, **ratio}, [(1, 0)], 2, PAD)
    assert found["importance_sampling_ratio"].tolist() == [[1.0], [2.0], [1.0], [2.0]]


def test_spread_is_of_the_weighted_sum_and_of_what_was_scored():
    nan = math.nan
    rewards = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 0.0], [0.0, 1.0], [nan, nan], [1.0, nan], [nan, nan]])
    rewards = torch.cat([rewards, torch.full((1, 2), nan)])
    assert spreads(rewards, torch.tensor([1.0, 0.5]), 2) == [False, True, False, None]


def test_figures_of_rounds_are_means_over_their_rows_and_the_extremes_of_all():
    metrics = {
        "reward": [9.0, 0.5, 1.0],
        "completions/min_length": [3.0, 2.0],
        "completions/max_length": [7.0, 9.0],
        "num_tokens": [100],
    }
    one_value_each(metrics, {"reward": 1}, [24, 8])
    assert metrics == {
        "reward": [9.0, 0.625],
        "completions/min_length": [2.0],
        "completions/max_length": [9.0],
        "num_tokens": [100],
    }
