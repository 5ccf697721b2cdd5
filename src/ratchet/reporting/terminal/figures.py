"""What is shown about a run, read from its folder and from the machine; what is not there is left out."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from ratchet.files import in_use, room_under
from ratchet.record.catalogue import PHASES
from ratchet.record.run_data import RunData, load
from ratchet.runtime import nvidia_smi

WINDOW = 20  # logged steps of a mean


@dataclass
class Disk:
    """Free space under a run's folder, seen several times."""

    folder: Path
    seen: list[tuple[float, int]] = field(default_factory=list)

    def look(self, now: float | None = None, free: int | None = None) -> None:
        """Take another reading of the free space."""
        free = room_under(self.folder)[1] if free is None else free
        self.seen = [*self.seen[-240:], (time.time() if now is None else now, free)]

    @property
    def free(self) -> int:
        """Free bytes at the last reading."""
        return self.seen[-1][1]

    def full_in(self) -> float | None:
        """Seconds until nothing is left at the rate seen so far; None where it grows, or too little was seen."""
        (first, most), (last, least) = self.seen[0], self.seen[-1]
        if last - first < 30 or least >= most:
            return None
        return least / ((most - least) / (last - first))


@dataclass(frozen=True)
class View:
    """What is shown at one moment."""

    run: RunData
    status: str
    """finished, running or stopped."""
    step: int
    steps: int | None
    """How many the run is to have."""
    figures: Mapping[str, float]
    """Means over the last logged steps, by their logged names."""
    phases: Mapping[str, float]
    """Seconds of a step."""
    left: float | None
    """Seconds until the last step at this rate."""
    silent: float | None
    """Seconds since the last log."""
    memory: Sequence[str]
    """Lines about GPUs and main memory."""
    disk: Disk
    alarms: Sequence[str]
    tail: Sequence[str]
    log: Path | None


def look(folder: Path, disk: Disk, log: Path | None, lines: int) -> View:
    """Read everything.

    Args:
        log: whose end is shown; None looks for one beside the folder.
        lines: of the log's end.
    """
    running = in_use(folder)  # asked first: what is read after the end is whole
    run = load(folder)
    status = "finished" if run.result else "running" if running else "stopped"
    disk.look()
    entries = [entry for entry in run.log if "loss" in entry]
    recent = entries[-WINDOW:]
    figures = means(recent)
    steps = _steps(run)
    log = log or _log_of(folder)
    return View(
        run=run,
        status=status,
        step=run.step,
        steps=steps,
        figures=figures,
        phases={phase: figures[f"time/{phase}"] for phase in PHASES if f"time/{phase}" in figures},
        left=None if status == "finished" else _left(steps, run.step, seconds_of_step(recent)),
        silent=_silent(entries) if status == "running" else None,
        memory=[*gpus(), host()],
        disk=disk,
        alarms=[f"step {entry['step']}: {entry['text']}" for entry in run.alarms[-3:]],
        tail=_tail(log, lines),
        log=log,
    )


def _left(steps: int | None, step: int, seconds: float | None) -> float | None:
    return None if steps is None or seconds is None else seconds * max(0, steps - step)


def _silent(entries: Sequence[Mapping[str, Any]]) -> float | None:
    last = entries[-1].get("time") if entries else None
    return None if last is None else max(0.0, time.time() - last)


def means(entries: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The mean of every number over some logged steps; a figure counts where it was logged."""
    columns: dict[str, list[float]] = {}
    for entry in entries:
        for name, value in entry.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                columns.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in columns.items()}


def seconds_of_step(entries: Sequence[Mapping[str, Any]]) -> float | None:
    """Wall-clock seconds from one step to the next over some logged ones, with evaluations and saving between them.

    Where times were not logged, what the run says of a step, which leaves these out.
    """
    timed = [entry for entry in entries if isinstance(entry.get("time"), (int, float))]
    if len(timed) > 1 and timed[-1]["step"] > timed[0]["step"]:
        return (timed[-1]["time"] - timed[0]["time"]) / (timed[-1]["step"] - timed[0]["step"])
    figures = means(entries)
    return figures.get("time/step", figures.get("step_time"))


# Names of which the first that was logged is shown, and in which form.
_SHOWN = (
    (("time/step", "step_time"), "{:.1f} s"),
    (("reward",), "reward {:.2f}"),
    (("rl/acc",), "accuracy {:.2f}"),
    (("eval/accuracy",), "held-out accuracy {:.3f}"),
    (("time/tokens_per_second",), "{:.0f} tok/s"),
    (("completions/mean_length",), "{:.0f} tok/sample"),
)


def line(entry: Mapping[str, Any]) -> str:
    """A logged step on one line, for logs.

    >>> figures = {"step_time": 13.04, "reward": 0.412, "time/tokens_per_second": 4577.7}
    >>> line({"step": 120, **figures, "completions/mean_length": 396.8})
    'step 120 | 13.0 s | reward 0.41 | 4578 tok/s | 397 tok/sample'
    >>> line({"step": 3, "loss": 1.25})
    'step 3 | loss 1.2500'
    """
    parts = [f"step {entry['step']}"]
    for names, form in _SHOWN:
        numbers = [entry[name] for name in names if isinstance(entry.get(name), (int, float))]
        if numbers:
            parts.append(form.format(numbers[0]))
    if "reward" not in entry and isinstance(entry.get("loss"), (int, float)):
        parts.append(f"loss {entry['loss']:.4f}")
    return " | ".join(parts)


def _steps(run: RunData) -> int | None:
    """How many steps the run is to have: as the recipe says, as it had, or as its share of the epochs tells."""
    steps = run.recipe.get("max_steps")
    if isinstance(steps, int) and steps > 0:
        return steps
    if run.result:
        return int(run.result["steps"])
    if not run.log:
        return None
    epochs, last = run.recipe.get("num_train_epochs", 3), run.log[-1]
    share = last.get("epoch")
    if not isinstance(share, (int, float)) or share <= 0 or not isinstance(epochs, (int, float)):
        return None
    return round(last["step"] * epochs / share)


def gpus() -> list[str]:
    """A line for each GPU that the driver shows."""
    rows = nvidia_smi("index", "utilization.gpu", "memory.used", "memory.total", "power.draw")
    return [
        f"GPU {index}: {used} of {total} MiB, {busy} % busy, {watts} W" for index, busy, used, total, watts in rows
    ]


def host() -> str:
    """Main memory and processors."""
    memory = psutil.virtual_memory()
    used, total = (memory.total - memory.available) / 2**30, memory.total / 2**30
    return f"host: {used:.1f} of {total:.1f} GiB, {psutil.cpu_percent():.0f} % busy"


def _log_of(folder: Path) -> Path | None:
    """The newest log that a launch keeps for this run (``launch``: here, Slurm, Lambda), or an evaluation's."""
    name, beside = folder.resolve().name, folder.resolve().parent
    patterns = (f"{name}.slurm/*.log", f"{name}.lambda/run.log", f"{name}.log", f"{name}.vllm.log")
    logs = [path for pattern in patterns for path in beside.glob(pattern)]
    return max(logs, key=lambda path: path.stat().st_mtime, default=None)


def _tail(log: Path | None, lines: int) -> list[str]:
    if log is None:
        return []
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))  # a log may be gigabytes, and its end is enough
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except OSError as error:
        return [f"{log} cannot be read: {error.strerror}"]
