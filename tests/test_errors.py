"""One exception that reaches a person as a sentence."""

import pytest

from ratchet.errors import Stopped, UserError, UserErrors, command


@pytest.mark.parametrize(("error", "code", "word"), [(UserError("x"), 2, "error"), (Stopped("x"), 75, "stopped")])
def test_a_command_prints_a_sentence_and_exits_with_its_code(capsys, error, code, word):
    @command
    def main():
        raise error

    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == code
    assert capsys.readouterr().err == f"{word}: x\n"


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (1, 1)])
def test_a_command_exits_with_what_it_returns(returned, code):
    with pytest.raises(SystemExit) as end:
        command(lambda: returned)()
    assert end.value.code == code


def test_an_interrupted_command_exits_as_a_shell_says_it():
    @command
    def main():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 130


def test_an_error_of_the_program_itself_is_not_hidden():
    @command
    def main():
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        main()


def test_an_error_is_said_once(capsys):
    error = UserError("x")
    error.say()
    error.say()
    assert capsys.readouterr().err == "error: x\n"


def test_other_ranks_say_nothing(capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    UserError("x").say()
    assert capsys.readouterr().err == ""


def test_several_findings_stand_under_a_heading():
    assert str(UserErrors(["a", "b"], "2 findings")) == "2 findings\na\nb"
    assert str(UserErrors(["a"])) == "a"
