"""A machine over ssh, with an ssh that runs the command here."""

import pytest

from ratchet.errors import UserError
from ratchet.launch.remote import Lost, Machine


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """``ssh`` is a shell in a home of its own."""
    home, programs = tmp_path / "home", tmp_path / "bin"
    home.mkdir()
    programs.mkdir()
    (programs / "ssh").write_text(f'#!/bin/bash\ncd {home} && HOME={home} exec bash -c "${{@: -1}}"\n')
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    return Machine("10.0.0.1", "ubuntu", "key", tmp_path / "known_hosts")


def test_a_command_gets_its_input_and_gives_its_output(machine):
    assert machine.run("cat; echo done", b"in ") == b"in done\n"


def test_the_key_of_a_known_host_may_not_change(machine):
    assert "StrictHostKeyChecking=accept-new" in machine.words
    assert machine.words[-3:] == ["-i", "key", "ubuntu@10.0.0.1"]


def test_a_command_that_fails_is_said_with_its_last_words(machine):
    with pytest.raises(UserError, match=r"exit status 3 of .*: no such model"):
        machine.run("echo no such model >&2; exit 3")


def test_ssh_that_fails_means_that_the_machine_is_lost(machine):
    with pytest.raises(Lost, match="refused"):
        machine.run("echo refused >&2; exit 255")


def test_a_command_that_takes_too_long_means_that_it_is_lost(machine):
    with pytest.raises(Lost, match=r"does not answer within 0\.05 s"):
        machine.run("sleep 5", timeout=0.05)


def test_waiting_ends_when_the_caller_gives_up(machine, tmp_path):
    (tmp_path / "bin/ssh").write_text("#!/bin/bash\nexit 255\n")
    tries = []

    def check():
        tries.append(1)
        if len(tries) > 2:
            raise UserError("stop")

    with pytest.raises(UserError, match="stop"):
        machine.wait(60, 0, check)


def test_files_go_there_and_results_come_back(machine, tmp_path):
    here = tmp_path / "here"
    (here / "a b").mkdir(parents=True)
    (here / "a b/file").write_text("x")
    machine.send(here, [here / "a b/file"], "~/code")
    assert machine.fetch("~/code", "a b", tmp_path / "back")
    assert (tmp_path / "back/a b/file").read_text() == "x"


def test_what_is_left_out_stays_and_nothing_here_is_deleted(machine, tmp_path):
    machine.run("mkdir -p out/run/checkpoint-1 && touch out/run/result out/run/checkpoint-1/big")
    (tmp_path / "back/run").mkdir(parents=True)
    (tmp_path / "back/run/mine").touch()
    assert machine.fetch("~/out", "run", tmp_path / "back", leave_out="checkpoint-*")
    assert sorted(path.name for path in (tmp_path / "back/run").iterdir()) == ["mine", "result"]


def test_results_that_are_not_there_yet_are_no_error(machine, tmp_path):
    assert not machine.fetch("~/nowhere", "run", tmp_path / "back")
