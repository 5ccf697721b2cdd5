"""What is logged, in the forms that trackers take: rows of scalars, tables of samples and answers, heat maps."""

from collections.abc import Callable, Mapping
from typing import Any

from ratchet.diagnostics.artifacts import Artifacts
from ratchet.record import catalogue
from ratchet.reporting.figures.plotly import SHARES, Figure

# transformers logs these at the end of training, of the whole run: no point of a curve.
ONCE = ("train_runtime", "train_samples_per_second", "train_steps_per_second", "train_loss", "total_flos")
SAMPLE_COLUMNS = ("id", "prompt", "completion", "gold", "answer", "correct", "reward", "advantage")
CONFUSION_COLUMNS = ("gold", "answered", "count")
LEAST_WEIGHT = 0.01  # of attention that is shown in a table


def named(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Scalars under the names that trackers get: our own verbatim, TRL's as transformers renames them."""
    from transformers.integrations.integration_utils import rewrite_logs

    own = {name: value for name, value in logs.items() if catalogue.is_own(name)}
    others = {name: value for name, value in logs.items() if name not in own}
    return {**rewrite_logs(others), **own}


def scalars(step: int, logs: Mapping[str, Any]) -> dict[str, Any]:
    """One row of scalars with its step; totals of the whole run are left out."""
    curves = {name: value for name, value in logs.items() if name not in ONCE}
    return {**named(curves), "train/global_step": step}


def totals(logs: Mapping[str, Any]) -> dict[str, Any]:
    """What is logged once, at the end of training."""
    return {f"train/{name}": logs[name] for name in ONCE if name in logs}


def tables(artifacts: Artifacts, make: Callable[..., Any]) -> dict[str, Any]:
    """Samples and confusion as a tracker's own tables.

    Args:
        make: the tracker's class of tables, called with ``columns`` and ``data``.
    """
    made = {}
    if artifacts.samples:
        made["rl/samples"] = make(columns=[*SAMPLE_COLUMNS], data=sample_rows(artifacts))
    if artifacts.confusion:
        made["rl/letter_confusion"] = make(columns=[*CONFUSION_COLUMNS], data=confusion_rows(artifacts))
    return made


def sample_rows(artifacts: Artifacts) -> list[list[Any]]:
    """One row for each sampled completion; lists become text, because a cell holds one value."""
    return [[_cell(sample.get(column)) for column in SAMPLE_COLUMNS] for sample in artifacts.samples]


def _cell(value: Any) -> Any:
    return str(value) if isinstance(value, (list, tuple)) else value


def confusion_rows(artifacts: Artifacts) -> list[list[Any]]:
    """One row for each pair of gold and committed answer."""
    rows = []
    for gold, answers in sorted(artifacts.confusion.items()):
        rows += [[gold, answer, count] for answer, count in sorted(answers.items())]
    return rows


def markdown_table(rows: list[list[Any]]) -> str:
    """Sampled completions as a table of Markdown, which is what TensorBoard shows of a text."""
    lines = []
    for row in [SAMPLE_COLUMNS, ["---"] * len(SAMPLE_COLUMNS), *rows]:
        cells = [str(cell).replace("|", "\\|").replace("\n", "<br>") for cell in row]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def map_name(entry: Mapping[str, Any]) -> str:
    """The name under which trackers show a heat map of attention."""
    return f"attn/map/layer{entry['layer']}_head{entry['head']}"


def map_rows(entry: Mapping[str, Any]) -> list[list[Any]]:
    """A heat map as rows of query, key and weight, where the weight can be seen."""
    rows = []
    for query, weights in enumerate(entry["weights"]):
        rows += [[query, key, weight] for key, weight in enumerate(weights) if weight > LEAST_WEIGHT]
    return rows


def heat_map(entry: Mapping[str, Any]) -> Figure:
    """A heat map of attention as a figure."""
    layout = {
        "title": {"text": f"layer {entry['layer']}, head {entry['head']}"},
        "xaxis": {"title": {"text": "key"}},
        "yaxis": {"title": {"text": "query"}, "autorange": "reversed"},
    }
    return {"data": [{"type": "heatmap", "z": entry["weights"], "colorscale": SHARES, "zmin": 0}], "layout": layout}
