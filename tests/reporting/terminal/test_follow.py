"""A run in a terminal: finished, going on, torn, absent."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ratchet.errors import UserError
from ratchet.files import alone, lock_of
from ratchet.reporting.terminal.figures import Disk, look
from ratchet.reporting.terminal.follow import follow


def test_a_finished_run_is_drawn_once(demo, script):
    done = script("ratchet", "watch", str(demo.folder))
    for word in (
        "finished: step 80 of 80",
        "held-out accuracy",
        "reward",
        "tokens per second",
        "seconds of a step: rollout",
        "host:",
        "free",
    ):
        assert word in done.stdout
    assert re.search(
        r"step 80 \| [\d.]+ s \| reward [\d.]+ \| accuracy [\d.]+ \| \d+ tok/s \| \d+ tok/sample", done.stdout
    )


def test_lines_are_one_for_each_logged_step(demo, script):
    done = script("ratchet", "watch", str(demo.folder), "--lines")
    steps = [int(found) for found in re.findall(r"^step (\d+) \| .*reward", done.stdout, re.M)]
    assert steps == list(range(5, 81, 5))


def _running(demo, tmp_path) -> Path:
    """A folder as a run leaves it in the middle."""
    folder = tmp_path / "run"
    (folder / "diagnostics").mkdir(parents=True)
    shutil.copy(demo.folder / "recipe.yaml", folder)
    lines = (demo.folder / "diagnostics/log.jsonl").read_text().splitlines()
    kept = [line for line in lines if "loss" in json.loads(line)][:8]
    (folder / "diagnostics/log.jsonl").write_text("\n".join(kept) + '\n{"step": 45, "lo')
    return folder


def test_a_run_that_goes_on_is_drawn_again_and_ends_with_it(demo, tmp_path, root):
    folder = _running(demo, tmp_path)
    master, slave = pty.openpty()
    words = [sys.executable, "-m", "ratchet", "watch", str(folder), "--every", "0.2"]
    with alone(lock_of(folder), "run", "--output_dir"):
        process = subprocess.Popen(
            words, stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "60"}
        )
        os.close(slave)
        text, until = b"", time.monotonic() + 30
        while text.count(b"running: step 40 of 80") < 3:
            assert time.monotonic() < until, text.decode(errors="replace")
            text += os.read(master, 4096)
        with (folder / "diagnostics/log.jsonl").open("a") as file:
            file.write('\n{"step": 50, "time": 1.0, "loss": 0.1, "reward": 0.7}\n')
        while b"running: step 50 of 80" not in text:
            assert time.monotonic() < until
            text += os.read(master, 4096)
    with suppress(OSError):  # the lock is free: the run has stopped, and so does its view
        while found := os.read(master, 4096):
            text += found
    assert process.wait(10) == 0
    assert b"stopped: step 50" in text


def test_lines_follow_a_run_that_has_not_begun(demo, tmp_path, capsys):
    import threading

    folder = tmp_path / "run"

    def begin() -> None:
        time.sleep(0.5)
        _running(demo, tmp_path / "beside").rename(folder)

    threading.Thread(target=begin).start()
    follow(folder, 0.1, 20)
    assert capsys.readouterr().out.count("reward") == 8
    with pytest.raises(UserError, match="no folder"):
        follow(tmp_path / "other", 0.1, 0.2)


def test_the_log_of_a_launch_is_found_beside_the_run(demo, tmp_path):
    folder = _running(demo, tmp_path)
    (tmp_path / "run.slurm").mkdir()
    (tmp_path / "run.slurm/run-1.log").write_text("\n".join(f"line {i}" for i in range(50)))
    view = look(folder, Disk(folder), None, 3)
    assert list(view.tail) == ["line 47", "line 48", "line 49"]


def test_a_disk_that_fills_has_an_end():
    disk = Disk(Path())
    disk.look(0.0, 1000)
    assert disk.full_in() is None
    disk.look(60.0, 400)
    assert disk.full_in() == pytest.approx(40.0)
    disk.look(120.0, 2000)
    assert disk.full_in() is None


def test_gpus_are_shown_where_the_driver_shows_them(demo, tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, 97, 70123, 81559, 640.2'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert look(demo.folder, Disk(demo.folder), None, 0).memory[0] == "GPU 0: 70123 of 81559 MiB, 97 % busy, 640.2 W"


def test_what_is_no_run_is_said(script, tmp_path):
    assert "is no folder" in script("ratchet", "watch", "nothing", code=2).stderr
    (tmp_path / "empty").mkdir()
    assert "holds no run" in script("ratchet", "watch", "empty", code=2).stderr
    assert "--every takes" in script("ratchet", "watch", "empty", "--every", "0", code=2).stderr
