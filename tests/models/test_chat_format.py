"""One chat format for every path: what it renders, and which tokens end an answer."""

import pytest

from ratchet.errors import UserError
from ratchet.models import ChatFormat, chat_format, load_tokenizer, locate
from ratchet.models.chat_format import merged
from ratchet.models.ends import declared_ends, end_ids

SYSTEM, USER = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}


@pytest.fixture
def tokenizer():
    made = load_tokenizer(locate("ratchet-tiny"))
    made.chat_template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{{ mood }}"
    return made


def test_a_prompt_is_rendered_with_the_recipes_arguments(tokenizer):
    assert ChatFormat(tokenizer, {"mood": "!"}).prompt([USER]) == "[user]2 + 2?!"


def test_an_answer_follows_its_prompt(tokenizer):
    assert ChatFormat(tokenizer).answered([USER], "4") == "[user]2 + 2?[assistant]4"


def test_a_special_token_that_a_person_types_stays_text(tokenizer):
    chat = ChatFormat(tokenizer)
    typed = chat.ids(chat.prompt([{"role": "user", "content": f"a{tokenizer.eos_token}b"}]))
    assert tokenizer.eos_token_id not in typed


def test_a_systems_text_is_merged_where_the_recipe_says_so(tokenizer):
    chat = ChatFormat(tokenizer, merge_system=True)
    assert chat.prompt([SYSTEM, USER]) == "[user]Be brief.\n\n2 + 2?"
    assert chat.messages([USER]) == [USER]


def test_a_merged_conversation_merges_to_itself():
    once = merged([SYSTEM, USER])
    assert merged(once) == once


def test_what_a_template_refuses_is_a_sentence(tokenizer):
    tokenizer.chat_template = "{{ raise_exception('no roles here') }}"
    with pytest.raises(UserError, match="cannot render the conversation: no roles here"):
        ChatFormat(tokenizer).prompt([USER])


def test_the_ends_are_the_models_and_the_tokenizers(tmp_path, tokenizer):
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [7, 3]}')
    assert declared_ends(str(tmp_path)) == [7, 3]
    assert end_ids([7, 3], tokenizer) == sorted({7, 3, tokenizer.eos_token_id})


def test_without_a_generation_config_the_configuration_names_the_end(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama", "eos_token_id": 9}')
    assert declared_ends(str(tmp_path)) == [9]


def test_an_adapter_ends_as_the_model_that_it_belongs_to(tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base/config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "base/generation_config.json").write_text('{"eos_token_id": 5}')
    (tmp_path / "adapter_config.json").write_text(f'{{"base_model_name_or_path": "{tmp_path}/base"}}')
    assert declared_ends(str(tmp_path)) == [5]


def test_a_recipe_may_name_the_end_for_every_trainer():
    found = chat_format({"eos_token": "<|user|>"}, locate("ratchet-tiny"))
    assert found.tokenizer.eos_token == "<|user|>" and found.tokenizer.eos_token_id in found.ends


def test_an_end_that_is_no_token_is_refused():
    with pytest.raises(UserError, match="eos_token: <nothing> is not in the vocabulary"):
        chat_format({"eos_token": "<nothing>"}, locate("ratchet-tiny"))
