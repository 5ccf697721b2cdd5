"""What of a model's folder is published, and how it waits for the Hub."""

import json

import pytest

from ratchet.errors import UserError
from ratchet.hub.contents import ADAPTER, PUSHING, base_of_adapter, chosen, link, revision_of, stage, staged


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
        stage(folder, tmp_path / PUSHING / "main", {})


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


@pytest.fixture
def adapter(tmp_path, fill):
    """A function that makes a folder with an adapter to a model."""

    def make(base: str):
        folder = fill(tmp_path / "adapter", **{"README.md": "---\ntags: [a]\n---\ncard"})
        (folder / "config.json").unlink()
        (folder / ADAPTER).write_text(json.dumps({"base_model_name_or_path": base, "r": 4, "revision": "x"}))
        return folder

    return make


def test_no_published_text_names_a_folder_of_this_machine(tmp_path, fill):
    own = f"source: {tmp_path}/rows.jsonl\nurl: https://a.b/c/d\nhalf: 1/2\n"
    model = fill(tmp_path / "run", **{"recipe.yaml": own, "result.json": f'{{"command": "x {tmp_path}/out/a"}}'})
    place = stage(model, tmp_path / PUSHING / "main", {"README.md": f"from `{tmp_path}/base`"})
    assert (place / "recipe.yaml").read_text() == "source: rows.jsonl\nurl: https://a.b/c/d\nhalf: 1/2\n"
    assert (place / "README.md").read_text() == "from `base`"
    assert str(tmp_path) not in (place / "result.json").read_text()
    assert (model / "recipe.yaml").read_text() == own


def test_an_adapter_of_a_folder_is_refused_until_its_model_is_named(tmp_path, adapter):
    folder, place = adapter(str(tmp_path)), tmp_path / PUSHING / "main"
    with pytest.raises(UserError, match="a folder that nobody else has: publish that model and name it"):
        stage(folder, place, {})
    assert not place.exists()
    stage(folder, place, {}, base="me/base")
    settings = json.loads((place / ADAPTER).read_text())
    assert settings == {"base_model_name_or_path": "me/base", "r": 4, "revision": None}
    assert "base_model: me/base" in (place / "README.md").read_text()


@pytest.mark.parametrize(
    ("base", "found"),
    [("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B"), ("./base", None), ("/data/base", None), ("ratchet-tiny", None)],
)
def test_the_model_of_an_adapter_is_one_on_the_hub(adapter, base, found):
    assert base_of_adapter(adapter(base)) == found
