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

# huggingface_hub 2 and xxhash 4 break lighteval 0.13 at its start and at its end. What follows lighteval is what Ratchet's tasks need.
REQUIREMENTS = (
    "torch==2.13.0", "transformers==5.23.0", "datasets==5.2.0", "lighteval==0.13.0", "huggingface_hub<2", "xxhash<4",
    "ftfy>=6.2", "psutil>=5.9", "pyyaml>=6.0", "sacrebleu>=2.5",
)  # fmt: skip
FOLDER = "RATCHET_LIGHTEVAL_ENVIRONMENT"


def python() -> Path:
    """The interpreter with lighteval; the environment is made where there is none yet.

    It lies in the user's cache, or in the folder that the variable RATCHET_LIGHTEVAL_ENVIRONMENT names.

    Raises:
        UserError: where it cannot be made.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    named = os.environ.get(FOLDER)
    version = hashlib.sha256("\n".join((sys.version, *REQUIREMENTS)).encode()).hexdigest()[:10]
    folder = Path(named).expanduser().absolute() if named else cache / "ratchet" / f"lighteval-{version}"
    complete = folder / f"complete-{version}"
    with alone(folder.with_name(f".{folder.name}.lock"), f"{folder}", FOLDER):
        if not complete.is_file():
            _make(folder)
            complete.touch()
    return folder / "bin/python"


def _make(folder: Path) -> None:
    if folder.exists() and not (folder / "pyvenv.cfg").is_file() and any(folder.iterdir()):
        raise UserError(f"{FOLDER}: {folder} is no Python environment, and not empty; name another")
    print(f"making an environment for lighteval in {folder} (once, some minutes, about 2 GB)", flush=True)
    start = time.perf_counter()
    shutil.rmtree(folder, ignore_errors=True)
    for words in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", *REQUIREMENTS],
    ):
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            said = "\n".join(done.stderr.strip().splitlines()[-5:])
            raise UserError(
                f"the environment for lighteval could not be made in {folder}: {said}\nThe next call tries again"
            )
    print(f"made in {time.perf_counter() - start:.0f} s", flush=True)
