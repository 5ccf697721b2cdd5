"""What a process says of itself."""

import gc
import os
import sys
from contextlib import suppress

import pytest

from ratchet import runtime
from ratchet.errors import UserError


class Parent:
    def __init__(self, *words):
        self.words = words

    def parent(self):
        return self

    def cmdline(self):
        return list(self.words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("python", "/x/bin/accelerate", "launch", "--num_processes", "2", "scripts/grpo.py", "r"), "2"),
        (("/x/bin/accelerate-launch", "--num_processes", "2", "scripts/grpo.py"), "2"),
        (("python", "-m", "accelerate.commands.launch", "--num_processes", "2", "scripts/grpo.py"), "2"),
        (("bash", "-c", "python scripts/grpo.py"), None),
        (("/x/bin/accelerate", "launch", "other.py"), None),
    ],
)
def test_the_launcher_is_read_off_the_parent(monkeypatch, words, said):
    monkeypatch.setattr(sys, "argv", ["scripts/grpo.py", "r.yaml"])
    monkeypatch.setattr(runtime.psutil, "Process", lambda: Parent(*words))
    assert runtime.launcher() == ("python" if said is None else f"accelerate launch --num_processes {said}")


def test_a_picture_that_cannot_be_drawn_costs_a_warning(capsys):
    assert runtime.attempt("the report", lambda: 1 / 0) is None
    assert "warning: the report could not be drawn (ZeroDivisionError" in capsys.readouterr().out
    assert runtime.attempt("the report", lambda: 7) == 7


@pytest.mark.parametrize(
    ("text", "rows"),
    [("0, H100 80GB\n1, H100 80GB", [["0", "H100 80GB"], ["1", "H100 80GB"]]), ("Failed", []), ("", [])],
)
def test_the_drivers_table_is_read(tmp_path, monkeypatch, text, rows):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert runtime.nvidia_smi("index", "name") == rows


def without_a_reader():
    """A pipe whose reader has left."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w")


def without_a_terminal():
    """A terminal that was closed."""
    master, slave = os.openpty()
    os.close(master)
    return os.fdopen(slave, "w")


def on_a_full_disk():
    """A file for which there is no room."""
    return open("/dev/full", "w", encoding="utf-8")


@pytest.mark.parametrize("stream", [without_a_reader, without_a_terminal, on_a_full_disk])
def test_output_outlives_its_reader(stream):
    patient = runtime.Patient(stream())
    for _ in range(2):
        assert patient.write("four") == 4
        patient.flush()
    patient.close()


@pytest.fixture
def lock(monkeypatch, tmp_path):
    """A lock of a build, and a start under DeepSpeed; no compiler is at work."""
    for key in ("TORCH_EXTENSIONS_DIR", "RANK"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setattr(runtime, "COMPILERS", ("a-compiler-of-this-test",))
    path = tmp_path / "torch_extensions/py311_cu130/fused_adam/lock"
    path.parent.mkdir(parents=True)
    path.touch()
    os.utime(path, (1, 1))
    return path


def test_a_lock_of_a_killed_build_is_refused_with_its_removal(lock):
    with pytest.raises(UserError, match=f"a build of fused_adam that was killed .* rm {lock}"):
        runtime.check_builds()
    lock.unlink()
    runtime.check_builds()


def test_the_first_start_under_deepspeed_says_that_it_builds(lock, capsys):
    lock.unlink()
    runtime.check_builds()
    assert "may build operators before the first step" in capsys.readouterr().out
    (lock.parent / "fused_adam.so").touch()
    runtime.check_builds()
    assert capsys.readouterr().out == ""


def test_a_lock_of_a_build_that_is_at_work_is_left_alone(lock, monkeypatch):
    os.utime(lock)
    assert runtime.left_build_locks() == []
    os.utime(lock, (1, 1))
    assert runtime.left_build_locks() == [lock]
    monkeypatch.setattr(runtime, "COMPILERS", (runtime.psutil.Process().name(),))
    assert runtime.left_build_locks() == []


def test_another_folder_of_builds_is_looked_at_alone(lock, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "own"))
    assert runtime.left_build_locks() == []


@pytest.mark.parametrize("module", ["json", "ratchet.there_is_no_such_module"])
def test_imports_leave_the_collector_as_it_was(module):
    collects = gc.isenabled()
    with suppress(ModuleNotFoundError):
        runtime.import_at_once(module)
    assert gc.isenabled() == collects and gc.get_freeze_count() > 0
    gc.unfreeze()
