"""A Python environment of its own for a library whose requirements contradict Ratchet's: made once, and kept."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from ratchet.errors import UserError


@dataclass(frozen=True)
class Environment:
    """What is in it, and where it lies: in the user's cache, or in the folder that a variable names."""

    name: str
    """Of the library."""
    variable: str
    size: str
    """How much is downloaded, for a reader."""
    installs: Sequence[Sequence[str]]
    """The words of each ``pip install``, one after the other."""
    removes: Sequence[str] = ()
    """Packages that are taken out before the last one."""
    finish: Callable[[Path], None] | None = None
    """What is left to do, with the environment's folder."""

    def python(self) -> Path:
        """The interpreter; the environment is made where there is none yet.

        Raises:
            UserError: where it cannot be made.
        """
        # Other requirements, or another Python, make another environment instead of mending the one that is there.
        words = [sys.version, *(word for install in self.installs for word in install), *self.removes]
        version = hashlib.sha256("\n".join(words).encode()).hexdigest()[:10]
        folder = self._folder(version)
        complete = folder / f"complete-{version}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):  # who comes second waits for who makes it
            if not complete.is_file():
                self._make(folder)
                complete.touch()
        return folder / "bin/python"

    def _folder(self, version: str) -> Path:
        named = os.environ.get(self.variable)
        if named:
            return Path(named).expanduser().absolute()
        cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        return cache / "ratchet" / f"{self.name}-{version}"

    def _make(self, folder: Path) -> None:
        # A folder that the user names by mistake may hold anything: only an environment is deleted.
        if folder.exists() and not (folder / "pyvenv.cfg").is_file() and any(folder.iterdir()):
            raise UserError(f"{self.variable}: {folder} is no Python environment, and not empty; name another")
        print(f"making an environment for {self.name} in {folder} (once, some minutes, {self.size})", flush=True)
        start = time.perf_counter()
        shutil.rmtree(folder, ignore_errors=True)
        pip = [str(folder / "bin/python"), "-m", "pip"]
        steps = [[*pip, "install", "--quiet", *words] for words in self.installs]
        if self.removes:
            steps.insert(-1, [*pip, "uninstall", "--quiet", "--yes", *self.removes])
        for words in ([sys.executable, "-m", "venv", str(folder)], *steps):
            done = subprocess.run(words, capture_output=True, text=True)
            if done.returncode:
                reason = "\n".join(done.stderr.strip().splitlines()[-5:])
                raise UserError(
                    f"the environment for {self.name} could not be made in {folder}: {reason}\n"
                    "The next call tries again"
                )
        if self.finish is not None:
            self.finish(folder)
        print(f"made in {time.perf_counter() - start:.0f} s", flush=True)
