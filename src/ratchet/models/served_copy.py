"""The folder that a vLLM server on a CPU serves while GRPO trains: a copy, whose weights each step replaces.

NCCL needs GPUs on both sides. On a CPU new weights are written into the folder that the server has loaded, and it is
told to load them once more: so the folder must be one that nobody misses.
"""

import shlex
import shutil
from pathlib import Path

from ratchet.errors import UserError

MARK = ".weights-are-replaced"


def make(source: Path, folder: Path) -> None:
    """Copy a model's folder, over what an earlier run has left there.

    Raises:
        UserError: where something else is in its place.
    """
    if folder.exists() and not (folder / MARK).is_file():
        raise UserError(f"{folder} is in the way: the server's copy of the model goes there; move it, or another name")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    (folder / MARK).touch()


def command(source: str, folder: Path) -> str:
    """The same as ``make`` for a shell that starts the server."""
    copy = shlex.quote(str(folder))
    free = f"[ ! -e {copy} ] || [ -f {copy}/{MARK} ] || {{ echo {copy} is in the way >&2; exit 2; }}"
    return f"{free}\nrm -rf {copy} && cp -rL {shlex.quote(source)} {copy} && touch {copy}/{MARK}"


def check(folder: Path, url: str) -> None:
    """Raise a UserError where a server's folder is not such a copy here."""
    if not (folder / MARK).is_file():
        raise UserError(
            f"the vLLM server at {url} serves {folder}. On a CPU weights reach a server through its folder, which "
            "would be overwritten: start it with ratchet launch --on local, which serves a copy (docs/vllm_on_cpu.md)"
        )
