"""Several nodes and one output folder: who makes and moves what is in it."""

import uuid
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import broadcast_object_list


def first_in(folder: Path) -> bool:
    """Whether this process is the one that makes and moves things in ``folder``. Every process must call this.

    It is the main process, and on a node whose ``folder`` is another one (a local disk), that node's first process. A
    file with a new name tells them apart: of a name that was looked for before, a network's file system may remember
    too long that it was not there.

    Args:
        folder: that is there on the main process.
    """
    state = PartialState()
    token = folder / broadcast_object_list([f".{uuid.uuid4().hex}"])[0]
    if state.is_main_process:
        token.touch()
    state.wait_for_everyone()
    shared = token.exists()
    state.wait_for_everyone()
    if state.is_main_process:
        token.unlink()
    return state.is_main_process or (state.is_local_main_process and not shared)
