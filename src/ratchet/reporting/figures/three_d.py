"""The figures with three axes, and what they need: distributions over time, the path of training, hidden states."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ratchet.record.run_data import RunData
from ratchet.reporting.figures.plotly import BLUE, GREY, MOST_POINTS, SCALE, Figure, short, solid, thinned
from ratchet.reporting.figures.series import column


def densities(run: RunData, name: str, bins: int = 24) -> tuple[list[int], np.ndarray, np.ndarray] | None:
    """Steps, bin centres, and the share of values in each bin: (steps, bins).

    Each histogram of the record has edges of its own; its shares go to the common bins by overlap.
    """
    entries = [entry for entry in run.histograms if entry["name"] == name]
    if len(entries) < 2:
        return None
    low, high = min(e["edges"][0] for e in entries), max(e["edges"][-1] for e in entries)
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    rows = []
    for entry in entries:
        counts = np.asarray(entry["counts"], dtype=float)
        share = np.concatenate([[0.0], np.cumsum(counts)]) / max(1.0, counts.sum())
        # The cumulated share at the common edges, as if values lay evenly within a bin; differences are the bins'.
        rows.append(np.diff(np.interp(edges, entry["edges"], share)))
    return [entry["step"] for entry in entries], (edges[:-1] + edges[1:]) / 2, np.asarray(rows)


def reward_surface(run: RunData) -> Figure | None:
    """How the distribution of rewards moves: step x reward x share of completions."""
    found = densities(run, "rollout/reward")
    if found is None:
        return None
    steps, centres, rows = found
    surface = _surface(short(centres), steps, short(rows), showscale=False)
    return solid("Rewards of completions over time", [surface], ("reward", "step", "share"))


def _surface(x: Any, y: Any, z: Any, **more: Any) -> dict[str, Any]:
    return {"type": "surface", "x": x, "y": y, "z": z, "colorscale": SCALE, **more}


def gradient_flow(run: RunData) -> Figure | None:
    """Norm of each layer's gradient: layer x step x norm."""
    columns = {int(name.rsplit("/", 1)[1]): column(run, name) for name in run.names("grad/layer/")}
    if not columns:
        return None
    steps = [*next(iter(columns.values()))]
    if len(steps) < 2:
        return None
    steps = thinned(steps, 300)
    rows = [[norms.get(step) for norms in columns.values()] for step in steps]
    surface = _surface([*columns], steps, short(rows), showscale=False)
    drawn = solid("Gradient flow", [surface], ("layer", "step", "norm before clipping"))
    return {**drawn, "metric": "grad/layer/0"}


def loss_path(run: RunData) -> Figure | None:
    """The path of training over step and learning rate, as a ribbon whose upper edge is the loss.

    Nothing is interpolated beside the path: a run says nothing of the loss where it has not been.
    """
    steps, losses = (thinned(values, MOST_POINTS) for values in run.series("loss"))
    rates = column(run, "learning_rate")
    if len(steps) < 3 or not rates:
        return None
    rate = [rates.get(step, 0.0) for step in steps]
    floor = [min(losses)] * len(steps)
    ribbon = _surface([steps, steps], [rate, rate], [floor, losses], showscale=False, opacity=0.6)
    path = {
        "type": "scatter3d",
        "mode": "lines+markers",
        "x": steps,
        "y": rate,
        "z": losses,
        "line": {"width": 5, "color": BLUE},
        "marker": {"size": 3, "color": BLUE},
        "name": "loss",
    }
    drawn = solid("Loss along the run", [ribbon, path], ("step", "learning rate", "loss"))
    return {**drawn, "metric": "policy/loss"}


def loss_slice(run: RunData) -> Figure | None:
    """A true slice of the loss around the checkpoint, along two random directions; see ``diagnostics.loss_slice``."""
    if not run.slice.get("losses"):
        return None
    axis = run.slice["axis"]
    title = f"Loss around step {run.slice.get('step', '?')} ({run.slice.get('rows', '?')} rows)"
    surface = _surface(axis, axis, run.slice["losses"])
    return solid(title, [surface], ("first direction", "second direction", "loss of the targets"))


def dynamics(run: RunData) -> Figure | None:
    """Loss, gradient norm and reward (or accuracy of tokens) against each other, coloured by step."""
    third, label = ("reward", "reward") if run.series("reward")[0] else ("mean_token_accuracy", "token accuracy")
    columns = [column(run, name) for name in ("loss", "grad_norm", third)]
    common = [step for step in columns[0] if all(step in values for values in columns)]
    steps = thinned(common, MOST_POINTS)
    if len(steps) < 3:
        return None
    x, y, z = ([values[step] for step in steps] for values in columns)
    points = {
        "type": "scatter3d",
        "mode": "lines+markers",
        "x": x,
        "y": y,
        "z": z,
        "marker": _coloured_by(steps),
        "line": {"color": GREY, "width": 2},
        "text": [f"step {step}" for step in steps],
    }
    return solid("Training dynamics", [points], ("loss", "gradient norm", label))


def _coloured_by(steps: Sequence[int]) -> dict[str, Any]:
    """Markers whose colour is the step."""
    return {"size": 4, "color": steps, "colorscale": SCALE, "colorbar": {"title": {"text": "step"}}}


def attention_cloud(run: RunData) -> Figure | None:
    """The newest heat map as points: query x key x weight, weights above 0.01."""
    if not run.attention:
        return None
    entry = run.attention[-1]
    first = len(entry["tokens"]) - len(entry["weights"])  # queries are the last of the tokens
    points = []
    for query, row in enumerate(entry["weights"], first):
        points += [(query, key, weight) for key, weight in enumerate(row) if weight > 0.01]
    if not points:
        return None
    x, y, z = (list(values) for values in zip(*points, strict=True))
    tokens = entry["tokens"]
    cloud = {
        "type": "scatter3d",
        "mode": "markers",
        "x": x,
        "y": y,
        "z": z,
        "text": [f"{tokens[query]!r} looks at {tokens[key]!r}" for query, key, _ in points],
        "marker": {"size": 3, "color": z, "colorscale": SCALE},
    }
    title = f"Attention at step {entry['step']}, layer {entry['layer']}, head {entry['head']}"
    return solid(title, [cloud], ("query", "key", "weight"))


def embedding(run: RunData) -> Figure | None:
    """Where the last hidden state of some fixed rows goes: the first three principal components over all probes."""
    entries = [entry for entry in run.embeddings if entry.get("vectors")]
    if len(entries) < 2:
        return None
    rows = min(len(entry["vectors"]) for entry in entries)
    placed, share = _principal(np.asarray([entry["vectors"][:rows] for entry in entries], dtype=float))
    steps = [entry["step"] for entry in entries]
    traces = []
    for row in range(rows):
        x, y, z = (short(placed[:, row, i]) for i in range(3))
        traces.append(
            {
                "type": "scatter3d",
                "mode": "lines+markers",
                "x": x,
                "y": y,
                "z": z,
                "name": f"row {row}",
                "text": [f"step {step}" for step in steps],
                "marker": {**_coloured_by(steps), "showscale": row == 0},
                "showlegend": False,
            }
        )
    title = f"Hidden states of fixed rows (PCA, {share:.0%} of the variance)"
    return solid(title, traces, ("first", "second", "third"))


def _principal(points: np.ndarray) -> tuple[np.ndarray, float]:
    """(probes, rows, hidden) to (probes, rows, 3), and how much of the variance that keeps.

    One set of axes for all probes, so that rows move through one space.
    """
    flat = points.reshape(-1, points.shape[-1])
    centred = flat - flat.mean(0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    kept = min(3, len(sizes))
    placed = np.zeros((len(flat), 3))
    placed[:, :kept] = centred @ axes[:kept].T
    share = (sizes[:3] ** 2).sum() / max(1e-12, (sizes**2).sum())
    return placed.reshape(*points.shape[:2], 3), share
