"""Several nodes, and the one output folder that all of them need."""

import os
import platform
import uuid
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object

from ratchet.errors import UserError


def check_shared(folder: Path) -> None:
    """Refuse an output folder that a node does not share with the main process. Every process must call this.

    Its disk would hold parts of checkpoints, from which no run resumes. A file with a new name tells: of a name that
    was looked for before, a network's file system may remember too long that it was not there.

    Args:
        folder: that is there on the main process.

    Raises:
        UserError: on all processes, with the nodes.
    """
    state = PartialState()
    token = folder / broadcast_object_list([f".{uuid.uuid4().hex}"])[0]
    if state.is_main_process:
        token.touch()
    state.wait_for_everyone()
    without = gather_object([] if token.exists() else [os.environ.get("SLURMD_NODENAME") or platform.node()])
    if state.is_main_process:
        token.unlink()
    if without:
        raise UserError(
            f"output_dir: {folder} on {', '.join(sorted(set(without)))} is not the main process's: it must lie on a "
            "file system that all nodes see"
        )
