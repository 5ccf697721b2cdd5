"""Which choice the model prefers, and which it commits to; the figures' names and titles speak of letters."""

from typing import Any

from ratchet.record.run_data import RunData
from ratchet.reporting.figures.plotly import SHARES, VIOLET, Figure, choice, colour_of, flat, line, short, thinned
from ratchet.reporting.figures.series import column, lines, with_spread

MOST_GOLDS, MOST_ANSWERS = 12, 26  # of a confusion that can be read
MOST_ENTRIES = 12  # of a menu

Counts = dict[str, dict[str, int]]


def letters_found(run: RunData) -> Figure | None:
    """How many completions commit to a letter at all."""
    name = "rl/letter_found_frac"
    return lines(run, "Completions that commit to a letter", "share", [name], name, ["found"])


def letter_margin(run: RunData) -> Figure | None:
    """Margin of the best letter over time."""
    return with_spread(run, "rl/letter_margin_", "Margin between the two best letters", VIOLET)


def letter_counts(run: RunData) -> Figure | None:
    """Which letters the model prefers, as shares over time."""
    columns = {name: column(run, name) for name in run.names("rl/letter_pred_counts/")}
    if not columns:
        return None
    first = next(iter(columns))
    steps = [*columns[first]]
    totals = {step: max(1.0, sum(counts.get(step, 0.0) for counts in columns.values())) for step in steps}
    traces = []
    for i, (name, counts) in enumerate(columns.items()):
        shares = [counts.get(step, 0.0) / totals[step] for step in steps]
        traces.append(line(steps, shares, name.rsplit("/", 1)[1], colour_of(i), stackgroup="one"))
    return {**flat("Letters preferred", "share of completions", traces), "metric": first}


def letter_confusion(run: RunData) -> Figure | None:
    """Gold against committed letters, with a choice of the steps they are of."""
    entries = [entry for entry in run.confusion if len(entry["counts"]) <= MOST_GOLDS]
    golds = sorted({gold for entry in entries for gold in entry["counts"]})
    answers = sorted(_answers(entries) - {"none"})
    if not entries or len(answers) > MOST_ANSWERS:
        return None
    shown = thinned(entries, MOST_ENTRIES)
    traces = [_heat(entry["counts"], golds, [*answers, "none"]) for entry in shown]
    for trace in traces:
        trace["visible"] = trace is traces[-1]
    drawn = flat("Gold and committed letters (sampled answers)", "gold", traces, None, "answered")
    drawn["layout"]["yaxis"]["autorange"] = "reversed"
    drawn["layout"]["updatemenus"] = [choice([f"to step {entry['step']}" for entry in shown])]
    return drawn


def _answers(entries: list[dict[str, Any]]) -> set[str]:
    return {answer for entry in entries for row in entry["counts"].values() for answer in row}


def _heat(counts: Counts, golds: list[str], answers: list[str]) -> dict[str, Any]:
    """Shares of each gold answer's completions, which are comparable where golds are not equally frequent."""
    rows = [[counts.get(gold, {}).get(answer, 0) for answer in answers] for gold in golds]
    shares = [[count / max(1, sum(row)) for count in row] for row in rows]
    return {
        "type": "heatmap",
        "x": answers,
        "y": golds,
        "z": short(shares),
        "customdata": rows,
        "zmin": 0,
        "zmax": 1,
        "colorscale": SHARES,
        "hovertemplate": "gold %{y}, answered %{x}: %{customdata} (%{z:.0%})<extra></extra>",
    }
