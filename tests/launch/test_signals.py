"""Signals are remembered while a block lasts, and then do what they did before."""

import os
import signal

import pytest

from ratchet.launch.signals import STOPPING, remembered


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_is_heard_instead_of_ending_the_process(number):
    with remembered() as heard:
        os.kill(os.getpid(), number)
    assert heard == [number]


def test_the_first_signal_is_answered_once(capsys):
    with remembered("stopping") as heard:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert heard == [signal.SIGTERM, signal.SIGINT]
    assert capsys.readouterr().err == "stopping\n"


def test_handlers_are_put_back_even_after_an_exception():
    before = [signal.getsignal(number) for number in STOPPING]
    with pytest.raises(ValueError, match="x"), remembered():
        raise ValueError("x")
    assert [signal.getsignal(number) for number in STOPPING] == before
