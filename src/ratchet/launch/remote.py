"""A machine over ssh: commands, files there, results back. What is sent on standard input is printed nowhere."""

import shlex
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ratchet.errors import UserError

LONGEST_COPY = 3600  # seconds, after which a copy is given up
SSH_FAILED = 255  # ssh's own exit status, where it is not that of the command


class Lost(UserError):
    """The machine does not answer."""


class Machine:
    """One host that ssh reaches.

    Args:
        known_hosts: a file for this machine alone: its key is taken at the first contact, and a change of it refused.
    """

    def __init__(self, address: str, user: str, identity: str | None, known_hosts: Path):
        self.address = address
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "accept-new",
            "UserKnownHostsFile": known_hosts,
            "ConnectTimeout": 10,
            "ServerAliveInterval": 15,
            "ServerAliveCountMax": 4,
        }
        self.words = ["ssh"]
        for name, value in options.items():
            self.words += ["-o", f"{name}={value}"]
        self.words += ["-i", identity] if identity else []
        self.words.append(f"{user}@{address}")

    def run(self, command: str, stdin: bytes | None = None, timeout: float = 120) -> bytes:
        """Run a shell command there; its output.

        Raises:
            Lost: where ssh itself fails, or it takes too long.
            UserError: where the command fails.
        """
        try:
            done = subprocess.run(
                [*self.words, command],
                input=stdin,
                capture_output=True,
                timeout=timeout,
                stdin=None if stdin is not None else subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            raise Lost(f"{self.address} does not answer within {timeout:g} s") from None
        except FileNotFoundError:
            raise UserError("there is no ssh here") from None
        said = done.stderr.decode(errors="replace").strip().splitlines()
        if done.returncode == SSH_FAILED:
            raise Lost(f"{self.address}: {' '.join(said[-1:]) or 'ssh fails'}")
        if done.returncode:
            raise UserError(
                f"{self.address}: exit status {done.returncode} of {command[:80]!r}: {' '.join(said[-3:])}"
            )
        return done.stdout

    def wait(self, seconds: float, pause: float, check: Callable[[], None]) -> None:
        """Wait until it answers.

        Args:
            check: called between tries; raises to give up.

        Raises:
            Lost: when time is up.
        """
        until = time.monotonic() + seconds
        while True:
            check()
            try:
                self.run("true", timeout=20)
                return
            except Lost:
                if time.monotonic() > until:
                    raise
                time.sleep(pause)

    def send(self, root: Path, files: list[Path], folder: str) -> None:
        """Copy files of ``root`` into a folder there."""
        command = f"mkdir -p {quoted(folder)} && tar -xzf - -C {quoted(folder)}"
        with tempfile.TemporaryFile() as packed:
            with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
                for file in files:
                    tar.add(file, file.relative_to(root), recursive=False)
            packed.seek(0)
            try:
                done = subprocess.run([*self.words, command], stdin=packed, capture_output=True, timeout=LONGEST_COPY)
            except subprocess.TimeoutExpired:
                raise Lost(f"{self.address}: {len(files)} files were not sent within an hour") from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            kind = Lost if done.returncode == SSH_FAILED else UserError
            raise kind(f"{self.address}: files could not be sent: {said[-300:]}")

    def fetch(self, folder: str, name: str, into: Path, leave_out: str | None = None) -> bool:
        """Copy ``folder``/``name`` from there into a folder here, deleting nothing; False where it is missing."""
        left = f"--exclude={shlex.quote(leave_out)} " if leave_out else ""
        place = quoted(folder)
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=into, prefix=".fetching-") as packed:
            # The run writes while its folder is packed: that a file changed is no failure.
            pack = f"tar -czf - --warning=no-file-changed {left}{shlex.quote(name)}"
            command = f"cd {place} 2>/dev/null && [ -e {shlex.quote(name)} ] && {pack}"
            try:
                done = subprocess.run(
                    [*self.words, command],
                    stdout=packed,
                    stderr=subprocess.PIPE,
                    stdin=subprocess.DEVNULL,
                    timeout=LONGEST_COPY,
                )
            except subprocess.TimeoutExpired:
                raise Lost(f"{self.address}: the results did not come within an hour") from None
            if done.returncode == SSH_FAILED:
                raise Lost(f"{self.address}: {done.stderr.decode(errors='replace').strip()}")
            packed.flush()
            if Path(packed.name).stat().st_size == 0:
                return False
            try:
                with tarfile.open(packed.name, mode="r:gz") as tar:
                    tar.extractall(into, filter="data")
            except (tarfile.TarError, EOFError, OSError) as error:
                raise Lost(f"{self.address}: the results came incomplete ({error})") from None
        return True


def quoted(path: str) -> str:
    """A path for a shell there; a leading ~ is that user's home.

    >>> quoted("~/a b")
    "~/'a b'"
    """
    return f"~/{shlex.quote(path[2:])}" if path.startswith("~/") else shlex.quote(path)
