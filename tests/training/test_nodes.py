"""Two nodes as two processes, each the first of its node."""

import os
import socket
import subprocess
import sys

import pytest

ASK = """
import pathlib, sys
from accelerate import PartialState
from ratchet.training.nodes import first_in
PartialState(cpu=True)
print(first_in(pathlib.Path(sys.argv[1])))
"""


@pytest.mark.parametrize(("folders", "firsts"), [(("one", "one"), [True, False]), (("one", "another"), [True, True])])
def test_one_process_makes_what_is_in_a_folder_on_each_disk(tmp_path, folders, firsts):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    together = {"WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    nodes = []
    for rank, folder in enumerate(folders):
        (tmp_path / folder).mkdir(exist_ok=True)
        environ = {**os.environ, **together, "RANK": str(rank)}
        nodes.append(
            subprocess.Popen(
                [sys.executable, "-c", ASK, str(tmp_path / folder)], env=environ, stdout=subprocess.PIPE, text=True
            )
        )
    assert [node.communicate(timeout=120)[0].strip() == "True" for node in nodes] == firsts
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
