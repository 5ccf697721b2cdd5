"""Rewards as TRL has them, named in a recipe by where they stand."""

import json
import math

import pytest
import yaml

from ratchet.errors import UserError
from ratchet.recipe import load_recipe
from ratchet.rewards.scoring import ScoringRequest, score

MINE = '''
def close(completions, answer, **kwargs):
    """Nearer is better."""
    texts = [completion[-1]["content"] for completion in completions]
    return [None if not text else 1.0 if str(gold) in text else 0.25 for text, gold in zip(texts, answer)]

def plain(prompts, completions):
    pairs = zip(prompts, completions)
    return [float(completion.endswith("!") and prompt.startswith("What")) for prompt, completion in pairs]

async def late(completions, **kwargs):
    return [0.5] * len(completions)

def tokens(completion_ids, **kwargs):
    return [len(ids) / 100 for ids in completion_ids]

def stateful(completions, trainer_state, **kwargs):
    return [0.0]

def two(completions, **kwargs):
    return [0.0, 1.0]

def far(completions, **kwargs):
    return [7.0]

number = 3
'''


@pytest.fixture
def recipe(tmp_path):
    """Loads a recipe with further rewards beside ``correctness``."""
    (tmp_path / "mine.py").write_text(MINE)
    rows = [{"question": f"What is {n} + {n}?", "answer": 2 * n} for n in range(30)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def load(rewards, **more):
        values = {
            "trainer": "grpo",
            "task": "dataset",
            "data": {"source": str(tmp_path / "rows.jsonl"), "grader": "number"},
            "model_name_or_path": "ratchet-tiny",
            "rewards": {"correctness": {"weight": 1.0}, **rewards},
            **more,
        }
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
        return load_recipe(tmp_path / "recipe.yaml", environ={})

    return load


def scored(recipe, text, tokens=None):
    row = recipe.task.load("train").rows[0]
    return row, score(recipe.task, recipe.rewards, ScoringRequest(text, row, tokens))


def test_a_function_beside_the_recipe_gets_messages_and_the_rows_own_columns(recipe):
    found = recipe({"mine.py:close": {"weight": 0.3}})
    row, right = scored(found, "Answer: " + recipe({}).task.gold(recipe({}).task.load("train").rows[0]))
    assert right.rewards == (1.0, 1.0) and [term.name for term in found.rewards] == ["correctness", "close"]


def test_none_is_a_reward_that_does_not_apply(recipe):
    _, found = scored(recipe({"mine.py:close": {"weight": 0.3}}), "")
    assert found.failure is None and found.rewards[0] == 0.0 and math.isnan(found.rewards[1])


def test_a_function_can_take_texts(recipe):
    _, found = scored(recipe({"mine.py:plain": {"weight": 0.3, "plain": True}}), "Yes!")
    assert found.rewards[1] == 1.0


def test_an_asynchronous_function_is_waited_for(recipe):
    assert scored(recipe({"mine.py:late": {"weight": 0.3}}), "Yes")[1].rewards[1] == 0.5


def test_completions_have_as_many_token_ids_as_tokens(recipe):
    assert scored(recipe({"mine.py:tokens": {"weight": 0.3}}), "a few words", tokens=17)[1].rewards[1] == 0.17


def test_a_function_of_trl_and_one_of_a_module(recipe):
    found = recipe({"trl:think_format_reward": {"weight": 0.1}, "trl.rewards.think_format_reward": {"weight": 0.1}})
    assert scored(found, "<think>\nWell.\n</think>\n4")[1].rewards[1:] == (1.0, 1.0)


@pytest.mark.parametrize(
    ("name", "entry", "said"),
    [
        ("mine.py:stateful", {}, "takes trainer_state, which rewards of a recipe are not given"),
        ("mine.py:missing", {}, "has no function missing; it has close, plain, late"),
        ("mine.py:number", {}, "has no function number"),
        ("theirs.py:close", {}, "theirs.py does not exist"),
        ("trl:nothing", {}, "trl.rewards.nothing cannot be had"),
        ("nowhere.function", {}, "nowhere.function cannot be had"),
        ("mine.py:close", {"low": 1.0, "high": 0.0}, "low must lie below high"),
        ("mine.py:close", {"cache": 3}, "unknown key rewards.mine.py:close.cache"),
        ("mine.py:close", {"weight": 2.0}, "lower the shaping weights"),
    ],
)
def test_what_cannot_be_had_is_said_with_its_line(recipe, name, entry, said):
    with pytest.raises(UserError) as error:
        recipe({name: {"weight": 0.1, **entry}})
    assert said in str(error.value) and "recipe.yaml" in str(error.value)


@pytest.mark.parametrize(
    ("name", "said"), [("two", "a list of one value"), ("far", "outside its stated range 0 to 1")]
)
def test_a_value_that_is_none_of_its_kind_is_a_failure_by_name(recipe, name, said):
    _, found = scored(recipe({f"mine.py:{name}": {"weight": 0.1}}), "Yes")
    assert found.failure.function == f"rewards.{name}" and said in found.failure.error


def test_a_function_can_be_what_is_wanted(recipe):
    found = recipe({"correctness": None, "mine.py:close": {"weight": 1.0, "goal": True, "wrong": 0.25}})
    assert [term.reward.goal for term in found.rewards] == [True]


def test_the_recipe_that_a_run_saves_finds_the_file_from_anywhere(recipe, tmp_path):
    text = recipe({"mine.py:close": {"weight": 0.1}}).as_yaml()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/recipe.yaml").write_text(text)
    assert load_recipe(tmp_path / "out/recipe.yaml", environ={}).rewards[1].name == "close"


def test_code_of_ones_own_is_run_by_workers_and_is_part_of_a_checkpoints_origin(recipe, tmp_path):
    from ratchet.checkpoints.origin import code_of

    plain, own = recipe({}), recipe({"mine.py:close": {"weight": 0.1}})
    assert not plain.has_user_code and own.has_user_code
    assert code_of(own).keys() - code_of(plain).keys() == {"mine.py"}
    before = code_of(own)["mine.py"]
    (tmp_path / "mine.py").write_text(MINE + "\n# changed\n")
    assert code_of(own)["mine.py"] != before
