"""An audit whose grader does not return is stopped, whatever holds the interpreter, and says what it was doing."""

import os
import re
import subprocess
import sys
import time

import psutil
import pytest

from ratchet.audit.watched import watched
from ratchet.errors import UserError


def test_what_the_work_returns_comes_back():
    assert watched(lambda beat: {"pid": os.getpid()}, 30.0)["pid"] != os.getpid()


@pytest.mark.parametrize(
    "hang", [lambda: time.sleep(600), lambda: re.match(r"(a+)+$", "a" * 60 + "b")], ids=["sleep", "backtracking"]
)
def test_work_that_does_not_return_is_stopped_and_named(hang):
    def work(beat):
        beat("grading row train-7")
        hang()

    with pytest.raises(UserError, match=r"grading row train-7 took longer than 1 s \(audit.timeout\)"):
        watched(work, 1.0)


def test_an_error_of_the_work_is_told():
    def work(beat):
        raise UserError("rewards.mine of row train-0 raises")

    with pytest.raises(UserError, match=r"rewards.mine of row train-0"):
        watched(work, 30.0)


def test_a_process_that_leaves_is_no_pass():
    def work(beat):
        beat("grading row train-3")
        os._exit(3)

    with pytest.raises(UserError, match="died while grading row train-3"):
        watched(work, 30.0)


def test_long_work_says_how_far_it_is(capfd, monkeypatch):
    monkeypatch.setattr("ratchet.audit.watched.QUIET", 0.0)
    watched(lambda beat: beat("grading row train-1 (0 of 9 rows audited)"), 30.0)
    assert "audit: grading row train-1 (0 of 9 rows audited)" in capfd.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has ended")
def test_an_audit_dies_with_the_command_that_began_it():
    code = "import time\nfrom ratchet.audit.watched import watched\nwatched(lambda beat: time.sleep(600), 600)"
    command = subprocess.Popen([sys.executable, "-c", code])
    (child,) = _until(lambda: psutil.Process(command.pid).children())
    command.kill()
    command.wait()
    assert _until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def _until(so, seconds=20):
    deadline = time.monotonic() + seconds
    while not (found := so()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found
