"""The table of machines, and what a file lays over it."""

import pytest

from ratchet.errors import UserError
from ratchet.plan.devices import DEVICES, device


def test_every_device_has_positive_numbers():
    for one in DEVICES.values():
        assert min(one.memory_gib, one.bandwidth, one.tflops, one.watts) > 0
        assert one.price >= 0


def test_a_price_of_the_command_line_replaces_the_tables():
    assert device("h100", price=1.25).price == 1.25
    assert device("h100").price == DEVICES["h100"].price


def test_what_is_owned_may_cost_nothing(tmp_path):
    table = tmp_path / "d.yaml"
    table.write_text("h100: {price: 0}")
    assert device("h100", table).price == 0


def test_an_unknown_device_is_answered_with_those_there_are():
    with pytest.raises(UserError, match="there is no b1; choose from h100"):
        device("b1")


@pytest.mark.parametrize("value", ["true", "-1", "fast", "0"])
def test_only_numbers_above_zero_are_taken(tmp_path, value):
    table = tmp_path / "d.yaml"
    table.write_text(f"h100: {{tflops: {value}}}")
    with pytest.raises(UserError, match=r"h100\.tflops is a number above 0"):
        device("h100", table)
