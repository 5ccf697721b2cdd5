"""Figures straight from what was logged: a line for each name, or a mean with its spread."""

from collections.abc import Sequence

from ratchet.record import catalogue
from ratchet.record.run_data import RunData
from ratchet.reporting.figures.plotly import BLUE, Figure, between, colour_of, flat, line


def column(run: RunData, name: str) -> dict[int, float]:
    """A logged figure by step."""
    return dict(zip(*run.series(name), strict=True))


def lines(
    run: RunData,
    title: str,
    unit: str,
    names: Sequence[str],
    metric: str | None = None,
    labels: Sequence[str] | None = None,
) -> Figure | None:
    """A line for each logged figure that the run has; None where it has none of them.

    Args:
        metric: whose definition is shown beside the figure, with its healthy band.
        labels: one for each name; without them the names themselves.
    """
    traces = []
    for i, name in enumerate(names):
        steps, values = run.series(name)
        if steps:
            traces.append(line(steps, values, labels[i] if labels else name, colour_of(i)))
    return flat(title, unit, traces, metric) if traces else None


def with_spread(run: RunData, key: str, title: str, colour: str = BLUE) -> Figure | None:
    """``<key>mean`` as a line, one ``<key>std`` to either side."""
    steps, means = run.series(f"{key}mean")
    if not steps:
        return None
    spread = column(run, f"{key}std")
    low = [mean - spread.get(step, 0.0) for step, mean in zip(steps, means, strict=True)]
    high = [mean + spread.get(step, 0.0) for step, mean in zip(steps, means, strict=True)]
    unit = catalogue.find(f"{key}mean").unit
    drawn = flat(title, unit, [line(steps, means, "mean", colour)], f"{key}mean")
    drawn["data"].insert(0, between(steps, low, high, colour, "one standard deviation"))
    return drawn
