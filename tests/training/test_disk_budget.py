"""Room for checkpoints, on two processes of which one alone has measured what a checkpoint needs."""

import os
import socket
import subprocess
import sys

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
def test_all_processes_decide_by_the_size_that_the_main_one_has_measured(tmp_path, sizes, said):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    together = {"WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", ASK, str(tmp_path), *map(str, sizes)],
            env={**os.environ, **together, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    heard = [rank.communicate(timeout=120)[0].splitlines()[-1] for rank in ranks]
    assert all(text.startswith(said) for text in heard), heard
