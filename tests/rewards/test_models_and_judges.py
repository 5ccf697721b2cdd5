"""Rewards that models give: a judge behind a real server on 127.0.0.1, and a reward model from a folder."""

import json

import pytest
import yaml
from chat_server import ChatServer

from ratchet.errors import UserError
from ratchet.recipe import load_recipe
from ratchet.rewards.judge import cost, replies
from ratchet.rewards.scoring import ScoringRequest, score
from ratchet.tasks import load_split


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def server():
    """A judge that gives as many points as the completion has full stops, and none to a completion that says no."""

    def answer(messages):
        graded = messages[-1]["content"].split("----------")[1]
        if "no" in graded.split():
            return "I will not grade this."
        return f"It has some. Score: 3, on second thoughts. **Score:** {graded.count('.')}"

    return ChatServer(answer)


@pytest.fixture
def recipe(tmp_path):
    """Loads a recipe with further rewards beside ``correctness``."""
    rows = [{"question": f"What is {n} + {n}?", "answer": 2 * n, "hint": f"hint {n}"} for n in range(30)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def load(**rewards):
        values = {
            "trainer": "grpo",
            "task": "dataset",
            "data": {"source": "rows.jsonl", "grader": "number"},
            "model_name_or_path": "ratchet-tiny",
            "rewards": {"correctness": {"weight": 1.0}, **rewards},
        }
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
        return load_recipe(tmp_path / "recipe.yaml", environ={})

    return load


def rewarded(recipe, text):
    row = load_split(recipe.task).rows[0]
    return score(recipe.task, recipe.rewards, ScoringRequest(text, row))


def judge(server, **more):
    return {"weight": 0.2, "server": server.url, "model": "stub", **more}


def test_a_judges_score_is_between_0_and_1_and_a_refusal_pays_nothing(recipe, server):
    found = recipe(judge=judge(server))
    scores = [rewarded(found, text).rewards[1] for text in ("One. Two. Three.", "no", "." * 11)]
    assert scores == [0.3, 0.0, 0.0]


def test_the_judge_is_shown_question_right_answer_and_completion(recipe, server):
    found = recipe(judge=judge(server))
    row = load_split(found.task).rows[0]
    rewarded(found, "It is 7.")
    asked = server.requests[-1]["messages"][-1]["content"]
    assert all(
        text in asked for text in (row["columns"]["question"], found.task.gold(row), "It is 7.", "from 0 to 10")
    )
    assert server.requests[-1]["temperature"] == 0.0


def test_a_prompt_of_ones_own_sees_the_columns_and_is_kept_in_the_resolved_recipe(recipe, server, tmp_path):
    (tmp_path / "style.txt").write_text("{{ hint }}\n----------\n{{ completion }}\n----------")
    found = recipe(**{"judge:style": judge(server, prompt="style.txt", highest=4)})
    assert rewarded(found, "One. Two.").rewards[1] == 0.5
    assert server.requests[-1]["messages"][-1]["content"].startswith("hint ")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/again.yaml").write_text(found.as_yaml())
    again = load_recipe(tmp_path / "elsewhere/again.yaml", environ={})
    assert again.rewards[1].reward.function.prompt == found.rewards[1].reward.function.prompt
    assert [term.name for term in again.rewards] == ["correctness", "judge_style"]


def test_nothing_is_asked_twice_and_what_was_asked_is_counted(recipe, server):
    for _ in range(2):
        rewarded(recipe(judge=judge(server)), "One.")
    assert len(server.requests) == 1 and len(replies("stub")) == 1
    rewarded(recipe(judge=judge(server)), "no")
    said = cost(recipe(judge=judge(server)).foreign)
    assert said.startswith("stub: 2 replies so far, ") and "1 without a score" in said


def test_a_busy_server_is_asked_again(recipe, server):
    server.faults += [503, 500]
    assert rewarded(recipe(judge=judge(server)), "One.").rewards[1] == 0.1


def test_a_server_that_is_not_there_is_a_sentence(recipe, server):
    failure = rewarded(recipe(judge={**judge(server, retries=0), "server": "http://127.0.0.1:9/v1"}), "One.").failure
    assert "the judge stub at http://127.0.0.1:9/v1 gives no reply" in failure.error


@pytest.mark.parametrize(
    ("rewards", "said"),
    [
        ({"judge": {"weight": 0.1, "model": "stub"}}, "rewards.judge: server missing"),
        ({"judge": {"weight": 0.1, "server": "x", "model": "m", "lowest": 5, "highest": 1}}, "lowest must be below"),
        ({"judge": {"weight": 0.1, "server": "x", "model": "m", "prompt": "{{ x"}}, "the prompt is no template"),
        ({"judge": {"weight": 0.1, "server": "x", "model": "m", "prompt": "no.txt"}}, "no.txt does not exist"),
        ({"judge": {"weight": 3, "server": "x", "model": "m"}}, "a right answer is worth 1 more than a wrong one"),
        ({"model:x/y": {"weight": 0.1}}, "rewards.model:x/y wants low and high"),
    ],
)
def test_what_a_judge_or_a_model_lacks_is_said(recipe, rewards, said):
    with pytest.raises(UserError) as error:
        recipe(**rewards)
    assert said in str(error.value)


def test_a_reward_model_reads_the_conversation_and_is_cut_to_its_range(recipe, tmp_path):
    import torch
    from transformers import AutoTokenizer, Qwen3Config, Qwen3ForSequenceClassification

    from ratchet.models.folder import TINY, locate

    tokenizer = AutoTokenizer.from_pretrained(locate(TINY))
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, head_dim=16, num_labels=1, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = Qwen3ForSequenceClassification(config).eval()
    model.save_pretrained(tmp_path / "judge")
    tokenizer.save_pretrained(tmp_path / "judge")
    found = recipe(**{"model:judge": {"weight": 0.01, "low": -20, "high": 20}})
    row = load_split(found.task).rows[0]
    messages = [*found.task.messages(row), {"role": "assistant", "content": "It is 7."}]
    ids = tokenizer(tokenizer.apply_chat_template(messages, tokenize=False), add_special_tokens=False)["input_ids"]
    wanted = float(model(torch.tensor([ids])).logits[0, 0])
    assert rewarded(found, "It is 7.").rewards[1] == pytest.approx(wanted, abs=1e-5)
    cut = recipe(**{"model:judge": {"weight": 0.01, "low": 30, "high": 40}})
    assert rewarded(cut, "It is 7.").rewards[1] == 30.0


def test_a_reward_models_folder_is_named_in_full_in_the_resolved_recipe(recipe, tmp_path):
    (tmp_path / "judge").mkdir()
    found = recipe(**{"model:judge": {"weight": 0.01, "low": -20, "high": 20}})
    assert f"model:{tmp_path}/judge" in found.as_yaml()
