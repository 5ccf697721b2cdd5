"""One run on a rented machine over ssh, whoever rents it out: begun, followed, told to save, and fetched."""

import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ratchet.errors import UserError
from ratchet.files import keep_earlier
from ratchet.launch.remote import Lost, Machine
from ratchet.launch.request import Launch
from ratchet.launch.sent import CODE, HOME, carried, earlier_outputs, run_script, sent_recipe, tracked
from ratchet.runtime import duration

LAST = 300.0  # seconds before the deadline at which the run is told to save
# Stands at the end of what is read of the log once the run is over; no log holds it.
OVER = b"\001"


class Rental(Protocol):
    """What the cloud knows of a machine."""

    id: str
    deadline: float
    """Seconds since 1970 at which the machine is ended in any case."""

    def check(self) -> None:
        """Raise ``Stopped`` where the machine is to be ended now: a signal, or the deadline is near."""
        ...

    def still_there(self) -> None:
        """Raise a UserError where the cloud says that the machine is gone."""
        ...


@dataclass(frozen=True)
class Pace:
    """How often a machine is looked at."""

    pause: float
    """Seconds between looks."""
    lost_minutes: float
    """Without an answer, after which the machine is given up."""
    sync_minutes: float
    """Between fetches of results."""


class RentedRun:
    """A run on one machine.

    Args:
        log: file here that the run's output is appended to.
    """

    def __init__(self, launch: Launch, rental: Rental, machine: Machine, pace: Pace, log: Path):
        self.launch, self.rental, self.machine, self.pace, self.log = launch, rental, machine, pace, log
        self._fetched = self._heard = time.monotonic()

    def begin(self, secrets: Mapping[str, Mapping[str, str]], outputs: str | None) -> None:
        """Give the machine code and secrets, and start the run, once: a second call finds it started.

        Args:
            secrets: file there, in memory -> variables and their values.
            outputs: folder there that outlives the machine; without one, what is here of an earlier machine is sent.
        """
        run = self.machine.run
        if run(f"[ -d {HOME}/started ] && echo yes || echo no").strip() == b"yes":
            return
        for path, values in secrets.items():
            text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
            # On standard input, so that no secret stands in a command line that others there can list.
            run(f"umask 077 && mkdir -p {Path(path).parent} && cat > {path}", text.encode())
        self._send(outputs)
        texts = {
            f"{CODE}/recipe.yaml": sent_recipe(self.launch),
            f"{CODE}/accelerate.yaml": self.launch.accelerate_yaml(),
            f"{HOME}/run.sh": run_script(self.launch, outputs),
        }
        for path, text in texts.items():
            run(f"cat > {path}", text.encode())
        # mkdir fails where somebody was first; setsid lets the run outlive the connection.
        run(f"mkdir {HOME}/started && cd {HOME} && (setsid nohup bash run.sh > run.log 2>&1 < /dev/null &)")
        if kept := keep_earlier(self.log):  # of an earlier machine: this one's log starts from its first line
            print(kept, flush=True)
        print("the run has begun", flush=True)

    def _send(self, outputs: str | None) -> None:
        files = [*tracked(self.launch.root), *carried(self.launch)]
        print(f"sending {len(files)} files", flush=True)
        self.machine.send(self.launch.root, files, CODE)
        if outputs is None and (earlier := earlier_outputs(self.launch)):
            print(f"sending {self.launch.recipe.output_dir}, so that the run resumes from there", flush=True)
            self.machine.send(Path.cwd(), earlier, CODE)

    def follow(self) -> int:
        """Show the log and fetch results until the run ends; its exit status."""
        shown = self.log.stat().st_size if self.log.exists() else 0
        self._heard = time.monotonic()
        while True:
            self.rental.check()
            try:
                text, over = self._read(shown)
            except (Lost, UserError) as error:
                self._unheard(error)
                continue
            shown += len(text)
            with self.log.open("ab") as file:
                file.write(text)
            sys.stdout.write(text.decode(errors="replace"))
            sys.stdout.flush()
            if over:
                return int(self.machine.run(f"cat {HOME}/exit").strip() or 1)
            if time.monotonic() - self._fetched > 60 * self.pace.sync_minutes:
                self.fetch(leave_out="checkpoint-*")  # they are large, and come at the end
            time.sleep(self.pace.pause)

    def _read(self, shown: int) -> tuple[bytes, bool]:
        """What the log has beyond ``shown`` bytes, and whether the run is over; in one look: no line may be lost."""
        tail = f"tail -c +{shown + 1} {HOME}/run.log"
        text = self.machine.run(f"{tail}; cat {HOME}/exit 2> /dev/null > /dev/null && echo -n '{OVER.decode()}'")
        self._heard = time.monotonic()
        return text.removesuffix(OVER), text.endswith(OVER)

    def _unheard(self, error: Exception) -> None:
        silence = time.monotonic() - self._heard
        if silence > 60 * self.pace.lost_minutes:
            raise Lost(f"{self.rental.id} has not answered for {duration(silence)} ({error}); it is ended")
        self.rental.still_there()
        print(f"warning: {error}; trying again", flush=True)
        time.sleep(self.pace.pause)

    def fetch(self, leave_out: str | None = None) -> None:
        """Copy the run's folder here, as it is there now."""
        self._fetched = time.monotonic()
        output = self.launch.recipe.output_dir
        try:
            got = self.machine.fetch(f"{CODE}/{output.parent}", output.name, output.absolute().parent, leave_out)
            print(f"results fetched to {output}" if got else "there are no results yet", flush=True)
        except (Lost, UserError) as error:
            print(f"warning: the results could not be fetched: {error}", flush=True)

    def save(self) -> None:
        """Ask the run to finish its step, and give it some time."""
        # The training processes themselves, not the launcher, which would kill them.
        training = r"^[^ ]*python[^ ]*( -u)? scripts/[a-z_]+[.]py recipe[.]yaml"
        try:
            self.machine.run(f"pkill -USR1 -f '{training}' || true")
            until = min(self.rental.deadline - 60, time.time() + LAST)
            while time.time() < until and not self._is_over():
                time.sleep(min(5.0, self.pace.pause))
        except (Lost, UserError) as error:
            print(f"warning: the run could not be told to save: {error}", flush=True)

    def _is_over(self) -> bool:
        return self.machine.run(f"[ -f {HOME}/exit ] && echo yes || echo no").strip() == b"yes"
