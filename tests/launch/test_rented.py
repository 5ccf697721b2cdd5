"""A run on a rented machine, without a machine: what it is told, and what is made of its answers."""

import pytest

from ratchet.errors import Stopped, UserError
from ratchet.launch.remote import Lost
from ratchet.launch.rented import Pace, RentedRun
from ratchet.launch.request import launch_of


class Rental:
    id, deadline = "i1", 2_000_000_000.0
    stopped = gone = False

    def check(self):
        if self.stopped:
            raise Stopped("told")

    def still_there(self):
        if self.gone:
            raise UserError("the instance i1 is gone")


class Machine:
    """Answers commands in order: bytes, or an exception."""

    def __init__(self, *answers):
        self.answers, self.commands, self.fetched = list(answers), [], []

    def run(self, command, stdin=None, timeout=120):
        self.commands.append((command, stdin))
        answer = self.answers.pop(0) if self.answers else b""
        if isinstance(answer, Exception):
            raise answer
        return answer

    def send(self, root, files, folder):
        self.commands.append((f"send to {folder}", None))

    def fetch(self, folder, name, into, leave_out=None):
        self.fetched.append(leave_out)
        return True


def _run(root, tmp_path, machine, rental=None, lost=10.0, sync=10.0):
    config = str(root / "accelerate_configs/cpu.yaml")
    launch = launch_of(root / "recipes/debug/grpo.yaml", (("output_dir", "outputs/r"),), config, None, None, {})
    return RentedRun(launch, rental or Rental(), machine, Pace(0.0, lost, sync), tmp_path / "run.log")


def test_the_log_is_shown_once_and_kept(root, tmp_path, capsys):
    machine = Machine(b"one\n", b"two\n\001", b"0")
    assert _run(root, tmp_path, machine).follow() == 0
    assert (tmp_path / "run.log").read_bytes() == b"one\ntwo\n"
    assert capsys.readouterr().out == "one\ntwo\n"
    assert machine.commands[1][0].startswith("tail -c +5 ")


def test_an_answer_that_is_late_is_waited_for(root, tmp_path):
    assert _run(root, tmp_path, Machine(Lost("no answer"), b"x\001", b"3")).follow() == 3


def test_a_machine_that_is_silent_for_long_is_given_up(root, tmp_path):
    with pytest.raises(Lost, match="i1 has not answered for"):
        _run(root, tmp_path, Machine(Lost("no answer")), lost=0.0).follow()


def test_a_machine_that_the_cloud_ended_is_given_up_at_once(root, tmp_path):
    rental = Rental()
    rental.gone = True
    with pytest.raises(UserError, match="is gone"):
        _run(root, tmp_path, Machine(Lost("no answer")), rental).follow()


def test_results_are_fetched_meanwhile_without_checkpoints(root, tmp_path):
    machine = Machine(b"one", b"\001", b"0")
    _run(root, tmp_path, machine, sync=0.0).follow()
    assert machine.fetched == ["checkpoint-*"]


def test_secrets_go_over_standard_input_alone(root, tmp_path):
    machine = Machine()
    _run(root, tmp_path, machine).begin({"/dev/shm/x/env": {"TOKEN": "very secret"}}, "/outputs")
    assert (b"TOKEN='very secret'\n") in [stdin for _, stdin in machine.commands]
    assert not any("very secret" in command for command, _ in machine.commands)


def test_a_run_that_has_begun_is_not_begun_again(root, tmp_path):
    machine = Machine(b"yes\n")
    _run(root, tmp_path, machine).begin({}, None)
    assert len(machine.commands) == 1


def test_saving_waits_until_the_run_has_left(root, tmp_path):
    machine = Machine(b"", b"no\n", b"yes\n")
    _run(root, tmp_path, machine).save()
    assert "pkill -USR1" in machine.commands[0][0]
    assert len(machine.commands) == 3


def test_a_run_that_cannot_be_told_costs_a_warning(root, tmp_path, capsys):
    _run(root, tmp_path, Machine(Lost("no answer"))).save()
    assert "warning: the run could not be told to save: no answer" in capsys.readouterr().out
