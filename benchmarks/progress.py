"""What a run's record says of the way to a target, for the benchmarks beside it."""

from pathlib import Path
from typing import NamedTuple

from ratchet.record.records import read


class Progress(NamedTuple):
    """Of one run."""

    step: int | None
    """The first at which held-out accuracy was at or above the target, and ``seconds`` of training until then."""
    seconds: float | None
    whole: float
    """Seconds of all its training, without evaluations."""


def progress(run: Path, target: float) -> Progress:
    """Read off a run's folder; training is what lies between an evaluation and the next log."""
    step, seconds, passed, resumed = None, None, 0.0, None
    for entry in read(run, "log")[0]:
        if "eval/accuracy" in entry:
            resumed = entry["time"]
            if step is None and entry["eval/accuracy"] >= target:
                step, seconds = entry["step"], passed
        elif "loss" in entry and resumed is not None:
            passed, resumed = passed + entry["time"] - resumed, None
    return Progress(step, seconds, passed)
