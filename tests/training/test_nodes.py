"""Two nodes as two processes, each the first of its node."""

import os
import socket
import subprocess
import sys

import pytest

ASK = """
import pathlib, sys
from accelerate import PartialState
from ratchet.errors import UserError
from ratchet.training.nodes import check_shared
PartialState(cpu=True)
try:
    check_shared(pathlib.Path(sys.argv[1]))
    print("shared")
except UserError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("folders", "said"),
    [(("one", "one"), "shared"), (("one", "another"), "another on node-1 is not the main process's")],
)
def test_all_processes_hear_of_a_folder_that_is_not_shared(tmp_path, folders, said):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    together = {"WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    nodes = []
    for rank, folder in enumerate(folders):
        (tmp_path / folder).mkdir(exist_ok=True)
        environ = {**os.environ, **together, "RANK": str(rank), "SLURMD_NODENAME": f"node-{rank}"}
        nodes.append(
            subprocess.Popen(
                [sys.executable, "-c", ASK, str(tmp_path / folder)], env=environ, stdout=subprocess.PIPE, text=True
            )
        )
    heard = [node.communicate(timeout=120)[0] for node in nodes]
    assert all("shared" in text if said == "shared" else "is not the main process's" in text for text in heard), heard
    assert said in heard[1]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
