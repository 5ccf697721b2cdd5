"""What stands in Slurm's queue: a run is submitted, shown, followed, and told to stop."""

import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ratchet.errors import UserError
from ratchet.files import write_text
from ratchet.launch.slurm.files import ENDING, Files
from ratchet.program import typed

# As squeue's --format names them; no field but the last can hold the bar.
FIELDS = ("%i", "%F", "%T", "%M", "%l", "%D", "%r", "%j", "%o")
DONE = "COMPLETED"
# All others are on their way: configuring, being requeued, staged, completing, ...
FINAL = (DONE, *"BOOT_FAIL CANCELLED DEADLINE FAILED NODE_FAIL OUT_OF_MEMORY PREEMPTED REVOKED TIMEOUT".split())
PATIENCE = 12  # questions in a row that a busy controller may leave unanswered
ASK = 5.0  # seconds between questions to the controller, which all users of a cluster share
LOOK = 0.5  # between looks at a log


@dataclass(frozen=True)
class Job:
    """A job of Ratchet's, or one task of its array, as squeue shows it."""

    number: str
    """Of an array's task: ``12_3``."""
    array: str
    state: str
    elapsed: str
    limit: str
    nodes: str
    reason: str
    name: str
    script: Path

    @property
    def trains(self) -> bool:
        """Whether it is a run, which saves when it is told to stop."""
        return self.script.name == "job.sbatch"

    @property
    def over(self) -> bool:
        """Whether it has ended, and does not come back by itself."""
        return self.state in FINAL

    @property
    def log(self) -> Path:
        """What it prints."""
        begin = self.name if self.trains else "evaluate"
        return self.script.with_name(f"{begin}-{self.number}.log")

    @property
    def output(self) -> Path:
        """The run's folder."""
        folder = self.script.parent
        _, _, seed = self.number.partition("_")
        return folder.with_name(folder.stem + (f"-seed{seed}" if seed else ""))

    @property
    def step(self) -> str:
        """The last one that the run has logged."""
        from ratchet.record.records import read as records  # which wants numpy

        with suppress(OSError):
            entries, _ = records(self.output, "log")
            if entries:
                return f"step {entries[-1]['step']}"
        return ""


def jobs() -> list[Job]:
    """The user's jobs that Ratchet has submitted: those in the queue, and those that Slurm still remembers.

    Raises:
        UserError: where there is no Slurm, or it does not answer.
    """
    said = _slurm("squeue", "--me", "--array", "--states=all", "--noheader", f"--format={'|'.join(FIELDS)}")
    found = []
    for line in said.splitlines():
        *fields, script = line.split("|", len(FIELDS) - 1)
        path = Path(script.strip())
        if path.parent.suffix == f".{ENDING}" and path.suffix == ".sbatch":
            found.append(Job(*fields, path))
    return found


def submit(files: Files) -> list[str]:
    """Write the files and hand them to sbatch; returns what to tell the user.

    Raises:
        UserError: where there is no sbatch, or it refuses.
    """
    _program("sbatch", "; --dry-run prints the files, which can be carried to a login node")
    for name, text in files.texts.items():
        write_text(files.folder / name, text)
    number = _number(files.job)
    lines = [
        f"job {number} is in the queue ({files.job}); its log is in {files.folder}",
        f"  show:    {_typed('--status')}",
        f"  follow:  {_typed('--follow', number)}",
        f"  stop:    {_typed('--stop', number)}    # finishes its step and saves; the same command resumes",
    ]
    if "evaluate.sbatch" in files.texts:
        after = _number(files.folder / "evaluate.sbatch", dependency(files, number))
        lines.append(f"job {after} evaluates the trained model when it is finished")
    return lines


def dependency(files: Files, number: str) -> str:
    """The option with which the evaluation waits for its run."""
    kind = "aftercorr" if "--array" in files.texts["evaluate.sbatch"] else "afterok"
    return f"--dependency={kind}:{number}"


def sbatch(script: Path, *options: str) -> str:
    """Submit a script; what sbatch says.

    Raises:
        UserError: where there is no sbatch, or it refuses.
    """
    return _slurm("sbatch", *options, str(script), refused=f"sbatch refuses {script}")


def _number(script: Path, *options: str) -> str:
    """Submit a script; its job's number."""
    said = sbatch(script, "--parsable", *options)
    number = said.split(";")[0]
    if not number.isdigit():
        raise UserError(f"sbatch refuses {script}: {said}")
    return number


def status() -> str:
    """Each job of Ratchet's in a line."""
    rows = [
        (job.number, job.name, job.state.lower(), f"{job.elapsed} of {job.limit}", f"{job.nodes} nodes", job.step)
        + (() if job.reason == "None" else (job.reason,))
        for job in jobs()
    ]
    if not rows:
        return "no run of Ratchet is in the queue"
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    lines = ("  ".join(word.ljust(width) for word, width in zip(row, [*widths, 0], strict=False)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def stop(wanted: str) -> list[str]:
    """Tell a run to finish its step, save and leave the queue, by its name or its job's number; what to tell the user.

    Raises:
        UserError: where no such job waits or runs.
    """
    alive = [job for job in jobs() if not job.over]
    chosen = _chosen(alive, wanted, "--stop")
    lines = []
    for job in chosen:
        if job.trains and job.state == "RUNNING":
            # Without leave to be requeued it does not put itself into the queue again, as at its time limit.
            _slurm("scontrol", "update", f"JobId={job.number}", "Requeue=0")
            _slurm("scancel", "--batch", "--signal=USR1", job.number)
            lines.append(
                f"job {job.number} ({job.name}) is told: it finishes its step, saves and ends; "
                f"scancel {job.number} does not wait for that"
            )
        else:
            _slurm("scancel", job.number)
            lines.append(f"job {job.number} ({job.name}) is taken out of the queue")
    return lines


def follow(wanted: str) -> int:
    """Print what a job writes until it has ended, also across its returns to the queue; its exit status.

    Raises:
        UserError: where there is no such job, or there are several.
    """
    found = jobs()
    chosen = _chosen([job for job in found if not job.over], wanted) or _chosen(found, wanted, "--follow")[-1:]
    if len(chosen) > 1:
        numbers = ", ".join(job.number for job in chosen)
        raise UserError(f"--follow: {wanted} is {len(chosen)} jobs ({numbers}); name one of them")
    (job,) = chosen
    print(f"job {job.number} ({job.name}), {job.log}; Ctrl-C leaves it alone", flush=True)
    seen, told, unanswered = 0, "", 0
    try:
        while True:
            asked = time.monotonic()
            try:
                now, unanswered = next((one for one in jobs() if one.number == job.number), None), 0
            except UserError:
                now, unanswered = job, unanswered + 1
                if unanswered > PATIENCE:
                    raise
            waits = f"job {job.number} waits ({now.reason})" if now and now.state == "PENDING" else ""
            if waits and waits != told:
                print(waits, flush=True)
            told = waits
            while True:
                seen = _print_from(job.log, seen)
                if now is None or now.over or time.monotonic() - asked > ASK:
                    break
                time.sleep(LOOK)
            if now is None or now.over:
                return _ended(job.number, now)
    except KeyboardInterrupt:
        print(f"\njob {job.number} goes on; {_typed('--stop', job.number)} ends it")
        return 0


def _ended(number: str, job: Job | None) -> int:
    """Say how a job ended; its exit status."""
    if job is None:
        raise UserError(f"Slurm no longer knows job {number}: sacct --jobs {number} may say how it ended")
    print(f"job {number}: {job.state.lower()}", flush=True)
    if job.state == DONE:
        return 0
    said = _slurm("scontrol", "show", "job", number).partition("ExitCode=")[2]
    code = said.partition(":")[0]
    return int(code) if code.isdigit() and int(code) else 1


def _print_from(log: Path, seen: int) -> int:
    """Print what has been added to a log; how many bytes of it have been seen."""
    try:
        with log.open("rb") as file:
            file.seek(seen)
            text = file.read()
    except OSError:  # not begun, or not seen by this node yet
        return seen
    if text:
        print(text.decode(errors="replace"), end="", flush=True)
    return seen + len(text)


def _chosen(found: Sequence[Job], wanted: str, option: str = "") -> list[Job]:
    """The jobs that a run's name or a job's number means; with an option's name, none is an error."""
    chosen = [job for job in found if wanted in (job.number, job.array, job.name)]
    if option and not chosen:
        names = ", ".join(f"{job.number} ({job.name})" for job in found) or "none of Ratchet"
        raise UserError(f"{option}: there is no job {wanted}; there are {names}")
    return chosen


def _typed(*words: str) -> str:
    return typed("launch", "--on", "slurm", *words)


def _program(name: str, hint: str = "") -> None:
    if shutil.which(name) is None:
        raise UserError(f"there is no {name} here, so no Slurm{hint}")


def _slurm(name: str, *words: str, refused: str = "") -> str:
    """What one of Slurm's commands says."""
    _program(name)
    done = subprocess.run([name, *words], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{refused or 'Slurm does not answer'}: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()
