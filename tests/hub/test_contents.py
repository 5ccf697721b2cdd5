"""What of a model's folder is published, and how it waits for the Hub."""

import pytest

from ratchet.errors import UserError
from ratchet.hub.contents import PUSHING, chosen, link, revision_of, stage, staged


def test_only_what_a_model_and_a_reader_need_is_published(tmp_path, fill):
    folder = fill(tmp_path / "run", **{"README.md": "card", "result.json": "{}", "events.out.tfevents": "log"})
    assert chosen(folder) == ["README.md", "config.json", "model.safetensors", "result.json"]


def test_weights_of_a_checkpoint_inside_are_not_the_models(tmp_path, fill):
    folder = fill(tmp_path / "run")
    fill(folder / "checkpoint-5")
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates/tools.jinja").write_text("")
    assert chosen(folder) == ["additional_chat_templates/tools.jinja", "config.json", "model.safetensors"]


def test_completions_are_published_only_when_asked_for(tmp_path, fill):
    folder = fill(tmp_path / "run", **{"evaluation-aquarat-test.jsonl": ""})
    (folder / "completions").mkdir()
    (folder / "completions/5.parquet").write_bytes(b"")
    more = {"completions/5.parquet", "evaluation-aquarat-test.jsonl"}
    assert set(chosen(folder, completions=True)) - set(chosen(folder)) == more


def test_a_folder_without_weights_is_no_model(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(UserError, match="holds no weights as safetensors"):
        chosen(tmp_path)


def test_a_secret_is_named_by_file_and_line(tmp_path, fill):
    folder = fill(tmp_path / "run", **{"recipe.yaml": "a: 1\nb: 2\ntoken: hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345\n"})
    with pytest.raises(UserError, match=r"recipe.yaml:3 holds what looks like a secret"):
        chosen(folder)


def test_a_staged_checkpoint_has_the_texts_that_were_given_and_costs_no_room(tmp_path, fill):
    checkpoint = fill(tmp_path / "checkpoint-5", **{"README.md": "the run's"})
    place = stage(
        checkpoint, tmp_path / PUSHING / revision_of(5), {"README.md": "the checkpoint's", "recipe.yaml": ""}
    )
    assert sorted(path.name for path in place.iterdir()) == [
        *("README.md", "config.json", "model.safetensors", "recipe.yaml"),
    ]
    assert (place / "README.md").read_text() == "the checkpoint's"
    assert (place / "model.safetensors").samefile(checkpoint / "model.safetensors")
    assert (checkpoint / "README.md").read_text() == "the run's"


def test_staging_replaces_what_an_interrupted_one_left(tmp_path, fill):
    place = tmp_path / PUSHING / "step-000005"
    for left in (place, place.with_name(".step-000005")):
        left.mkdir(parents=True)
        (left / "old").write_text("")
    stage(fill(tmp_path / "checkpoint-5"), place, {})
    assert sorted(path.name for path in place.iterdir()) == ["config.json", "model.safetensors"]
    assert not place.with_name(".step-000005").exists()


def test_what_waits_is_found_in_order_and_only_when_complete(tmp_path):
    for name in ("step-000100", "step-000020", ".step-000030"):
        (tmp_path / PUSHING / name).mkdir(parents=True)
    (tmp_path / PUSHING / "step-000040").write_text("a file")
    assert [path.name for path in staged(tmp_path)] == ["step-000020", "step-000100"]
    assert staged(tmp_path / "elsewhere") == []


def test_a_file_system_without_hard_links_gets_copies(tmp_path, monkeypatch):
    def refuse(*paths):
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    (tmp_path / "one").write_text("text")
    link(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "two").read_text() == "text" and not (tmp_path / "two").samefile(tmp_path / "one")
