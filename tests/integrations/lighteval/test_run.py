"""What Ratchet gives to lighteval and reads from it, without lighteval."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from ratchet.errors import UserError
from ratchet.integrations.lighteval import run, venv
from ratchet.integrations.lighteval.run import AGIEVAL

ROWS = [{"id": "1", "kind": "word"}, {"id": "2", "kind": "sentence"}, {"id": "3", "kind": "word"}]


def recipe(task="aquarat", answers="ABCDE", template=None, cpu=True):
    values = {"chat_template_path": template} if template else {}
    settings = {"dtype": "float32", "use_cpu": cpu}
    return SimpleNamespace(
        task=SimpleNamespace(name=task, answers=answers),
        values=values,
        get=settings.get,
        evaluation=SimpleNamespace(batch_size=16, split="test"),
        as_yaml=lambda: "trainer: grpo\n",
    )


@pytest.fixture
def with_hub(monkeypatch):
    monkeypatch.setattr(run, "_hub_answers", lambda: True)


@pytest.fixture
def without_hub(monkeypatch):
    monkeypatch.setattr(run, "_hub_answers", lambda: False)


def test_all_tasks_of_a_recipe_are_evaluated_by_default(with_hub):
    assert run._chosen(recipe(), [{"id": "1"}], []) == ["aquarat", "aquarat_letters", AGIEVAL]
    assert run._chosen(recipe("dakota", answers=()), ROWS, []) == ["dakota_sentence", "dakota_word"]


def test_what_needs_the_hub_is_left_out_without_it(without_hub, capsys):
    assert run._chosen(recipe(), [{"id": "1"}], []) == ["aquarat", "aquarat_letters"]
    assert "is left out: the Hub cannot be reached" in capsys.readouterr().out


def test_tasks_can_be_named(without_hub):
    assert run._chosen(recipe("dakota", answers=()), ROWS, ["dakota", "dakota_word"]) == ["dakota", "dakota_word"]
    assert run._chosen(recipe(), [{"id": "1"}], [AGIEVAL]) == [AGIEVAL]


def test_an_unknown_task_is_answered_with_those_that_there_are():
    with pytest.raises(UserError, match="no task aquarate; there are aquarat, aquarat_letters, agieval:aqua-rat"):
        run._chosen(recipe(), [{"id": "1"}], ["aquarate", "aquarat"])


def test_an_offline_process_asks_no_hub(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert run._hub_answers() is False


def test_lighteval_works_in_a_folder_with_links_and_every_row(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "generation_config.json").write_text('{"eos_token_id": 4, "repetition_penalty": 1.3}')
    place = tmp_path / "place"
    place.mkdir()
    run._lay(place, recipe(), str(model), ROWS)
    assert (place / "model/config.json").resolve() == model / "config.json"
    assert json.loads((place / "model/generation_config.json").read_text()) == {"eos_token_id": 4}
    assert (place / "packages/ratchet/__init__.py").is_file()
    lines = [json.loads(line) for line in (place / "rows/test.jsonl").read_text().splitlines()]
    assert [json.loads(line["row"]) for line in lines] == ROWS and lines[0]["id"] == "1"
    assert (place / "recipe.yaml").read_text() == "trainer: grpo\n"


def test_prompts_reach_the_model_whole_but_agieval_has_lightevals_settings(tmp_path):
    ours = run._model_arguments(tmp_path, recipe(), ["aquarat"])
    assert (ours["override_chat_template"], ours["add_special_tokens"]) == (False, False)
    assert set(run._model_arguments(tmp_path, recipe(), [AGIEVAL])) == {
        *("model_name", "dtype", "batch_size", "cache_dir"),
    }


def test_the_process_gets_the_recipe_and_nothing_that_reaches_into_its_python(tmp_path, monkeypatch):
    for name in ("PYTHONSTARTUP", "RATCHET_LEARNING_RATE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    (tmp_path / "t.jinja").write_text("")
    environ = run._environ(tmp_path, recipe(template=str(tmp_path / "t.jinja")), ["aquarat"])
    assert not {"PYTHONSTARTUP", "RATCHET_LEARNING_RATE"} & environ.keys()
    assert environ["PYTHONPATH"] == str(tmp_path / "packages") and environ["CUDA_VISIBLE_DEVICES"] == ""
    asked = json.loads(environ["LIGHTEVAL_RECIPE"])
    assert ["chat_template_path", str(tmp_path / "t.jinja")] in asked["overrides"]
    assert asked["rows"] == str(tmp_path / "rows")


def test_only_agieval_may_use_the_network(tmp_path, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert run._environ(tmp_path, recipe(), ["aquarat"])["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in run._environ(tmp_path, recipe(), [AGIEVAL])


@pytest.mark.parametrize(
    ("metric", "response", "correct", "completion"),
    [
        ({"accuracy": 1.0, "answered": 1.0}, {"text": ["Answer: A"]}, True, "Answer: A"),
        ({"accuracy": 0, "answered": None}, {"text": ["A"]}, False, None),
        ({"acc": 1, "accuracy": None}, {"text": None}, True, None),
    ],
    ids=["written", "letters", "agieval"],
)
def test_a_detail_of_lighteval_becomes_an_entry(metric, response, correct, completion):
    detail = {"doc": {"id": "7", "specific": {"id": "row 7"}}, "metric": metric, "model_response": response}
    assert run._entry(detail) == {"id": "row 7", "correct": correct, "completion": completion}
    assert run._entry({**detail, "doc": {"id": "7", "specific": None}})["id"] == "7"


def test_the_environment_lies_where_the_user_says_or_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(venv.LIGHTEVAL.variable, raising=False)
    assert venv.LIGHTEVAL._folder("abc") == tmp_path / "ratchet/lighteval-abc"
    monkeypatch.setenv(venv.LIGHTEVAL.variable, "relative")
    assert venv.LIGHTEVAL._folder("abc") == Path.cwd() / "relative"


def test_a_folder_of_something_else_is_not_deleted(tmp_path):
    (tmp_path / "photo.jpg").write_text("")
    with pytest.raises(UserError, match="is no Python environment, and not empty"):
        venv.LIGHTEVAL._make(tmp_path)
    assert (tmp_path / "photo.jpg").exists()
