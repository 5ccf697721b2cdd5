"""How a finding reads, and small findings that need no machine of their own."""

import shutil
from collections import namedtuple

import pytest

from ratchet.doctor import machine, network
from ratchet.doctor.findings import MARKS, Finding

Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize("state", MARKS)
def test_a_finding_is_a_line_and_its_remedy_another(state):
    assert str(Finding(state, "disk", "is full")).startswith(f"{state:<7} disk: is full")
    assert str(Finding(state, "disk", "is full", "make room")).splitlines()[1].strip() == "-> make room"


def test_marks_are_equally_wide():
    assert len({len(mark) for mark in MARKS.values()}) == 1


@pytest.mark.parametrize(("free", "state"), [(2**30, "warning"), (2**40, "ok")])
def test_little_room_is_a_warning(tmp_path, monkeypatch, free, state):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**41, 0, free))
    assert {finding.state for finding in machine.disks(tmp_path)} == {state}


def test_room_is_looked_for_where_the_run_will_be(tmp_path):
    first = next(iter(machine.disks(tmp_path / "not/there/yet")))
    assert str(tmp_path) in first.text


@pytest.mark.parametrize(
    ("driver", "used", "states"),
    [("560.35", "3", ["ok"]), ("560.35", "9000", ["warning"]), ("470.82", "3", ["ok", "error"])],
)
def test_a_gpu_is_judged_by_its_driver_and_its_memory(driver, used, states):
    assert [finding.state for finding in machine._gpu("H100", driver, "81559", used, "P0")] == states


@pytest.mark.parametrize(("version", "state"), [("0.30.0+cpu", "ok"), ("0.30.0", "note"), (None, "note")])
def test_a_vllm_for_cpus_is_known(version, state, monkeypatch):
    monkeypatch.setattr(machine, "_installed", {"vllm": version}.get)
    assert machine._vllm_for_cpus().state == state


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("0.22.0", "ok"),
        ("0.30.1", "ok"),
        ("0.21.9", "error"),
        ("0.31.0", "error"),
        ("dev", "warning"),
        (None, "warning"),
    ],
)
def test_a_vllm_is_one_that_trl_speaks_with(version, state):
    assert network._version(version, "http://x").state == state


def test_a_hub_that_is_switched_off_is_asked_nothing():
    assert [finding.state for finding in network.logins({"HF_HUB_OFFLINE": "1", "WANDB_API_KEY": "k"})] == [
        "note",
        "ok",
    ]
