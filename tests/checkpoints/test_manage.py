"""``ratchet checkpoints`` on real folders."""

import json
from pathlib import Path

import pytest

from ratchet.checkpoints.store import SAVING, Checkpoint, checkpoints, publish, seal


@pytest.fixture
def run(tmp_path) -> Path:
    folder = tmp_path / "out"
    for step in (10, 20, 30, 40):
        saving = folder / SAVING / f"checkpoint-{step}"
        saving.mkdir(parents=True)
        (saving / "model.safetensors").write_bytes(bytes(2**20))
        (saving / "trainer_state.json").write_text(json.dumps({"global_step": step, "best_global_step": 20}))
        seal(saving, made="2026-11-21T10:00:00+0000")
        publish(saving, folder)
    (folder / SAVING).rmdir()
    return folder


def left(run: Path) -> list[int]:
    return [c.step for c in checkpoints(run)][::-1]


def test_list_shows_each_with_its_size_and_marks_the_best(script, run):
    lines = script("ratchet", "checkpoints", "list", str(run)).stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["10", "20", "30", "40"]
    assert lines[2].endswith("1.0 MiB  the best") and lines[3].endswith("1.0 MiB")


def test_verify_names_what_is_torn_and_fails(script, run):
    assert "a run would resume from checkpoint-40" in script("ratchet", "checkpoints", "verify", str(run)).stdout
    (run / "checkpoint-40/model.safetensors").write_bytes(b"x" * 2**20)
    said = script("ratchet", "checkpoints", "verify", str(run), code=1).stdout
    assert (
        "checkpoint-40: not whole: model.safetensors is not what was saved" in said
        and "a run would resume from checkpoint-30" in said
    )


def test_prune_keeps_the_newest_the_best_and_the_interval(script, run):
    said = script("ratchet", "checkpoints", "prune", str(run), "--keep-every", "30").stdout
    assert "deleted checkpoint-10 (1.0 MiB); 3 left" in said
    assert left(run) == [20, 30, 40]


def test_prune_never_deletes_the_newest_whole_one(script, run):
    (run / "checkpoint-40/model.safetensors").unlink()
    script("ratchet", "checkpoints", "prune", str(run), "--keep", "1")
    assert Checkpoint(run / "checkpoint-30", 30).fault() is None and left(run) == [20, 30, 40]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("list", "nowhere"), "there is no such folder"),
        (("verify", "."), "holds no checkpoints"),
        (("prune", "out", "--keep", "0"), "numbers from 1 on"),
    ],
)
def test_a_folder_without_checkpoints_is_said(script, words, says):
    done = script("ratchet", "checkpoints", *words, code=2)
    assert says in done.stderr and "Traceback" not in done.stderr
