"""A fast case of every fault, on real training processes; ``ratchet torture`` takes many more rounds."""

import os
import subprocess

import pytest


def rows(table: str) -> dict[str, list[str]]:
    found = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("| ")
    ]
    return {cells[0]: cells[1:] for cells in found[1:]}


@pytest.mark.apart
@pytest.mark.parametrize("processes", [pytest.param("1", marks=pytest.mark.slow), "2"])
def test_no_fault_changes_a_number_or_loses_a_run(script, tmp_path, processes):
    from ratchet.torture.faults import FAULTS

    names = [
        fault.name
        for fault in FAULTS
        if int(processes) in fault.processes and (not fault.small_disk or os.geteuid() == 0 and mounts(tmp_path))
    ]
    few = ("--kills", "2", "--rounds", "1", "--steps", "12")
    done = script("ratchet", "torture", "runs", *few, "--processes", processes, "--faults", *names)
    found = rows(done.stdout)
    assert set(found) == set(names)
    for name, (injected, resumed, identical, _) in found.items():
        assert injected == resumed == identical == ("2" if name == "SIGKILL" else "1"), name


def mounts(place) -> bool:
    """Whether a small file system can be mounted here."""
    (place / "try").mkdir(exist_ok=True)
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place / "try")], capture_output=True)
    return made.returncode == 0 and subprocess.run(["umount", "-l", str(place / "try")]).returncode == 0
