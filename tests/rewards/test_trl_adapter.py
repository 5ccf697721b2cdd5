"""Rewards as TRL calls them."""

from ratchet.rewards import REWARDS, RewardTerm
from ratchet.rewards.trl_adapter import Grader, reward_functions
from ratchet.tasks.aquarat.task import AquaRat
from ratchet.tasks.packing import pack

ROW = {"question": "What is 6 * 7?", "options": ["A)7", "B)24", "C)42", "D)84", "E)1"], "correct": "C"}
PACKED = pack(ROW)


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
    called = {
        f.__name__: f(
            prompts=[None] * 2,
            completions=completions,
            completion_ids=[[1, 2], [1]],
            trainer_state=None,
            row=[PACKED] * 2,
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
        function(completions=completions, completion_ids=None, row=[PACKED] * 2)
    assert calls == completions


def test_reward_and_evaluation_use_the_same_grade():
    task = AquaRat(source="generated")
    (function,) = reward_functions(Grader(task, [RewardTerm(REWARDS["correctness"])], None))
    texts = ["Answer: C", "C or D", "The answer is 42.", "Answer: A. Wait, no: C."]
    paid = function(completions=texts, row=[PACKED] * len(texts))
    assert paid == [float(task.grade(text, ROW).correct) for text in texts] == [1.0, 0.0, 1.0, 1.0]
