"""The figures with three axes, and what they need: distributions over time, the path of training, hidden states."""

import numpy as np

from ratchet.record.run_data import RunData
from ratchet.reporting.figures.plotly import BLUE, GREY, SCALE, Figure, short, solid, thinned


def densities(run: RunData, name: str, bins: int = 24) -> tuple[list[int], np.ndarray, np.ndarray] | None:
    """Steps, bin centres, and the share of values in each bin: (steps, bins), from histograms with edges of their own."""
    entries = [entry for entry in run.histograms if entry["name"] == name]
    if len(entries) < 2:
        return None
    low, high = min(e["edges"][0] for e in entries), max(e["edges"][-1] for e in entries)
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    rows = []
    for entry in entries:
        counts = np.asarray(entry["counts"], dtype=float)
        share = np.concatenate([[0.0], np.cumsum(counts)]) / max(1.0, counts.sum())
        rows.append(np.diff(np.interp(edges, entry["edges"], share)))  # each bin's share goes where it overlaps
    return [entry["step"] for entry in entries], (edges[:-1] + edges[1:]) / 2, np.asarray(rows)


def reward_surface(run: RunData) -> Figure | None:
    """How the distribution of rewards moves: step x reward x share of completions."""
    found = densities(run, "rollout/reward")
    if found is None:
        return None
    steps, centres, rows = found
    surface = {
        "type": "surface",
        "x": short(centres),
        "y": steps,
        "z": short(rows),
        "colorscale": SCALE,
        "showscale": False,
    }
    return solid("Rewards of completions over time", [surface], ("reward", "step", "share"))


def gradient_flow(run: RunData) -> Figure | None:
    """Norm of each layer's gradient: layer x step x norm."""
    layers = run.names("grad/layer/")
    columns = [run.series(name) for name in layers]
    if not columns or len(columns[0][0]) < 2:
        return None
    found = [dict(zip(*column, strict=True)) for column in columns]
    steps = thinned([*found[0]], 300)
    rows = [[column.get(step) for column in found] for step in steps]
    surface = {
        "type": "surface",
        "x": [int(name.rsplit("/", 1)[1]) for name in layers],
        "y": steps,
        "z": short(rows),
        "colorscale": SCALE,
    }
    return {
        **solid("Gradient flow", [{**surface, "showscale": False}], ("layer", "step", "norm before clipping")),
        "metric": "grad/layer/0",
    }


def loss_path(run: RunData) -> Figure | None:
    """The path of training over step and learning rate, as a ribbon whose upper edge is the loss; nothing is interpolated beside it."""
    steps, losses = (thinned(values, 1000) for values in run.series("loss"))
    rates = dict(zip(*run.series("learning_rate"), strict=True))
    if len(steps) < 3 or not rates:
        return None
    rate, floor = [rates.get(step, 0.0) for step in steps], min(losses)
    ribbon = {
        "type": "surface",
        "x": [steps, steps],
        "y": [rate, rate],
        "z": [[floor] * len(steps), losses],
        "colorscale": SCALE,
        "showscale": False,
        "opacity": 0.6,
    }
    line = {
        "type": "scatter3d",
        "mode": "lines+markers",
        "x": steps,
        "y": rate,
        "z": losses,
        "line": {"width": 5, "color": BLUE},
        "marker": {"size": 3, "color": BLUE},
    }
    return {
        **solid("Loss along the run", [ribbon, {**line, "name": "loss"}], ("step", "learning rate", "loss")),
        "metric": "policy/loss",
    }


def loss_slice(run: RunData) -> Figure | None:
    """A true slice of the loss around the checkpoint, along two filter-normalised random directions (Li et al., 2018, arXiv:1712.09913)."""
    if not run.slice.get("losses"):
        return None
    axis = run.slice["axis"]
    surface = {"type": "surface", "x": axis, "y": axis, "z": run.slice["losses"], "colorscale": SCALE}
    title = f"Loss around step {run.slice.get('step', '?')} ({run.slice.get('rows', '?')} rows)"
    return solid(title, [surface], ("first direction", "second direction", "loss of the targets"))


def dynamics(run: RunData) -> Figure | None:
    """Loss, gradient norm and reward (or accuracy of tokens) against each other, coloured by step."""
    third, label = ("reward", "reward") if run.series("reward")[0] else ("mean_token_accuracy", "token accuracy")
    columns = [dict(zip(*run.series(name), strict=True)) for name in ("loss", "grad_norm", third)]
    steps = thinned([step for step in columns[0] if all(step in column for column in columns)], 1000)
    if len(steps) < 3:
        return None
    x, y, z = ([column[step] for step in steps] for column in columns)
    marker = {"size": 4, "color": steps, "colorscale": SCALE, "colorbar": {"title": {"text": "step"}}}
    points = {
        "type": "scatter3d",
        "mode": "lines+markers",
        "x": x,
        "y": y,
        "z": z,
        "marker": marker,
        "line": {"color": GREY, "width": 2},
    }
    return solid(
        "Training dynamics", [{**points, "text": [f"step {s}" for s in steps]}], ("loss", "gradient norm", label)
    )


def attention_cloud(run: RunData) -> Figure | None:
    """The newest heat map as points: query x key x weight, weights above 0.01."""
    if not run.attention:
        return None
    entry = run.attention[-1]
    first = len(entry["tokens"]) - len(entry["weights"])
    points = [(q + first, k, w) for q, row in enumerate(entry["weights"]) for k, w in enumerate(row) if w > 0.01]
    if not points:
        return None
    x, y, z = (list(column) for column in zip(*points, strict=True))
    text = [f"{entry['tokens'][q]!r} looks at {entry['tokens'][k]!r}" for q, k, _ in points]
    cloud = {
        "type": "scatter3d",
        "mode": "markers",
        "x": x,
        "y": y,
        "z": z,
        "text": text,
        "marker": {"size": 3, "color": z, "colorscale": SCALE},
    }
    return solid(
        f"Attention at step {entry['step']}, layer {entry['layer']}, head {entry['head']}",
        [cloud],
        ("query", "key", "weight"),
    )


def embedding(run: RunData) -> Figure | None:
    """Where the last hidden state of some fixed rows goes: the first three principal components over all probes."""
    entries = [entry for entry in run.embeddings if entry.get("vectors")]
    if len(entries) < 2:
        return None
    rows = min(len(entry["vectors"]) for entry in entries)
    points = np.asarray([entry["vectors"][:rows] for entry in entries], dtype=float)
    flat = points.reshape(-1, points.shape[-1])
    centred = flat - flat.mean(0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    kept = min(3, len(sizes))
    placed = np.zeros((len(flat), 3))
    placed[:, :kept] = centred @ axes[:kept].T
    placed = placed.reshape(len(entries), rows, 3)
    share = (sizes[:3] ** 2).sum() / max(1e-12, (sizes**2).sum())
    steps = [entry["step"] for entry in entries]
    traces = []
    for row in range(rows):
        x, y, z = (short(placed[:, row, i]) for i in range(3))
        marker = {
            "size": 4,
            "color": steps,
            "colorscale": SCALE,
            "showscale": row == 0,
            "colorbar": {"title": {"text": "step"}},
        }
        text = [f"step {step}" for step in steps]
        traces.append(
            {
                "type": "scatter3d",
                "mode": "lines+markers",
                "x": x,
                "y": y,
                "z": z,
                "name": f"row {row}",
                "text": text,
                "marker": marker,
                "showlegend": False,
            }
        )
    return solid(
        f"Hidden states of fixed rows (PCA, {share:.0%} of the variance)", traces, ("first", "second", "third")
    )
