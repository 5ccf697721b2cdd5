"""Room for checkpoints, on two processes of which one alone has measured what a checkpoint needs."""

import pytest

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
