"""Finding models, and refusing chat templates that cannot teach."""

from types import SimpleNamespace

import pytest

from ratchet.errors import UserError
from ratchet.models import TINY, check_template, locate


def test_the_embedded_model_has_a_folder():
    assert locate(TINY).endswith("tiny")


@pytest.mark.parametrize("file", ["config.json", "adapter_config.json"])
def test_a_folder_with_a_model_or_an_adapter_is_a_model(tmp_path, file):
    (tmp_path / file).write_text("{}")
    assert locate(str(tmp_path)) == str(tmp_path)


def test_a_folder_without_a_model_is_told_by_what_it_holds(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(UserError, match=r"has no config.json, so it is no model \(it holds notes.txt\)"):
        locate(str(tmp_path))


def test_a_name_of_the_hub_stays_as_it_is():
    assert locate("Qwen/Qwen3-0.6B") == "Qwen/Qwen3-0.6B" and locate("gpt2") == "gpt2"


@pytest.mark.parametrize("name", ["./model", "/nowhere/model", "~/nowhere", "a/b/c", "outputs/dmeo"])
def test_what_looks_like_a_path_must_be_there(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs").mkdir()
    with pytest.raises(UserError, match=f"there is no folder {name}"):
        locate(name)


def tokenizer(turn: str, prompt: str = "", end: str | None = "<end>"):
    """A tokenizer whose template renders each turn as ``turn``, with roles and contents put in."""

    def apply_chat_template(turns, tokenize, add_generation_prompt=False):
        return "".join(turn.format(**one) for one in turns) + (prompt if add_generation_prompt else "")

    return SimpleNamespace(apply_chat_template=apply_chat_template, eos_token=end)


def test_a_template_whose_turns_end_is_taken():
    check_template(tokenizer("[{role}]{content}<end>", "[assistant]"))


def test_a_prompt_that_opens_a_thought_is_taken():
    check_template(tokenizer("[{role}]{content}<end>", "[assistant]<think>\n"))


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (tokenizer("[{role}]{content}\n", "[assistant]"), "does not end the assistant's turn with <end>"),
        (tokenizer("[{role}]<end>"), "leaves out the text of a turn"),
        (tokenizer("[{role}]{content}<end>", "[bot]"), "renders a prompt differently once it is answered"),
        (tokenizer("[{role}]{content}", end=None), "has no eos_token"),
        (tokenizer("{nothing}"), "cannot be rendered: KeyError"),
    ],
    ids=["no end", "no text", "no prefix", "no token", "broken"],
)
def test_a_template_that_cannot_teach_is_refused(made, says):
    with pytest.raises(UserError, match=says):
        check_template(made)
