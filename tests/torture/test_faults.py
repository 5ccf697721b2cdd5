"""The parts of the faults, on files and on a training that is made up."""

import signal
from pathlib import Path
from random import Random

import pytest

from ratchet.checkpoints.store import SAVING
from ratchet.errors import UserError
from ratchet.torture import faults
from ratchet.torture.faults import FAULTS, TRIGGER, damage
from ratchet.torture.rounds import Tally, _chosen, _line


class Training:
    """Remembers the signals it was sent; ``react`` is what happens while somebody waits for it."""

    def __init__(self, folder: Path, react=lambda: None):
        self.folder, self.react = folder, react
        self.pids = [101, 102]
        self.sent: list[tuple[int, list[int] | None]] = []

    def send(self, number, ranks=None):
        self.sent.append((number, ranks))

    def wait_until(self, happened):
        self.react()
        return happened()

    def wait(self, seconds):
        return 0


def strike(name: str, training: Training, run: Path) -> bool:
    (fault,) = [fault for fault in FAULTS if fault.name == name]
    return fault.strike(training, run, Random(0))


@pytest.mark.parametrize(("how", "size"), [("remove", None), ("cut", lambda n: n < 100), ("flip", lambda n: n == 100)])
@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_file_is_never_what_it_was(tmp_path, how, size, seed):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(100)))
    damage(path, how, Random(seed))
    if size is None:
        assert not path.exists()
    else:
        assert size(path.stat().st_size) and path.read_bytes() != bytes(range(100))


def test_flipping_changes_one_byte(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    damage(path, "flip", Random(1))
    assert sorted(path.read_bytes()) == [0] * 99 + [255]


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("SIGKILL", [(signal.SIGKILL, None)]),
        ("SIGTERM", [(signal.SIGTERM, None)]),
        ("SIGINT", [(signal.SIGINT, None)]),
    ],
)
def test_a_signal_goes_to_all_processes(tmp_path, name, sent):
    training = Training(tmp_path)
    assert strike(name, training, tmp_path) and training.sent == sent


@pytest.mark.parametrize(
    ("name", "number"), [("one process killed", signal.SIGKILL), ("one process hangs", signal.SIGSTOP)]
)
def test_a_fault_of_one_process_strikes_one(tmp_path, name, number):
    training = Training(tmp_path)
    assert strike(name, training, tmp_path)
    ((sent, ranks),) = training.sent
    assert sent == number and len(ranks) == 1 and ranks[0] in (0, 1)


@pytest.mark.parametrize("name", ["SIGKILL while saving", "one process hangs while saving"])
def test_a_fault_while_saving_waits_for_a_save(tmp_path, name):
    late = Training(tmp_path)
    assert not strike(name, late, tmp_path) and late.sent == []
    (tmp_path / SAVING / "checkpoint-3").mkdir(parents=True)
    assert strike(name, Training(tmp_path), tmp_path)


def test_a_checkpoint_is_damaged_only_where_another_is_left(tmp_path):
    for step in (1, 2):
        assert not strike("killed, newest checkpoint damaged", Training(tmp_path), tmp_path)
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}/file").write_bytes(bytes(50))
    assert strike("killed, newest checkpoint damaged", Training(tmp_path), tmp_path)
    newest = tmp_path / "checkpoint-2/file"
    assert not newest.exists() or newest.read_bytes() != bytes(50)
    assert (tmp_path / "checkpoint-1/file").read_bytes() == bytes(50)


def test_a_trigger_that_is_taken_has_struck(tmp_path):
    trigger = tmp_path / TRIGGER

    def take():
        assert trigger.read_text() == "raise"
        trigger.rename(tmp_path / f"{TRIGGER}.taken")

    assert strike("reward raises", Training(tmp_path, take), tmp_path)


def test_a_trigger_that_nobody_takes_is_taken_away(tmp_path):
    assert not strike("reward raises", Training(tmp_path), tmp_path)
    assert not (tmp_path / TRIGGER).exists()


@pytest.fixture
def task(tmp_path, monkeypatch):
    """The task that misbehaves, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "torture_task"}
    exec(compile(faults.TASK, "torture_task.py", "exec"), names)
    return names["Torture"](source="generated")


def test_the_task_grades_as_always_until_it_is_told_otherwise(task, tmp_path):
    (row, *_) = task.load("validation").rows
    right = task.target(row)
    assert task.grade(right, row).correct
    (tmp_path / TRIGGER).write_text("raise")
    with pytest.raises(RuntimeError, match="on purpose"):
        task.grade(right, row)
    assert task.grade(right, row).correct


def test_faults_are_chosen_by_name():
    assert [fault.name for fault in _chosen(["SIGTERM"])] == ["SIGTERM"]
    assert _chosen([]) == list(FAULTS)
    with pytest.raises(UserError, match="there is no fault SIGTEM; there are SIGKILL"):
        _chosen(["SIGTEM"])


def test_names_of_faults_are_unique():
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names)


def test_a_row_of_the_table_has_both_numbers_of_processes():
    tallies = [Tally(2, 2, 2, [1.0, 3.0, 2.0]), Tally(4, 4, 3, [])]
    assert _line(FAULTS[0], tallies) == "| SIGKILL | 2 + 4 | 2 + 4 | 2 + 3 | 2.0 (3.0) |"
