"""Rewards: what each pays, and that shaping never pays for a wrong answer."""

import itertools
from pathlib import Path

import pytest

from ratchet.errors import UserError
from ratchet.recipe import load_recipe
from ratchet.rewards import REWARDS, RewardTerm, Sample, check_weights, reward, total, validate_task
from ratchet.rewards.trl_adapter import Grader, reward_functions
from ratchet.tasks.aquarat.task import AquaRat
from ratchet.tasks.base import Grade

ROOT = Path(__file__).resolve().parents[2]
GRPO_RECIPES = [
    p
    for p in sorted((ROOT / "recipes").rglob("*.yaml"))
    if load_recipe(p, environ={"WORLD_SIZE": "8"}).trainer == "grpo"
]
ROW = {"question": "What is 6 * 7?", "options": ["A)7", "B)24", "C)42", "D)84", "E)1"], "correct": "C"}


@pytest.mark.parametrize("path", GRPO_RECIPES, ids=lambda p: str(p.relative_to(ROOT)))
def test_in_every_recipe_the_best_wrong_answer_is_worth_less_than_the_worst_right_one(path):
    terms = load_recipe(path, environ={"WORLD_SIZE": "8"}).rewards
    texts = ["word", "word " * 200, ""]
    samples = {right: [] for right in (True, False)}
    for right, form, text, tokens in itertools.product((True, False), (0.0, 1.0), texts, (1, 10_000)):
        samples[right].append(
            Sample(text, {}, Grade(right, "C", {"format": form, "score": 1.0 if right else 0.5}), tokens, 100)
        )
    assert max(total(terms, s) for s in samples[False]) < min(total(terms, s) for s in samples[True])


@pytest.mark.parametrize("reward", REWARDS.values(), ids=lambda r: r.name)
def test_values_stay_within_the_declared_range(reward):
    for right, form, text, tokens in itertools.product(
        (True, False), (0.0, 1.0), ("", "a b c", "x " * 500), (None, 0, 99, 5000)
    ):
        value = reward.function(Sample(text, {}, Grade(right, None, {"format": form, "score": 0.5}), tokens, 100))
        assert reward.low <= value <= reward.high


def test_weights_under_which_shaping_could_win_are_refused_with_the_sum():
    with pytest.raises(UserError, match="shaping can move a reward by 1.2"):
        check_weights(
            [
                RewardTerm(REWARDS["correctness"]),
                RewardTerm(REWARDS["overlong"], 0.6),
                RewardTerm(REWARDS["repetition"], 0.6),
            ]
        )


def test_a_recipe_without_a_goal_is_refused():
    with pytest.raises(UserError, match="goal"):
        check_weights([RewardTerm(REWARDS["overlong"], 0.6)])


def test_trl_gets_one_named_function_per_term():
    functions = reward_functions(
        Grader(
            AquaRat(source="generated"), [RewardTerm(REWARDS["correctness"]), RewardTerm(REWARDS["answer_format"])], 64
        )
    )
    completions = [
        [{"role": "assistant", "content": "6 * 7 = 42\nAnswer: C"}],
        [{"role": "assistant", "content": "Answer: D"}],
    ]
    columns = {name: [value, value] for name, value in ROW.items()}
    called = {
        f.__name__: f(
            prompts=[None] * 2, completions=completions, completion_ids=[[1, 2], [1]], trainer_state=None, **columns
        )
        for f in functions
    }
    assert called == {"correctness": [1.0, 0.0], "answer_format": [1.0, 1.0]}


def test_a_batch_is_graded_once_for_all_functions():
    task, calls = AquaRat(source="generated"), []
    grade, task.grade = task.grade, lambda text, row: calls.append(text) or grade(text, row)
    functions = reward_functions(
        Grader(task, [RewardTerm(REWARDS["correctness"]), RewardTerm(REWARDS["answer_format"])], 64)
    )
    completions = ["Answer: C", "Answer: D"]
    for function in functions:
        function(completions=completions, completion_ids=None, **{name: [value] * 2 for name, value in ROW.items()})
    assert calls == completions


def test_reward_and_evaluation_use_the_same_grade():
    task = AquaRat(source="generated")
    (function,) = reward_functions(Grader(task, [RewardTerm(REWARDS["correctness"])], None))
    texts = ["Answer: C", "C or D", "The answer is 42.", "Answer: A. Wait, no: C."]
    paid = function(completions=texts, **{name: [value] * len(texts) for name, value in ROW.items()})
    assert paid == [float(task.grade(text, ROW).correct) for text in texts] == [1.0, 0.0, 1.0, 1.0]


def test_a_reward_that_needs_a_column_the_rows_lack_is_found_before_training():
    needy = reward(0.0, 1.0)(lambda sample: float(sample.row["difficulty"]))
    with pytest.raises(
        UserError, match=r"rewards\.<lambda> of row train-0 raises KeyError: 'difficulty'; the row has"
    ):
        validate_task(AquaRat(source="generated"), [RewardTerm(needy)], [{**ROW, "id": "train-0", "rationale": ""}])


def test_a_partly_right_answer_counts_against_the_gain_of_a_right_one():
    terms = [
        RewardTerm(REWARDS["score"]),
        RewardTerm(REWARDS["overlong"], 0.3),
        RewardTerm(REWARDS["answer_format"], 0.3),
    ]
    with pytest.raises(UserError, match="worth 0.5 more than a wrong one, but shaping can move a reward by 0.6"):
        check_weights(terms)


def test_the_score_of_a_task_without_one_says_so():
    with pytest.raises(UserError, match="has no component score; take correctness"):
        validate_task(
            AquaRat(source="generated"), [RewardTerm(REWARDS["score"])], [{**ROW, "id": "train-0", "rationale": ""}]
        )
