"""Chat templates are checked with a run's own rows: TRL's own templates are the corpus."""

import pytest

from ratchet.errors import UserError
from ratchet.models import ChatFormat, load_tokenizer, locate
from ratchet.models.load import trl_templates
from ratchet.models.template_check import Sample, check_prompts, check_template

SYSTEM, USER = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 2 + 2?"}
PLAIN, REASONED = "It is 4.\nAnswer: C", "<think>\nTwo and two.\n</think>\n\nAnswer: C"
# What each family's generation_config.json names.
ENDS = {
    "cohere": ["<|END_OF_TURN_TOKEN|>"],
    "cohere2": ["<|END_OF_TURN_TOKEN|>"],
    "deepseek_r1_distill": ["<｜end▁of▁sentence｜>"],
    "deepseekv3": ["<｜end▁of▁sentence｜>"],
    "gemma": ["<eos>", "<end_of_turn>"],
    "gemma3": ["<eos>", "<end_of_turn>"],
    "gemma4_v5": ["<eos>", "<turn|>"],
    "glm4moe": ["<|endoftext|>", "<|user|>", "<|observation|>"],
    "gptoss": ["<|return|>", "<|end|>"],
    "lfm2": ["<|im_end|>"],
    "llama3": ["<|eot_id|>"],
    "llama3_1": ["<|eot_id|>", "<|eom_id|>"],
    "phi3": ["<|endoftext|>", "<|end|>"],
    "phi3_5": ["<|endoftext|>", "<|end|>"],
    "qwen2_5": ["<|im_end|>", "<|endoftext|>"],
    "qwen3": ["<|im_end|>", "<|endoftext|>"],
    "qwen3_instruct_2507": ["<|im_end|>", "<|endoftext|>"],
    "qwen3_5_nothink": ["<|im_end|>"],
    "qwen3_5_think": ["<|im_end|>"],
    "qwen3_6": ["<|im_end|>"],
}


def chat(template: str, **settings) -> ChatFormat:
    """The tiny tokenizer with one of TRL's templates, and its family's special tokens."""
    tokenizer = load_tokenizer(locate("ratchet-tiny"))
    names = ENDS.get(template.removesuffix("_training"), ["<|im_end|>"])
    tokenizer.add_special_tokens({"eos_token": names[0], "bos_token": "<bos>", "extra_special_tokens": names[1:]})
    tokenizer.chat_template = (trl_templates() / f"{template}.jinja").read_text(encoding="utf-8")
    return ChatFormat(tokenizer, ends=tokenizer.convert_tokens_to_ids(names), **settings)


def sample(target: str | None = None, *before) -> Sample:
    return Sample("r1", [*before, USER], target)


@pytest.mark.parametrize("template", sorted(ENDS))
def test_every_family_is_taken_for_sampling(template):
    check_template(chat(template), [sample()])


@pytest.mark.parametrize("template", sorted(set(ENDS) - {"deepseek_r1_distill", "deepseekv3", "glm4moe"}))
def test_plain_answers_are_taught_where_the_prompt_opens_no_thought(template):
    check_template(chat(template), [sample(PLAIN)])


@pytest.mark.parametrize("template", ["deepseek_r1_distill", "deepseekv3"])
def test_a_prompt_that_opens_a_thought_which_the_answered_turn_has_not_is_refused(template):
    with pytest.raises(UserError, match=r"'<think>\\n' becomes 'It is 4"):
        check_template(chat(template), [sample(PLAIN)])


@pytest.mark.parametrize("template", ["qwen3_5_think", "qwen3_6"])
def test_a_thought_that_is_opened_and_closed_at_once_is_said(template):
    (note,) = check_template(chat(template), [sample(PLAIN)])
    assert note == "the prompt ends with <think>, and the targets reason nothing: the model learns to close it at once"
    assert check_template(chat(template), [sample(REASONED)]) == []


def test_a_prompt_that_closes_the_thought_which_targets_have_gets_the_switch():
    with pytest.raises(UserError, match='chat_template_kwargs: {"enable_thinking": true}'):
        check_template(chat("qwen3", arguments={"enable_thinking": False}), [sample(REASONED)])


def test_reasoning_that_is_cut_from_the_target_gets_trls_template_for_training():
    with pytest.raises(UserError, match='"trl:deepseek_r1_distill_training"'):
        check_template(chat("deepseek_r1_distill"), [sample(REASONED)])
    check_template(chat("deepseek_r1_distill_training"), [sample(REASONED)])


def test_reasoning_that_no_template_keeps_is_refused_with_what_would_be_learned():
    with pytest.raises(UserError, match="r1: the chat template (cuts|renders a prompt differently)"):
        check_template(chat("deepseekv3"), [sample(REASONED)])


def test_an_end_that_only_the_next_turn_writes_is_no_end_of_a_target():
    with pytest.raises(UserError, match='"trl:glm4moe_training"'):
        check_template(chat("glm4moe"), [sample(PLAIN)])


@pytest.mark.parametrize("target", [None, PLAIN])
def test_a_systems_turn_that_is_refused_can_be_merged(target):
    with pytest.raises(
        UserError, match="System role not supported. With this in the recipe it fits: merge_system: tru"
    ):
        check_template(chat("gemma"), [sample(target, SYSTEM)])
    check_template(chat("gemma", merge_system=True), [sample(target, SYSTEM)])


def test_a_systems_turn_that_is_dropped_can_be_merged():
    dropping = chat("qwen2_5")
    dropping.tokenizer.chat_template = (
        "{% for m in messages if m.role != 'system' %}<|{{ m.role }}|>{{ m.content }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    with pytest.raises(UserError, match="leaves out the system's text, 'Be brief.'. .* merge_system: true"):
        check_template(dropping, [sample(PLAIN, SYSTEM)])
    with pytest.raises(UserError, match="leaves out the system's text"):
        check_prompts(dropping, [sample(None, SYSTEM)])


def test_a_template_for_one_question_alone_is_taken_for_sampling():
    single = chat("qwen2_5")
    single.tokenizer.chat_template = (
        "{% if messages|length > 2 %}{{ raise_exception('one question alone') }}{% endif %}"
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    check_template(single, [sample()])


def test_an_end_that_generation_does_not_know_can_be_named():
    unknown = chat("qwen2_5")
    unknown.ends = [0]
    with pytest.raises(UserError, match='eos_token: "<|im_end|>"'):
        check_template(unknown, [sample(PLAIN)])


def test_a_model_without_any_end_is_refused():
    endless = chat("qwen2_5")
    endless.ends = []
    with pytest.raises(UserError, match="names a token that ends an answer"):
        check_template(endless, [sample()])


def test_the_row_that_does_not_fit_is_named_among_those_that_do():
    rows = [sample(PLAIN), Sample("r2", [USER], REASONED)]
    with pytest.raises(UserError, match="row r2: "):
        check_template(chat("qwen3", arguments={"enable_thinking": False}), rows)


def test_a_token_over_the_end_of_the_prompt_is_refused():
    joining = chat("qwen2_5")
    joining.tokenizer.chat_template = (
        "{% for m in messages %}<|{{ m.role }}|> a {{ m.content }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|> a {% endif %}"
    )
    ids = joining.tokenizer("a answer", add_special_tokens=False)["input_ids"]
    first = joining.tokenizer("a ", add_special_tokens=False)["input_ids"]
    assert ids[: len(first)] != first
    with pytest.raises(UserError, match="are one token"):
        check_template(joining, [sample("answer")])


def test_a_target_that_spells_a_special_token_is_whole():
    check_template(chat("qwen2_5"), [sample("a<|im_end|>b")])


def test_a_prompt_that_opens_a_thought_is_said_where_completions_are_sampled():
    assert check_template(chat("deepseek_r1_distill"), [sample()]) == [
        "the prompt ends with <think>: completions begin inside the model's reasoning"
    ]
    assert check_template(chat("qwen2_5"), [sample()]) == []
