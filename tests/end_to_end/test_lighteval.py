"""The real lighteval in its own environment, with Ratchet's tasks: slow, since that environment takes minutes to make.
CI runs it."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from ratchet.integrations.lighteval.venv import LIGHTEVAL, python

pytestmark = pytest.mark.apart
TINY = Path(__file__).resolve().parents[2] / "src/ratchet/models/tiny"


@pytest.fixture(scope="module", autouse=True)
def environment():
    python()


@pytest.fixture
def model(tmp_path) -> Path:
    return shutil.copytree(TINY, tmp_path / "model")


def found(folder: Path, name: str) -> tuple[dict, list[dict]]:
    path = folder / f"outputs/evaluations/model/lighteval-{name}.json"
    return json.loads(path.read_text()), [
        json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()
    ]


def test_real_rows_get_the_same_completions_and_verdicts_both_ways(script, tmp_path, model, aqua_folder):
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    few = (
        "--data.source",
        str(aqua_folder),
        "--evaluation.max_rows",
        "16",
        "--evaluation.max_new_tokens",
        "40",
        "--use_cpu",
        "true",
    )
    done = script("ratchet", "lighteval", "model", "--task", "aquarat", *few, "--max_completion_length", "40")
    assert done.stdout.count("| 16 of 16 | 16 of 16 |") == 1 and "| aquarat_letters |" in done.stdout
    assert "agieval:aqua-rat, whose rows are on the Hub, is left out: the Hub cannot be reached" in done.stdout
    result, rows = found(tmp_path, "aquarat-validation")
    assert result["tasks"]["aquarat"]["n"] == 16 and len(rows) == 32
    assert result["tasks"]["aquarat"]["accuracy"] == result["ratchet"]["accuracy"]
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before


def test_a_real_language_model_gives_the_same_completions_both_ways(script, smollm2):
    few = ("--data.held_out", "8", "--evaluation.max_new_tokens", "24", "--model_name_or_path", str(smollm2))
    done = script("ratchet", "lighteval", "recipes/smollm2/sft.yaml", "--model", str(smollm2), *few)
    assert done.stdout.count("| 8 of 8 | 8 of 8 |") == 1


def test_new_weights_at_an_old_path_get_a_new_result(script, tmp_path, model):
    words = (
        "ratchet",
        "lighteval",
        "model",
        "--data.generated.validation",
        "24",
        "--use_cpu",
        "true",
        "--alone",
        "--tasks",
        "aquarat",
    )
    script(*words)
    _, first = found(tmp_path, "aquarat-validation")
    weights = load_file(model / "model.safetensors")
    save_file(
        {name: -value for name, value in weights.items()}, model / "model.safetensors", metadata={"format": "pt"}
    )
    script(*words)
    _, second = found(tmp_path, "aquarat-validation")
    assert [row["id"] for row in first] == [row["id"] for row in second]
    assert [row["completion"] for row in first] != [row["completion"] for row in second]


def test_every_kind_of_dakota_is_a_task_of_its_own(script, tmp_path, model):
    (tmp_path / "r.yaml").write_text(
        "trainer: grpo\ntask: dakota\nmodel_name_or_path: model\nuse_cpu: true\nbf16: false\ndata: {source: "
        "generated, instruction: ''}\n"
        "rewards: {correctness: {weight: 1.0}}\nmax_completion_length: 24\nevaluation: {max_rows: 40, split: test}\n"
    )
    done = script("ratchet", "lighteval", "r.yaml")
    result, _ = found(tmp_path, "dakota-test")
    assert len(result["tasks"]) > 1 and all(name.startswith("dakota_") for name in result["tasks"])
    assert sum(task["n"] for task in result["tasks"].values()) == result["ratchet"]["n"] == 40
    counts = [line.split("|")[4].split() for line in done.stdout.splitlines() if line.startswith("| dakota_")]
    assert all(same == n for same, _, n in counts)


def test_the_exit_status_of_lighteval_is_passed_on(script, tmp_path, model):
    data = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(data[: len(data) // 2])
    done = script("ratchet", "lighteval", "model", "--data.generated.validation", "4", "--use_cpu", "true", code=1)
    assert (
        "lighteval failed (exit status 1); nothing was written" in done.stdout and not (tmp_path / "outputs").exists()
    )


def test_an_unknown_task_is_said(script):
    done = script("ratchet", "lighteval", "ratchet-tiny", "--tasks", "aquarate", code=2)
    assert "there is no task aquarate; there are aquarat, aquarat_letters, agieval:aqua-rat" in done.stderr


def test_a_folder_of_something_else_is_not_made_an_environment(script, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/one.jpg").write_text("")
    done = script("ratchet", "lighteval", "ratchet-tiny", code=2, **{LIGHTEVAL.variable: str(tmp_path / "photos")})
    assert "is no Python environment, and not empty" in done.stderr and (tmp_path / "photos/one.jpg").exists()
