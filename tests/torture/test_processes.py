"""Forked processes as a launcher sees them; these run a script of a few lines."""

import os
import signal
import sys
import time

import pytest

from ratchet.torture.processes import Training, _exit_code


def plain_streams() -> None:
    """Undo pytest's capture, which a forked process would write into otherwise."""
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))


@pytest.fixture
def training(tmp_path):
    """A function that starts a script, and ends what is left of it."""
    started = []

    def start(text: str, processes: int = 1) -> Training:
        (tmp_path / "script.py").write_text(text)
        started.append(Training(tmp_path, [str(tmp_path / "script.py"), "word"], processes, plain_streams))
        return started[-1]

    yield start
    for one in started:
        one.send(signal.SIGKILL)
        one.wait(10)


@pytest.mark.parametrize(("code", "status"), [(None, 0), (3, 3), ("a message", 1)])
def test_an_exit_has_the_status_that_the_interpreter_gives(code, status):
    assert _exit_code(SystemExit(code)) == status


def test_a_script_runs_with_its_words_in_its_folder(training, tmp_path):
    one = training("import os, sys\nprint(sys.argv[1], os.getcwd(), __name__)")
    assert one.wait(20) == 0
    assert one.text() == f"word {tmp_path} __main__\n"


def test_an_exception_is_printed_and_fails(training):
    one = training("raise ValueError('on purpose')")
    assert one.wait(20) == 1 and "ValueError: on purpose" in one.text()


def test_the_last_step_that_was_printed_is_known(training):
    one = training("print('step     1/9 loss')\nprint('step    12/24 loss', flush=True)\nraise SystemExit(4)")
    assert one.wait(20) == 4 and one.step() == 12


def test_a_later_start_reads_its_own_output_alone(training):
    assert training("print('first')").wait(20) == 0
    second = training("print('second')")
    assert second.wait(20) == 0 and second.text() == "second\n"


def test_when_one_process_dies_the_others_are_ended(training):
    both = training("import os, time\nif os.environ['RANK'] == '1':\n    raise SystemExit(5)\ntime.sleep(60)", 2)
    began = time.monotonic()
    assert both.wait(30) == 5 and time.monotonic() - began < 20
    assert sorted(both.codes.values()) == [-signal.SIGKILL, 5]


def test_waiting_ends_with_the_run(training):
    assert not training("pass").wait_until(lambda: False)


def test_a_run_that_takes_longer_is_not_waited_for(training):
    assert training("import time\ntime.sleep(60)").wait(0.05) is None
