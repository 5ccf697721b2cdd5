"""Where attention goes."""

from typing import Any

from ratchet.record.run_data import RunData
from ratchet.reporting.figures.plotly import SHARES, Figure, choice, flat
from ratchet.reporting.figures.series import lines

NEWEST = 8  # heat maps that are kept, besides the first


def attention_entropy(run: RunData) -> Figure | None:
    """Attention entropy by layer."""
    names = run.names("attn/entropy_layer/")
    labels = [f"layer {name.rsplit('/', 1)[1]}" for name in names]
    return lines(run, "Attention entropy by layer", "nats", names, "attn/entropy_layer/0", labels)


def attention_map(run: RunData) -> Figure | None:
    """Attention weights of one fixed row, with a choice of probe."""
    entries = _shown(run.attention)
    if not entries:
        return None
    traces = [_heat(entry) for entry in entries]
    for trace in traces:
        trace["visible"] = trace is traces[-1]
    drawn = flat("Attention", "query", traces, None, "key")
    drawn["layout"]["yaxis"]["autorange"] = "reversed"
    drawn["layout"]["xaxis"]["showticklabels"] = drawn["layout"]["yaxis"]["showticklabels"] = False
    labels = [f"step {entry['step']}, layer {entry['layer']}, head {entry['head']}" for entry in entries]
    drawn["layout"]["updatemenus"] = [choice(labels)]
    return {**drawn, "metric": "attn/entropy_mean"}


def _shown(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first and the newest: each map is some thousand numbers of the page."""
    return entries if len(entries) <= NEWEST + 1 else [entries[0], *entries[-NEWEST:]]


def _heat(entry: dict[str, Any]) -> dict[str, Any]:
    # Tokens repeat; with their places in front each has a line of its own.
    keys = [f"{i} {token!r}" for i, token in enumerate(entry["tokens"])]
    return {
        "type": "heatmap",
        "x": keys,
        "y": keys[-len(entry["weights"]) :],
        "z": entry["weights"],
        "colorscale": SHARES,
        "zmin": 0,
    }
