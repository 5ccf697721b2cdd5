"""Finding models and chat templates."""

import pytest

from ratchet.errors import UserError
from ratchet.models import TINY, load_tokenizer, locate


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


@pytest.mark.parametrize("name", ["./model", "/nowhere/model", "~/nowhere", "a/b/c", "outputs/dmeo"])
def test_what_looks_like_a_path_must_be_there(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs").mkdir()
    with pytest.raises(UserError, match=f"there is no folder {name}"):
        locate(name)


def test_a_template_of_trl_is_named_without_its_file():
    tokenizer = load_tokenizer(locate(TINY), chat_template="trl:qwen2_5")
    assert "<|im_start|>" in tokenizer.chat_template


def test_a_misspelt_template_of_trl_gets_the_nearest():
    with pytest.raises(UserError, match="TRL has no template qwen2_5x; did you mean trl:qwen2_5"):
        load_tokenizer(locate(TINY), chat_template="trl:qwen2_5x")
