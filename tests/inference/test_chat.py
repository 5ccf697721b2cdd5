"""What is typed, and what is pasted, at a terminal."""

import io
import os
import sys

import pytest

from ratchet.inference.chat import _line

QUESTION = "Tom has 3 pens.\nHow many?\nA)1\nB)2\nC)3"


@pytest.fixture
def terminal(monkeypatch):
    """Types into the terminal that is standard input."""
    master, slave = os.openpty()
    monkeypatch.setattr(sys, "stdin", os.fdopen(slave, "r"))
    yield lambda text: os.write(master, text.encode())
    os.close(master)


def test_lines_that_are_pasted_at_once_are_one_question(terminal):
    terminal(QUESTION + "\n")
    assert _line("> ") == QUESTION


def test_lines_that_are_typed_one_by_one_are_several(terminal):
    terminal("first\n")
    assert _line("> ") == "first"
    terminal("second\n")
    assert _line("> ") == "second"


def test_lines_of_a_pipe_are_several(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(QUESTION))
    assert _line("> ") == "Tom has 3 pens."
