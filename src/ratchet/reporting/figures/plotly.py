"""Building blocks of the figures: lines, bands, solids, menus, as Plotly's own JSON."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ratchet.record import catalogue

Figure = dict[str, Any]
BLUE, AMBER, GREEN, RED, VIOLET, GREY, TEAL, PINK = (
    "#3b82f6",
    "#f59e0b",
    "#10b981",
    "#ef4444",
    "#8b5cf6",
    "#8a94a6",
    "#14b8a6",
    "#ec4899",
)
COLOURS = (BLUE, AMBER, GREEN, VIOLET, RED, TEAL, PINK, GREY)
SCALE = "Viridis"
MOST_POINTS = 1000  # of a curve; a page stays small, and a screen shows no more
SHARES = [[0, "rgba(59,130,246,0.05)"], [1, "#2563eb"]]  # for heat maps of shares, on light and on dark


def colour_of(index: int) -> str:
    """The colour of a curve, a run or a phase by its place; they repeat after the last."""
    return COLOURS[index % len(COLOURS)]


def line(x: Sequence[Any], y: Sequence[float], name: str, colour: str, **more: Any) -> dict[str, Any]:
    """A curve, with markers while its points can be told apart."""
    mode = "lines+markers" if len(x) < 60 else "lines"
    if "error_y" not in more:  # intervals are of evaluations, which are few
        x, y = thinned(x, MOST_POINTS), thinned(y, MOST_POINTS)
    return {
        "type": "scatter",
        "x": [*x],
        "y": [*y],
        "name": name,
        "mode": mode,
        "line": {"color": colour, "width": 2},
        "marker": {"size": 5},
        **more,
    }


def thinned(values: Sequence[Any], most: int) -> Sequence[Any]:
    """At most so many of the values, evenly spread, with the first and the last."""
    if len(values) <= most:
        return values
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]


def between(x: Sequence[Any], low: Sequence[float], high: Sequence[float], colour: str, name: str) -> dict[str, Any]:
    """The area between two curves, drawn as one outline: along the upper and back along the lower."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return {
        "type": "scatter",
        "x": [*x, *reversed(x)],
        "y": [*high, *reversed(low)],
        "name": name,
        "mode": "lines",
        "showlegend": False,
        "fill": "toself",
        "fillcolor": f"rgba({red},{green},{blue},0.18)",
        "line": {"width": 0},
        "hoverinfo": "skip",
    }


def flat(title: str, unit: str, traces: list[dict[str, Any]], metric: str | None = None, x: str = "step") -> Figure:
    """A figure with two axes; with the healthy band of ``metric`` where it has one."""
    layout = {"title": {"text": title}, "xaxis": {"title": {"text": x}}, "yaxis": {"title": {"text": unit}}}
    known = catalogue.find(metric) if metric else None
    if known and known.band:
        layout["shapes"] = _bands(known, traces)
    return {"data": traces, "layout": layout, "metric": metric}


def _bands(metric: catalogue.Metric, traces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The healthy range in green; what lies beyond in red, for a quarter of the range and as far as the data goes."""
    healthy_low, healthy_high = metric.band
    values = [v for trace in traces for v in trace["y"] if v is not None]
    beyond = (healthy_high - healthy_low) / 4
    low, high = min([*values, healthy_low - beyond]), max([*values, healthy_high + beyond])
    if metric.unit == "share":
        low, high = max(low, 0.0), min(high, 1.0)
    bands = [_band(healthy_low, healthy_high, GREEN)]
    if low < healthy_low:
        bands.append(_band(low, healthy_low, RED))
    if high > healthy_high:
        bands.append(_band(healthy_high, high, RED))
    return bands


def _band(low: float, high: float, colour: str) -> dict[str, Any]:
    return {
        "type": "rect",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": low,
        "y1": high,
        "fillcolor": colour,
        "opacity": 0.08,
        "line": {"width": 0},
        "layer": "below",
    }


def solid(title: str, traces: list[dict[str, Any]], axes: Sequence[str]) -> Figure:
    """A figure with three axes."""
    scene = {f"{axis}axis": {"title": {"text": text}} for axis, text in zip("xyz", axes, strict=True)}
    return {"data": traces, "layout": {"title": {"text": title}, "scene": scene}, "metric": None}


def choice(labels: Sequence[str]) -> dict[str, Any]:
    """A menu that shows one trace at a time, the last one at first."""
    buttons = []
    for i, label in enumerate(labels):
        visible = [j == i for j in range(len(labels))]
        buttons.append({"label": label, "method": "restyle", "args": [{"visible": visible}]})
    return {"buttons": buttons, "active": len(labels) - 1, "x": 1, "xanchor": "right", "y": 1.12, "yanchor": "bottom"}


def short(values: Any) -> Any:
    """Nested lists of floats with five digits, which is what a figure can show."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, list):
        return [short(v) for v in values]
    return float(f"{values:.5g}") if isinstance(values, float) else values
