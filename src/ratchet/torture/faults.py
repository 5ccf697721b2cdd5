"""The faults: each strikes a running training, and is over when the training has ended, or continues unharmed."""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Protocol

from ratchet.checkpoints.store import SAVING, checkpoints
from ratchet.errors import Stopped
from ratchet.torture.processes import Training

TRIGGER, TRIGGER_NAN = "FAULT", "FAULT-nan"
"""Files in a training's folder: whoever finds one renames it, so that it strikes once, in one process."""
RESUMABLE = Stopped.code

# A task that misbehaves once when told to: graded in a worker process, like any task of a user's own.
TASK = f'''
import os, time
from dataclasses import dataclass
from pathlib import Path
from ratchet.tasks.aquarat.task import AquaRat

@dataclass
class Torture(AquaRat):
    """Word problems, graded as always but for the one completion after which the file {TRIGGER} is there."""
    name = "torture"

    def grade(self, completion, row):
        try:
            os.rename("{TRIGGER}", "{TRIGGER}.taken")
        except OSError:
            return super().grade(completion, row)
        what = Path("{TRIGGER}.taken").read_text()
        if what == "raise":
            raise RuntimeError("on purpose")
        if what == "exit":
            os._exit(3)
        while what == "hang":
            time.sleep(1)
        return super().grade(completion, row)
'''


class Strike(Protocol):
    """Does something to a training, at a random moment after a step."""

    def __call__(self, training: Training, run: Path, draw: Random, /) -> bool:
        """Returns False where the training was quicker, and nothing was done to it.

        Args:
            run: its output folder.
            draw: where all that is random comes from, so that a seed repeats a whole session.
        """
        ...


@dataclass(frozen=True)
class Fault:
    """A kind of fault, and what a training may make of it."""

    name: str
    strike: Strike
    codes: tuple[int, ...]
    """Exit codes that a training may end with; negative ones are signals."""
    processes: tuple[int, ...] = (1, 2)
    small_disk: bool = False
    """Whether the run's folder must lie on a file system of its own."""


def _kill(training: Training, run: Path, draw: Random) -> bool:
    training.send(signal.SIGKILL)
    return True


def _is_saving(training: Training, run: Path) -> bool:
    """Wait for a checkpoint that is being written; False where there is none before the end."""
    return training.wait_until(lambda: any((run / SAVING).glob("checkpoint-*")))


def _kill_while_saving(training: Training, run: Path, draw: Random) -> bool:
    if not _is_saving(training, run):
        return False
    time.sleep(draw.uniform(0, 0.08))  # so that it falls anywhere into the save
    return _kill(training, run, draw)


def _kill_one(training: Training, run: Path, draw: Random) -> bool:
    training.send(signal.SIGKILL, [draw.randrange(len(training.pids))])
    return True


def _stop_one(training: Training, run: Path, draw: Random) -> bool:
    """Make a process hang forever: the others leave, and it is killed, as by a launcher."""
    training.send(signal.SIGSTOP, [draw.randrange(len(training.pids))])
    return True


def _stop_one_while_saving(training: Training, run: Path, draw: Random) -> bool:
    if not _is_saving(training, run):
        return False
    return _stop_one(training, run, draw)


def _signal(number: int) -> Strike:
    def strike(training: Training, run: Path, draw: Random) -> bool:
        training.send(number)
        return True

    return strike


def _signal_twice(training: Training, run: Path, draw: Random) -> bool:
    training.send(signal.SIGTERM)
    # Within a second, a second signal counts as the same one: terminals and launchers send several.
    time.sleep(1.05 + draw.uniform(0, 0.1))
    training.send(signal.SIGTERM)
    return True


def _tear(training: Training, run: Path, draw: Random) -> bool:
    """Kill it, and damage the newest checkpoint besides: a file is cut, has another byte, or is gone."""
    # Of a single checkpoint nothing would be left to resume from.
    if not training.wait_until(lambda: len(checkpoints(run)) > 1):
        return False
    training.send(signal.SIGKILL)
    training.wait(30)
    files = sorted(path for path in checkpoints(run)[0].path.rglob("*") if path.is_file())
    damage(draw.choice(files), draw.choice(("cut", "flip", "remove")), draw)
    return True


def damage(path: Path, how: str, draw: Random) -> None:
    """Remove a file, cut it at a random place ("cut"), or change a random byte of it ("flip")."""
    size = path.stat().st_size
    if how == "remove":
        path.unlink()
    elif how == "cut":
        os.truncate(path, draw.randrange(size) if size else 0)
    else:
        with path.open("r+b") as file:
            file.seek(draw.randrange(size))
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 255]))


def _in_process(what: str, name: str = TRIGGER) -> Strike:
    """Let the run's own code do something, when it finds a file."""

    def strike(training: Training, run: Path, draw: Random) -> bool:
        trigger = training.folder / name
        beside = trigger.with_suffix(".new")
        beside.write_text(what)
        beside.rename(trigger)  # whole at once: a process looks for it at every completion
        struck = training.wait_until(lambda: not trigger.exists())
        trigger.unlink(missing_ok=True)
        return struck

    return strike


def _fill(training: Training, run: Path, draw: Random) -> bool:
    """Fill the disk, as somebody else would, until the run has given up; then take the file away."""
    ballast = run.parent / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:  # until the disk is full
                file.write(bytes(2**18))
        return training.wait(60) != 0
    finally:
        ballast.unlink()


def _fill_while_saving(training: Training, run: Path, draw: Random) -> bool:
    """Fill the disk in the middle of a write."""
    if not _is_saving(training, run):
        return False
    time.sleep(draw.uniform(0, 0.02))
    return _fill(training, run, draw)


def _rename(training: Training, run: Path, draw: Random) -> bool:
    """Rename the run's folder, and back when the run has noticed."""
    moved = run.with_name("moved")
    run.rename(moved)
    code = training.wait(60)
    if run.exists():
        raise AssertionError(f"the run left {run} beside {moved}")
    moved.rename(run)
    return code != 0


def _kill_when_finished(training: Training, run: Path, draw: Random) -> bool:
    """Kill it right after its result was written, before the report."""
    if not training.wait_until((run / "result.json").exists):
        return False
    training.send(signal.SIGKILL)
    return True


def poison() -> None:
    """Let this training process spoil the gradients of one step when it finds ``TRIGGER_NAN``."""
    from ratchet.training.trainers.mixins import RecipeTrainer

    plain = RecipeTrainer.training_step

    def training_step(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        loss = plain(self, model, inputs, *args, **kwargs)
        with contextlib.suppress(OSError):
            os.rename(TRIGGER_NAN, f"{TRIGGER_NAN}.taken")
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter.grad.fill_(float("nan"))
        return loss

    RecipeTrainer.training_step = training_step


def _second(training: Training, run: Path, draw: Random) -> bool:
    """Run the same command while the first runs: it is refused, and the first is not disturbed."""
    other = training.again()
    code = other.wait(60)
    if code is None or code == 0 or "is in use by process" not in other.text():
        other.send(signal.SIGKILL)
        raise AssertionError(f"a second run was not refused: {code}")
    return True


FAULTS: tuple[Fault, ...] = (
    Fault("SIGKILL", _kill, (-9,)),
    Fault("SIGKILL while saving", _kill_while_saving, (-9,)),
    Fault("killed, newest checkpoint damaged", _tear, (-9,)),
    Fault("SIGTERM", _signal(signal.SIGTERM), (RESUMABLE,)),
    Fault("SIGINT", _signal(signal.SIGINT), (RESUMABLE,)),
    Fault("SIGHUP", _signal(signal.SIGHUP), (RESUMABLE,)),
    Fault("SIGTERM twice", _signal_twice, (RESUMABLE,)),
    Fault("reward raises", _in_process("raise"), (2,)),
    Fault("reward hangs", _in_process("hang"), (2,)),
    Fault("reward's process dies", _in_process("exit"), (2,)),
    Fault("loss is non-finite", _in_process("nan", TRIGGER_NAN), (2,)),
    Fault("disk full", _fill, (RESUMABLE,), small_disk=True),
    Fault("disk fills while saving", _fill_while_saving, (RESUMABLE,), small_disk=True),
    Fault("folder renamed", _rename, (RESUMABLE,)),
    Fault("killed after result.json", _kill_when_finished, (-9,)),
    Fault("second run on the folder", _second, (0,)),
    Fault("one process killed", _kill_one, (-9,), (2,)),
    Fault("one process hangs", _stop_one, (RESUMABLE, -9), (2,)),
    Fault("one process hangs while saving", _stop_one_while_saving, (RESUMABLE, -9), (2,)),
)
