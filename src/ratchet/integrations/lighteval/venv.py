"""lighteval's own Python environment, made once."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from ratchet.errors import UserError
from ratchet.files import alone

REQUIREMENTS = (
    *("torch==2.13.0", "transformers==5.23.0", "datasets==5.2.0", "lighteval==0.13.0"),
    # huggingface_hub 2 breaks lighteval 0.13 at its start, xxhash 4 at its end.
    *("huggingface_hub<2", "xxhash<4"),
    # What Ratchet's own tasks need.
    *("ftfy>=6.2", "psutil>=5.9", "pyyaml>=6.0", "sacrebleu>=2.5"),
)
FOLDER = "RATCHET_LIGHTEVAL_ENVIRONMENT"


def python() -> Path:
    """The interpreter with lighteval; the environment is made where there is none yet.

    It lies in the user's cache, or in the folder that the variable RATCHET_LIGHTEVAL_ENVIRONMENT names.

    Raises:
        UserError: where it cannot be made.
    """
    # Other requirements, or another Python, make another environment instead of mending the one that is there.
    version = hashlib.sha256("\n".join((sys.version, *REQUIREMENTS)).encode()).hexdigest()[:10]
    folder = _folder(version)
    complete = folder / f"complete-{version}"
    with alone(folder.with_name(f".{folder.name}.lock"), f"{folder}", FOLDER):
        if not complete.is_file():
            _make(folder)
            complete.touch()
    return folder / "bin/python"


def _folder(version: str) -> Path:
    named = os.environ.get(FOLDER)
    if named:
        return Path(named).expanduser().absolute()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return cache / "ratchet" / f"lighteval-{version}"


def _make(folder: Path) -> None:
    # A folder that the user names by mistake may hold anything: only an environment is deleted.
    if folder.exists() and not (folder / "pyvenv.cfg").is_file() and any(folder.iterdir()):
        raise UserError(f"{FOLDER}: {folder} is no Python environment, and not empty; name another")
    print(f"making an environment for lighteval in {folder} (once, some minutes, about 2 GB)", flush=True)
    start = time.perf_counter()
    shutil.rmtree(folder, ignore_errors=True)
    create = [sys.executable, "-m", "venv", str(folder)]
    install = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", *REQUIREMENTS]
    for words in (create, install):
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            reason = "\n".join(done.stderr.strip().splitlines()[-5:])
            raise UserError(
                f"the environment for lighteval could not be made in {folder}: {reason}\nThe next call tries again"
            )
    print(f"made in {time.perf_counter() - start:.0f} s", flush=True)
