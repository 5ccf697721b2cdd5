"""Checkpoints on disk, with real files: whole or not there."""

import json
from pathlib import Path

import pytest

from ratchet.checkpoints.store import (
    MANIFEST,
    SAVING,
    Checkpoint,
    checkpoints,
    newest_whole,
    publish,
    recover,
    rotate,
    seal,
    set_aside,
)


def saved(run: Path, step: int) -> Checkpoint:
    folder = run / SAVING / f"checkpoint-{step}"
    (folder / "shards").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(bytes([step]) * 1000)
    (folder / "shards/0.pt").write_bytes(b"state")
    seal(folder, step=step)
    return publish(folder, run)


def test_a_sealed_checkpoint_is_whole_and_says_what_it_was_made_from(tmp_path):
    checkpoint = saved(tmp_path, 3)
    assert checkpoint.path == tmp_path / "checkpoint-3" and checkpoint.fault() is None
    assert checkpoint.manifest["step"] == 3
    assert checkpoint.manifest["files"]["shards/0.pt"]["bytes"] == 5


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda c: (c.path / "model.safetensors").write_bytes(b"\x03" * 999), "999 bytes instead of 1000"),
        (lambda c: (c.path / "model.safetensors").write_bytes(b"\x04" * 1000), "SHA-256"),
        (lambda c: (c.path / "shards/0.pt").unlink(), "shards/0.pt is missing"),
        (lambda c: (c.path / MANIFEST).unlink(), "no manifest.json"),
        (lambda c: (c.path / MANIFEST).write_text('{"files": {"a"'), "cannot be read"),
        (lambda c: (c.path / MANIFEST).write_text('{"files": {"a": 1}}'), "cannot be read"),
        (lambda c: (c.path / MANIFEST).write_text("[]"), "cannot be read"),
    ],
)
def test_a_torn_checkpoint_is_passed_over_with_its_reason(tmp_path, harm, says):
    saved(tmp_path, 3)
    harm(saved(tmp_path, 5))
    newest, faulty = newest_whole(tmp_path)
    assert newest.step == 3
    assert [c.step for c, _ in faulty] == [5] and says in faulty[0][1]


def test_an_unfinished_save_is_taken_away_and_one_that_lacked_only_its_rename_counts(tmp_path):
    half, whole = (tmp_path / SAVING / f"checkpoint-{step}" for step in (4, 6))
    for folder in (half, whole):
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"weights")
    seal(whole, step=6)
    said = list(recover(tmp_path))
    assert "checkpoint-4 was not finished" in said[0] and "checkpoint-6 had been written whole" in said[1]
    assert [c.step for c in checkpoints(tmp_path)] == [6] and not (tmp_path / SAVING).exists()


def test_what_is_set_aside_never_replaces_what_was_set_aside_before(tmp_path):
    first = set_aside(saved(tmp_path, 3).path)
    second = set_aside(saved(tmp_path, 3).path)
    assert first != second and first.is_dir() and second.is_dir()
    assert checkpoints(tmp_path) == []


@pytest.mark.parametrize(
    ("keep", "every", "best", "left"),
    [
        (None, None, None, [1, 2, 3, 4, 5, 6]),
        (2, None, None, [5, 6]),
        (2, 3, None, [3, 4, 5, 6]),
        (2, None, 3, [3, 6]),
        (1, None, 3, [3, 6]),
        (1, None, 6, [6]),
    ],
)
def test_rotation_keeps_the_newest_the_best_and_those_at_the_interval(tmp_path, keep, every, best, left):
    for step in range(1, 7):
        saved(tmp_path, step)
    rotate(tmp_path, keep, every, None if best is None else tmp_path / f"checkpoint-{best}")
    assert sorted(c.step for c in checkpoints(tmp_path)) == left


def test_a_manifest_is_written_last(tmp_path):
    checkpoint = saved(tmp_path, 2)
    written = {path.name: path.stat().st_mtime_ns for path in checkpoint.path.rglob("*") if path.is_file()}
    assert max(written, key=written.get) == MANIFEST
    assert MANIFEST not in json.loads((checkpoint.path / MANIFEST).read_text())["files"]
