"""Asking a server: what is sent, what is kept, and what its refusals mean; over real HTTP."""

import json

import pytest
from chat_server import ChatServer

from ratchet.errors import UserError
from ratchet.inference import openai_server as module
from ratchet.inference.completion import Completion, Sampling
from ratchet.inference.openai_server import AnswerCache, Server, only_model, server_generator

GREEDY, SAMPLED = Sampling(9), Sampling(9, temperature=0.7, top_p=0.9, samples=3, seed=5)


def conversation(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@pytest.fixture
def stub(monkeypatch):
    """A server that answers with the question in capitals, and is asked again without a pause."""
    monkeypatch.setattr(module, "_pause", lambda attempt: 0.0)
    stub = ChatServer(lambda messages: messages[-1]["content"].upper())
    yield stub
    stub.http.shutdown()
    stub.http.server_close()


def server(stub, **settings) -> Server:
    return Server(stub.url, **{"model": "stub", "retries": 1, "timeout": 5, **settings})


@pytest.fixture
def ask(stub, tmp_path):
    """A function that asks the server for conversations."""

    def ask(*texts: str, sampling: Sampling = GREEDY, **settings):
        generate = server_generator(server(stub, **settings), AnswerCache(tmp_path / "answers.jsonl"))
        return generate([conversation(text) for text in texts], sampling)[0]

    return ask


def test_answers_come_in_the_order_of_the_questions(ask):
    texts = [f"question {i}" for i in range(20)]
    assert [answer.text for (answer,) in ask(*texts)] == [text.upper() for text in texts]


def test_greedy_requests_have_no_seed_and_samples_have_one_each(ask, stub):
    ask("a")
    assert stub.requests[0] == {
        **{"model": "stub", "messages": conversation("a"), "max_tokens": 9, "temperature": 0.0},
    }
    stub.requests.clear()
    assert [len(answers) for answers in ask("a", "b", sampling=SAMPLED)] == [3, 3]
    assert sorted(request["seed"] for request in stub.requests) == [5, 5, 6, 6, 7, 7]
    assert all((request["temperature"], request["top_p"]) == (0.7, 0.9) for request in stub.requests)


def test_the_same_question_is_asked_once(ask, stub):
    assert len(ask("a", "a", "b")) == 3 and len(stub.requests) == 2


def test_an_answer_that_is_kept_is_not_asked_for_again(ask, stub, capsys):
    ask("a", "b")
    stub.requests.clear()
    assert [answer.text for (answer,) in ask("a", "b", "c")] == ["A", "B", "C"]
    assert [request["messages"][0]["content"] for request in stub.requests] == ["c"]
    assert "has 2 of the answers already; asking for 1" in capsys.readouterr().out


def test_another_model_or_length_is_another_request(ask, stub):
    ask("a")
    stub.requests.clear()
    ask("a", sampling=Sampling(10))
    assert len(stub.requests) == 1


def test_a_torn_line_of_the_cache_is_passed_over(tmp_path):
    cache = AnswerCache(tmp_path / "made/answers.jsonl")
    cache.add("one", Completion("é", 2, True))
    with cache.path.open("a") as file:
        file.write('3\n{"key": "torn')
    assert AnswerCache(cache.path).answers == {"one": Completion("é", 2, True)}
    assert AnswerCache(tmp_path / "nowhere").answers == {}


def test_an_answer_of_another_shape_is_asked_for_again(ask, stub):
    stub.faults = ["garbage"]
    assert ask("a") == [[Completion("A", 3, False)]]


@pytest.mark.parametrize(
    ("faults", "settings", "says"),
    [
        ([401], {}, r"refuses the key in OPENAI_API_KEY \(401\)"),
        ([403], {"key": "MY_KEY"}, r"refuses the key in MY_KEY \(403\)"),
        ([500], {"retries": 0}, "still answers 500 after 1 tries"),
        ([400], {}, r"refuses the request \(400\)"),
        (["garbage"] * 2, {}, "answers what is no chat completion"),
        ([], {"model": "nix"}, "has no model nix under this name"),
    ],
    ids=["key", "other key", "error", "refused", "garbage", "model"],
)
def test_a_refusal_is_explained(ask, stub, faults, settings, says):
    stub.faults = faults
    with pytest.raises(UserError, match=says):
        ask("a", **settings)


def test_what_was_answered_before_an_error_is_kept(ask, stub, tmp_path):
    ask("a")
    stub.faults = [400]
    with pytest.raises(UserError, match="1 answers are kept in .*answers.jsonl; the same command resumes with them"):
        ask("a", "b")
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == 1


def test_a_server_that_is_not_there_is_said(tmp_path):
    generate = server_generator(Server("http://127.0.0.1:9/v1", "m", retries=0), AnswerCache(tmp_path / "a.jsonl"))
    with pytest.raises(UserError, match="cannot be reached"):
        generate([conversation("a")], GREEDY)


def test_an_address_without_a_scheme_is_refused(tmp_path):
    with pytest.raises(UserError, match="127.0.0.1:8000 is no address"):
        server_generator(Server("127.0.0.1:8000", "m"), AnswerCache(tmp_path / "a.jsonl"))


def test_the_only_model_needs_no_name(stub):
    assert only_model(server(stub)) == "stub"
    stub.models = ("one", "two")
    with pytest.raises(UserError, match="has one, two; choose with --model NAME"):
        only_model(server(stub))


def test_a_request_is_plain_json(ask, stub):
    ask("ünïcode \u2060")
    assert json.dumps(stub.requests[0]["messages"]) == json.dumps(conversation("ünïcode \u2060"))


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 0.5), (2, 1.0), (5, 8.0), (50, 8.0)])
def test_pauses_double_up_to_a_limit(attempt, seconds):
    assert module._pause(attempt) == seconds
