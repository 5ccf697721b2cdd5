"""The adapter: a model and its task in a program of one's own, and at a terminal."""

import pytest

from ratchet.errors import UserError
from ratchet.inference.policy import Policy


@pytest.fixture(scope="module")
def policy(demo) -> Policy:
    return Policy.load(str(demo.folder), overrides=[("data.generated.validation", "40")], device="cpu")


def test_its_reward_is_the_one_of_training(policy):
    row = policy.rows()[0]
    right, wrong = policy.score(policy.task.target(row), row), policy.score("Answer: none of them", row)
    assert (right.reward, right.rewards, right.grade.correct) == (1.0, {"correctness": 1.0}, True)
    assert (wrong.reward, wrong.grade.answer) == (0.0, None)


def test_it_draws_n_answers_and_the_same_ones_for_a_seed(policy):
    messages = policy.task.messages(policy.rows()[1])
    drawn = policy.generate(messages, n=4, temperature=2.0, seed=3)
    assert len(drawn) == 4 and len(set(drawn)) > 1
    assert drawn == policy.generate(messages, n=4, temperature=2.0, seed=3)


def test_it_is_as_right_as_the_evaluation_says(policy):
    rows = policy.rows()
    right = [
        policy.score(policy.generate(policy.task.messages(row), temperature=0)[0], row).grade.correct for row in rows
    ]
    assert sum(right) / len(rows) > 0.8


def test_a_checkpoint_finds_the_recipe_of_its_run(demo, tmp_path):
    (tmp_path / "checkpoint-1").symlink_to(demo.folder)
    (tmp_path / "recipe.yaml").write_text((demo.folder / "recipe.yaml").read_text())
    assert Policy.load(str(tmp_path / "checkpoint-1"), device="cpu").recipe.trainer == "grpo"


def test_a_model_without_a_recipe_wants_a_task(demo, tmp_path):
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (tmp_path / "model").mkdir(exist_ok=True)
        (tmp_path / "model" / name).symlink_to(demo.folder / name)
    with pytest.raises(UserError, match="has no recipe.yaml that says what it was trained on; name a task"):
        Policy.load(str(tmp_path / "model"))
    named = Policy.load(str(tmp_path / "model"), "aquarat", [("data.source", "generated")], device="cpu")
    assert named.score(named.task.target(named.rows()[0]), named.rows()[0]).reward == 1.0


def talk(script, demo, *words: str, said: str, code: int = 0):
    return script("ratchet", "chat", *words, code=code, stdin=said)


def test_a_question_is_answered_at_the_terminal(script, demo):
    question = "Mia has 3 pens and buys 4 more. How many pens does Mia have now?\\nA) 1\\nB) 7\\nC) 8\\nD) 9\\nE) 12\n"
    done = talk(script, demo, str(demo.folder), said=question)
    assert "3 + 4 = 7\nAnswer: B\n(" in done.stdout


def test_rows_go_through_with_what_is_read_and_what_it_is_worth(script, demo):
    done = talk(script, demo, str(demo.folder), "--row", "2", said="\nnix\nvalidation-7\nq\n")
    heads = [line for line in done.stdout.splitlines() if "--- row " in line]
    assert [head.split("--- ")[1].split(" of")[0] for head in heads] == ["row 2", "row 3", "row 7"]
    assert "there is no row nix" in done.stdout
    assert done.stdout.count(
        "reward     1 = 1 x correctness 1"
    ) >= 2 and "read from 'B' at character" in done.stdout.replace("'A'", "'B'").replace("'C'", "'B'")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere/at/all",), "there is no folder nowhere/at/all"),
        (("ratchet-tiny", "--row", "100000"), "there is no row 100000; give a number from 0 to 255"),
        (("ratchet-tiny", "--task", "nix"), "there is no task 'nix'"),
        (
            ("ratchet-tiny", "--row", "1", "--split", "tets"),
            "there is no split tets; choose from train, validation, test",
        ),
        (("ratchet-tiny", "--max_new_tokens", "0"), "from 1 on, not 0"),
        (("ratchet-tiny", "--temperature", "warm"), "--temperature takes a number, not warm"),
        (("ratchet-tiny", "--lerning_rate", "1"), "unknown key lerning_rate"),
    ],
)
def test_what_cannot_be_is_said(script, demo, words, said):
    done = talk(script, demo, *words, said="", code=2)
    assert said in done.stderr and "Traceback" not in done.stderr
