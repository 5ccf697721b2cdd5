"""Two nodes as two processes, each the first of its node."""

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
def test_all_processes_hear_of_a_folder_that_is_not_shared(tmp_path, two_ranks, folders, said):
    for folder in folders:
        (tmp_path / folder).mkdir(exist_ok=True)
    heard = two_ranks(ASK, *((str(tmp_path / folder),) for folder in folders))
    assert all("shared" in text if said == "shared" else "is not the main process's" in text for text in heard), heard
    assert said in heard[1]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
