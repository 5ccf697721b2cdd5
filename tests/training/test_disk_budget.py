"""Room for checkpoints, on two processes of which one alone has measured what a checkpoint needs."""

import shutil
from pathlib import Path

import pytest

from ratchet.training.disk_budget import DiskBudget

ASK = """
import pathlib, sys, time
from accelerate import PartialState
from ratchet.errors import UserError
from ratchet.training.disk_budget import DiskBudget
state = PartialState(cpu=True)
budget = DiskBudget(None, pathlib.Path(sys.argv[1]))
budget.measured = int(sys.argv[2 + state.process_index])
said = [budget.has_room()]
try:
    budget.wait(time.monotonic() + 1, 7)
    said.append("through")
except UserError as error:
    said.append(f"{type(error).__name__}: {error}")
print(said)
"""


@pytest.mark.parametrize(
    ("sizes", "said"),
    [((1, 10**18), "[True, 'through']"), ((10**18, 1), "[False, 'Stopped: no space for a checkpoint at step 7")],
    ids=["enough by the main process", "too little by it"],
)
def test_all_processes_decide_by_the_size_that_the_main_one_has_measured(tmp_path, two_ranks, sizes, said):
    words = (str(tmp_path), *map(str, sizes))
    heard = [text.splitlines()[-1] for text in two_ranks(ASK, words, words)]
    assert all(text.startswith(said) for text in heard), heard


def test_the_room_of_a_folder_that_was_taken_away_is_that_of_what_it_stood_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    budget = DiskBudget(None, Path("disk/out"))
    assert budget.free == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.01)
