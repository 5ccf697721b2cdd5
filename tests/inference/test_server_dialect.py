"""What a server is told beside OpenAI's own fields, so that it samples and renders as the recipe says."""

import json

import pytest
from chat_server import ChatServer

from ratchet.inference.completion import Sampling
from ratchet.inference.openai_server import AnswerCache, Server, server_generator, server_kind
from ratchet.inference.server_dialect import Dialect
from ratchet.models import ChatFormat, load_tokenizer, locate

GREEDY = Sampling(9)
CONVERSATION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}]


@pytest.fixture
def stub():
    stub = ChatServer(lambda messages: "4")
    yield stub
    stub.http.shutdown()
    stub.http.server_close()


@pytest.fixture(scope="module")
def chat():
    return ChatFormat(load_tokenizer(locate("ratchet-tiny")))


def asked(stub, tmp_path, dialect, *conversations, sampling=GREEDY) -> list[dict]:
    generate = server_generator(Server(stub.url, "stub"), AnswerCache(tmp_path / "answers.jsonl"), dialect)
    generate(conversations or [CONVERSATION], sampling)
    return stub.requests


def test_vllm_gets_neutral_sampling_the_templates_arguments_and_the_ends(stub, tmp_path, chat):
    (request,) = asked(stub, tmp_path, Dialect("vllm", {"enable_thinking": False}, chat))
    assert request["chat_template_kwargs"] == {"enable_thinking": False}
    assert (request["top_k"], request["min_p"], request["repetition_penalty"], request["min_tokens"]) == (-1, 0, 1, 0)
    assert request["stop_token_ids"] == list(chat.ends)


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_transformers_gets_its_whole_generation_configuration(stub, tmp_path, chat, temperature):
    dialect = Dialect("transformers", chat=chat)
    (request,) = asked(stub, tmp_path, dialect, sampling=Sampling(9, temperature=temperature))
    said = json.loads(request["generation_config"])
    assert said["do_sample"] is (temperature > 0) and said["repetition_penalty"] == 1.0 and said["top_k"] == 0
    assert said["eos_token_id"] == list(chat.ends)


def test_any_other_server_gets_openais_fields_alone_and_that_is_said(stub, tmp_path):
    dialect = Dialect("other", {"enable_thinking": False})
    (request,) = asked(stub, tmp_path, dialect)
    assert request.keys() == {"model", "messages", "max_tokens", "temperature"}
    assert "chat_template_kwargs (enable_thinking) cannot be sent" in dialect.left_open()


def test_what_spells_a_special_token_is_sent_as_text(stub, tmp_path, chat):
    typed = [{"role": "user", "content": f"a{chat.tokenizer.eos_token}b"}]
    (request,) = asked(stub, tmp_path, Dialect(chat=chat), typed)
    assert chat.tokenizer.eos_token not in request["messages"][0]["content"]


@pytest.mark.parametrize("known", [True, False], ids=["tokenizer here", "tokenizer elsewhere"])
def test_a_merged_system_is_sent_merged(stub, tmp_path, chat, known):
    here = ChatFormat(chat.tokenizer, merge_system=True) if known else None
    (request,) = asked(stub, tmp_path, Dialect(chat=here, merge_system=True))
    assert request["messages"] == [{"role": "user", "content": "Be brief.\n\n2 + 2?"}]


def test_a_prompt_that_the_server_reads_as_other_tokens_is_said_once(chat):
    dialect = Dialect(chat=chat)
    here = len(chat.ids(chat.prompt(CONVERSATION)))
    dialect.compare(CONVERSATION, here)
    assert not dialect.difference
    dialect.compare(CONVERSATION, here + 4)
    dialect.compare(CONVERSATION, here + 9)
    assert f"read a prompt as {here + 4} tokens that has {here} by the recipe's" in dialect.difference


@pytest.mark.parametrize("read", [None, 0, "many"])
def test_a_server_that_does_not_count_is_no_evidence(chat, read):
    dialect = Dialect(chat=chat)
    dialect.compare(CONVERSATION, read)
    assert not dialect.difference


def test_a_server_that_nobody_knows_is_another_one(stub):
    assert server_kind(Server(stub.url, "stub", retries=0)) == "other"
