"""Lengths as told, as rows show, or as assumed."""

import pytest

from ratchet.plan.lengths import SHORT_ANSWERS, tokens_of
from ratchet.recipe import load_recipe


def _tokens(root, job, *overrides, recipe="aquarat", prompt=None, completion=None, row=None):
    more = (("data.source", "generated"), *overrides)
    loaded = load_recipe(root / f"recipes/{recipe}.yaml", more, environ={"WORLD_SIZE": "1"}, to_train=False)
    return tokens_of(loaded, job().shape, prompt, completion, row)


def test_rows_at_hand_are_measured(root, job):
    found = _tokens(root, job)
    assert found.source.startswith("estimated from 300 rows")
    assert 0 < found.prompt <= found.longest.prompt


def test_what_the_user_knows_counts(root, job):
    found = _tokens(root, job, prompt=77, completion=40)
    assert (found.longest.prompt, found.source, found.completion) == (77, "as given", (40.0, 40.0))


def test_unknown_answers_are_a_range_up_to_the_longest(root, job):
    low, high = _tokens(root, job).completion
    assert low == pytest.approx(SHORT_ANSWERS * high)


def test_a_prompt_has_to_leave_room_for_the_answer(root, job):
    limits = (("vllm_max_model_length", "600"), ("max_completion_length", "500"))
    assert _tokens(root, job, *limits, prompt=1000).longest.prompt == 100


def test_packed_rows_are_as_long_as_allowed(root, job):
    limit = ("max_length", "4096")
    assert _tokens(root, job, limit, ("packing", "true"), recipe="aquarat/sft").longest.row == 4096
    assert _tokens(root, job, limit, ("packing", "false"), recipe="aquarat/sft", row=50).longest.row == 50
