"""The parts of generation that need no model."""

from types import SimpleNamespace

import pytest

from ratchet.inference.completion import Completion, Sampling
from ratchet.inference.local import _batches, _completion, _drawing

TOKENIZER = SimpleNamespace(decode=lambda ids, skip_special_tokens: " ".join(map(str, ids)))


def test_batches_hold_prompts_of_about_the_same_length_and_every_sample():
    prompts = ["dddd", "a", "ccc", "bb"]
    assert _batches(prompts, Sampling(5, batch_size=2)) == [[1, 3], [2, 0]]
    assert _batches(prompts, Sampling(5, samples=2, batch_size=3)) == [[1, 1, 3], [3, 2, 2], [0, 0]]
    assert _batches([], Sampling(5)) == []


@pytest.mark.parametrize(
    ("ids", "completion"),
    [
        ([5, 6, 1, 0, 0], Completion("5 6", 3, truncated=False)),
        ([5, 6, 7], Completion("5 6 7", 3, truncated=True)),
        ([1, 9], Completion("", 1, truncated=False)),
        ([5, 2, 1], Completion("5", 2, truncated=False)),
    ],
    ids=["ends", "cut off", "empty", "ends by another token"],
)
def test_a_completion_ends_with_its_first_end_token(ids, completion):
    assert _completion(TOKENIZER, ids, [1, 2]) == completion


def test_greedy_overrides_what_a_model_asks_for():
    assert _drawing(Sampling(5)) == {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    drawing = _drawing(Sampling(5, temperature=0.5, top_p=0.9))
    assert drawing == {"do_sample": True, "temperature": 0.5, "top_p": 0.9, "top_k": 0}
