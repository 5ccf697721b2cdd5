"""Output folders that are links and volumes, and that somebody renames or deletes under a run."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from ratchet import files
from ratchet.checkpoints.resume import Start
from ratchet.files import hidden_beside, is_full, lock_of
from ratchet.training import output_folder
from ratchet.training.output_folder import Place, gather, open_staging, publish_output, staging


def recipe(folder: Path) -> SimpleNamespace:
    return SimpleNamespace(output_dir=folder, as_yaml=lambda: "made: now\n")


@pytest.fixture
def volume(tmp_path, monkeypatch):
    """A folder that counts as a file system of its own."""
    folder = tmp_path / "vol"
    folder.mkdir()
    for module in (files, output_folder):
        monkeypatch.setattr(module, "is_volume", lambda path: path.resolve() == folder.resolve())
    return folder


def published(folder: Path) -> None:
    made = recipe(folder)
    open_staging(made)
    (staging(made) / "data").mkdir()
    (staging(made) / "data/rows").write_text("new")
    publish_output(made, Start(), "sha")


def test_a_plain_folder_is_prepared_and_locked_beside_its_place(tmp_path):
    assert lock_of(tmp_path / "out") == tmp_path.resolve() / ".out.lock"
    published(tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


def test_a_link_stays_a_link_and_the_earlier_run_stays_on_its_disk(tmp_path):
    disk = tmp_path / "disk/run"
    disk.mkdir(parents=True)
    (disk / "result.json").write_text("{}")
    link = tmp_path / "out"
    link.symlink_to(disk)
    published(link)
    assert link.is_symlink() and (disk / "data/rows").read_text() == "new"
    assert (tmp_path / "disk/run.old-1/result.json").is_file()
    assert lock_of(link) == lock_of(disk)


def test_a_link_to_a_folder_that_is_not_there_yet_is_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    link = tmp_path / "out"
    link.symlink_to(tmp_path / "disk/run")
    published(link)
    assert link.is_symlink() and (tmp_path / "disk/run/recipe.yaml").is_file()


def test_a_volume_holds_all_that_belongs_to_it(volume, tmp_path):
    assert hidden_beside(volume, "lock") == volume / ".lock"
    published(volume)
    assert {path.name for path in volume.iterdir()} == {"data", "recipe.yaml"}
    assert {path.name for path in tmp_path.iterdir()} == {"vol"}


def test_an_earlier_run_in_a_volume_is_moved_within_it(volume):
    for number in (1, 2):
        (volume / "result.json").write_text(str(number))
        published(volume)
        assert (volume / f"earlier-{number}/result.json").read_text() == str(number)


def test_what_every_volume_holds_is_no_earlier_run(volume, capsys):
    (volume / "lost+found").mkdir()
    published(volume)
    assert (volume / "lost+found").is_dir() and "earlier run" not in capsys.readouterr().out


def test_a_folder_is_found_where_it_was_renamed_to(tmp_path):
    (tmp_path / "out").mkdir()
    place = Place(tmp_path / "out")
    assert place.now() == tmp_path / "out"
    (tmp_path / "out").rename(tmp_path / "other")
    assert place.now() == tmp_path / "other"
    (tmp_path / "out").mkdir()  # made anew, by whoever writes there
    assert place.now() == tmp_path / "other"


def test_a_folder_that_was_deleted_is_nowhere(tmp_path):
    (tmp_path / "out").mkdir()
    place = Place(tmp_path / "out")
    (tmp_path / "out").rmdir()
    assert place.now() is None


def test_what_was_written_to_the_old_path_is_brought_along(tmp_path):
    before, now = tmp_path / "out", tmp_path / "moved"
    for folder, text in ((before, "2\n"), (now, "1\n")):
        (folder / "diagnostics").mkdir(parents=True)
        (folder / "diagnostics/log.jsonl").write_text(text)
    (before / "diagnostics/alarms.jsonl").write_text("a\n")
    gather(before, now)
    assert not before.exists()
    assert (now / "diagnostics/log.jsonl").read_text() == "1\n2\n"
    assert (now / "diagnostics/alarms.jsonl").read_text() == "a\n"


def test_what_somebody_else_put_at_the_old_path_stays(tmp_path):
    before, now = tmp_path / "out", tmp_path / "moved"
    for folder in (before, now):
        (folder / "diagnostics").mkdir(parents=True)
        (folder / "recipe.yaml").write_text(folder.name)
    gather(before, now)
    assert (before / "recipe.yaml").read_text() == "out" and (now / "recipe.yaml").read_text() == "moved"


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        OSError(122, "Disk quota exceeded"),
        OSError(27, "File too large"),
        RuntimeError(
            "[enforce fail at inline_container.cc:672] . PytorchStreamWriter failed: No space left on device"
        ),
        ValueError("Error while serializing: I/O error: Disk quota exceeded (os error 122)"),
    ],
    ids=["disk", "quota", "limit", "torch", "safetensors"],
)
def test_every_way_of_saying_that_there_is_no_room_is_understood(error):
    assert is_full(error)
    wrapped = RuntimeError("An error occurred while generating the dataset")
    wrapped.__cause__ = error
    assert is_full(wrapped)
    assert not is_full(RuntimeError("an error")) and not is_full(OSError(13, os.strerror(13)))
