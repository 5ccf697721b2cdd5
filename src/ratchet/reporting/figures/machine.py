"""What the machine does: seconds of a step, slowest and fastest process, memory."""

from ratchet.record.catalogue import PHASES
from ratchet.record.run_data import RunData
from ratchet.reporting.figures.plotly import Figure, colour_of, flat, line
from ratchet.reporting.figures.series import lines


def seconds(run: RunData) -> Figure | None:
    """Where the seconds of a step go."""
    traces = []
    for i, phase in enumerate(sorted(PHASES, key=lambda phase: (len(phase), phase))):
        steps, values = run.series(f"time/{phase}")
        if any(values):
            name = phase.replace("_", " ")
            traces.append(line(steps, values, name, colour_of(i), stackgroup="one", mode="lines"))
    return {**flat("Seconds of a step", "s", traces), "metric": "time/rollout"} if traces else None


def processes(run: RunData) -> Figure | None:
    """Slowest and fastest process, where there are several."""
    if max(run.series("distributed/world_size")[1], default=1) < 2:
        return None
    names = ["time/rollout_max", "time/rollout_min", "time/training_max", "time/training_min"]
    labels = ["rollout, slowest", "rollout, fastest", "training, slowest", "training, fastest"]
    return lines(run, "Slowest and fastest process", "s per step", names, "time/rollout", labels)


def memory(run: RunData) -> Figure | None:
    """Peak memory."""
    return lines(run, "Peak memory", "GiB", ["memory/peak_gib"], "memory/peak_gib", ["fullest process"])
