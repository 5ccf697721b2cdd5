"""Interactive figures from a run's record, as Plotly's own JSON: {data, layout}. No figure is drawn without its data."""

from collections.abc import Callable, Sequence

from ratchet.record import catalogue
from ratchet.record.catalogue import PHASES
from ratchet.record.run_data import RunData
from ratchet.reporting.figures.plotly import (
    AMBER,
    BLUE,
    COLOURS,
    GREY,
    SCALE,
    SHARES,
    VIOLET,
    Figure,
    between,
    choice,
    flat,
    line,
    short,
)
from ratchet.reporting.figures.three_d import (
    attention_cloud,
    densities,
    dynamics,
    embedding,
    gradient_flow,
    loss_path,
    loss_slice,
    reward_surface,
)


def figures(run: RunData) -> dict[str, Figure]:
    """Every figure that the run's record allows, by name, in the order of a page."""
    return {name: made for name, draw in DRAWN.items() if (made := draw(run)) is not None}


def comparison(runs: Sequence[RunData]) -> dict[str, Figure]:
    """One figure for each of the main curves, with a line per run."""
    shown = (
        "eval/accuracy",
        "rl/mean_reward",
        "rl/avg_completion_len",
        "policy/loss",
        "rl/kl_sequence_mean",
        "policy/entropy",
        "time/step",
        "time/tokens_per_second",
    )
    found = {}
    for name in shown:
        traces = []
        for i, run in enumerate(runs):
            steps, values = run.series(name)
            if steps:
                traces.append(line(steps, values, run.name, COLOURS[i % len(COLOURS)]))
        if traces:
            metric = catalogue.find(name)
            found[name] = flat(metric.title, metric.unit, traces, name)
    return found


def _with_spread(run: RunData, key: str, title: str, colour: str = BLUE) -> Figure | None:
    steps, means = run.series(f"{key}mean")
    spread = dict(zip(*run.series(f"{key}std"), strict=True))
    if not steps:
        return None
    stds = [spread.get(step, 0.0) for step in steps]
    low, high = [m - s for m, s in zip(means, stds, strict=True)], [m + s for m, s in zip(means, stds, strict=True)]
    metric = catalogue.find(f"{key}mean")
    drawn = flat(title, metric.unit, [line(steps, means, "mean", colour)], f"{key}mean")
    drawn["data"].insert(0, between(steps, low, high, colour, "one standard deviation"))
    return drawn


def _lines(
    run: RunData,
    title: str,
    unit: str,
    names: Sequence[str],
    metric: str | None = None,
    labels: Sequence[str] | None = None,
) -> Figure | None:
    traces = []
    for i, name in enumerate(names):
        steps, values = run.series(name)
        if steps:
            traces.append(line(steps, values, labels[i] if labels else name, COLOURS[i % len(COLOURS)]))
    return flat(title, unit, traces, metric) if traces else None


# The figures.


def accuracy(run: RunData) -> Figure | None:
    """Held-out accuracy with its interval, sampled accuracy, and the commonest answer's score."""
    steps, values = run.series("eval/accuracy")
    traces = []
    if steps:
        low, high = (dict(zip(*run.series(f"eval/accuracy_{end}"), strict=True)) for end in ("low", "high"))
        error = {
            "type": "data",
            "symmetric": False,
            "array": [high.get(s, v) - v for s, v in zip(steps, values, strict=True)],
            "arrayminus": [v - low.get(s, v) for s, v in zip(steps, values, strict=True)],
        }
        traces.append(
            line(steps, values, "held-out, greedy, 95 % interval", BLUE, error_y=error, mode="lines+markers")
        )
    sampled, shares = run.series("rl/acc")
    if sampled:
        traces.append(line(sampled, shares, "training, sampled", AMBER))
    majority = run.series("eval/majority")[1]
    if traces and majority:
        ends = [0, max([*steps, *sampled, 1])]
        traces.append(
            {
                **line(ends, [majority[-1]] * 2, "always the commonest answer", GREY),
                "mode": "lines",
                "line": {"color": GREY, "dash": "dash"},
            }
        )
    return {**flat("Accuracy", "share right", traces), "metric": "eval/accuracy"} if traces else None


def reward(run: RunData) -> Figure | None:
    """Mean reward of rollouts between the lowest and the highest."""
    drawn = _lines(run, "Reward", "reward", ["rollout/mean_reward"], "rollout/mean_reward", ["mean"])
    steps, low = run.series("rollout/min_reward")
    if drawn and steps:
        drawn["data"].insert(0, between(steps, low, run.series("rollout/max_reward")[1], BLUE, "lowest to highest"))
    return drawn


def advantages(run: RunData) -> Figure | None:
    """The distribution of advantages over time."""
    found = densities(run, "advantages/value")
    if found is None:
        return None
    steps, centres, rows = found
    heat = {
        "type": "heatmap",
        "x": steps,
        "y": short(centres),
        "z": short(rows.T),
        "colorscale": SCALE,
        "colorbar": {"title": {"text": "share"}},
    }
    return {**flat("Advantages over time", "advantage (standard deviations)", [heat]), "metric": "advantages/std"}


def pass_at_k(run: RunData) -> Figure | None:
    """pass@k of every evaluation that sampled, with intervals over rows."""
    traces = []
    for i, entry in enumerate(e for e in run.evaluations if e.get("pass_at_k")):
        found = sorted((int(k), share) for k, share in entry["pass_at_k"].items())
        values = [share["accuracy"] for _, share in found]
        error = {
            "type": "data",
            "symmetric": False,
            "array": [s["high"] - s["accuracy"] for _, s in found],
            "arrayminus": [s["accuracy"] - s["low"] for _, s in found],
        }
        traces.append(
            line([k for k, _ in found], values, f"step {entry['step']}", COLOURS[i % len(COLOURS)], error_y=error)
        )
    if not traces:
        return None
    drawn = flat("pass@k on held-out rows", "share", traces, None, "k")
    drawn["layout"]["xaxis"]["type"] = "log"
    drawn["layout"]["xaxis"]["tickvals"] = sorted({k for trace in traces for k in trace["x"]})
    return {**drawn, "metric": "eval/pass@1"}


def letter_margin(run: RunData) -> Figure | None:
    """Margin of the best letter over time."""
    return _with_spread(run, "rl/letter_margin_", "Margin between the two best letters", VIOLET)


def letter_counts(run: RunData) -> Figure | None:
    """Which letters the model prefers, as shares over time."""
    names = run.names("rl/letter_pred_counts/")
    columns = [dict(zip(*run.series(name), strict=True)) for name in names]
    if not columns:
        return None
    steps = [*columns[0]]
    totals = [max(1.0, sum(column.get(step, 0.0) for column in columns)) for step in steps]
    traces = [
        line(
            steps,
            [column.get(step, 0.0) / total for step, total in zip(steps, totals, strict=True)],
            name.rsplit("/", 1)[1],
            COLOURS[i % len(COLOURS)],
            stackgroup="one",
        )
        for i, (name, column) in enumerate(zip(names, columns, strict=True))
    ]
    return {**flat("Letters preferred", "share of completions", traces), "metric": names[0]}


def letter_confusion(run: RunData) -> Figure | None:
    """Gold against committed letters, with a choice of window."""
    entries = [entry for entry in run.confusion if len(entry["counts"]) <= 12]
    if not entries:
        return None
    golds = sorted({gold for entry in entries for gold in entry["counts"]})
    said = sorted({a for entry in entries for row in entry["counts"].values() for a in row} - {"none"})
    if len(said) > 26:
        return None
    said.append("none")
    shown = entries if len(entries) <= 12 else [entries[round(i * (len(entries) - 1) / 11)] for i in range(12)]
    traces = []
    for i, entry in enumerate(shown):
        rows = [[entry["counts"].get(gold, {}).get(answer, 0) for answer in said] for gold in golds]
        shares = [[count / max(1, sum(row)) for count in row] for row in rows]
        heat = {
            "type": "heatmap",
            "x": said,
            "y": golds,
            "z": short(shares),
            "customdata": rows,
            "zmin": 0,
            "zmax": 1,
            "colorscale": SHARES,
        }
        words = "gold %{y}, answered %{x}: %{customdata} (%{z:.0%})<extra></extra>"
        traces.append({**heat, "hovertemplate": words, "visible": i == len(shown) - 1})
    drawn = flat("Gold and committed letters (sampled answers)", "gold", traces, None, "answered")
    drawn["layout"]["yaxis"]["autorange"] = "reversed"
    drawn["layout"]["updatemenus"] = [choice([f"to step {entry['step']}" for entry in shown])]
    return drawn


def letters_found(run: RunData) -> Figure | None:
    """How many completions commit to a letter at all."""
    return _lines(
        run,
        "Completions that commit to a letter",
        "share",
        ["rl/letter_found_frac"],
        "rl/letter_found_frac",
        ["found"],
    )


def reward_parts(run: RunData) -> Figure | None:
    """Mean of each reward function, where there are several."""
    names = [name for name in run.names("rewards/") if name.endswith("/mean")]
    return (
        _lines(run, "Each reward", "reward", names, None, [name.split("/")[1] for name in names])
        if len(names) > 1
        else None
    )


def spread(run: RunData) -> Figure | None:
    """How many groups teach nothing."""
    return _lines(
        run,
        "Groups whose rewards are all equal",
        "share",
        ["advantages/frac_zero_spread"],
        "advantages/frac_zero_spread",
        ["without spread"],
    )


def distance(run: RunData) -> Figure | None:
    """KL of the policy from the initial model, by token and by letter."""
    names = ["rl/kl_sequence_mean", "rl/kl_letter_mean"]
    return _lines(
        run, "Distance from the initial model", "nats", names, "rl/kl_sequence_mean", ["per token", "of the letter"]
    )


def entropy(run: RunData) -> Figure | None:
    """Entropy of the policy, and the log-probability of what it said."""
    return _lines(
        run, "Entropy of the policy", "nats per token", ["policy/entropy"], "policy/entropy", ["entropy"]
    ) or _lines(run, "Entropy of the policy", "nats per token", ["entropy"])


def lengths(run: RunData) -> Figure | None:
    """Length of completions."""
    names = ["completions/max_length", "rl/avg_completion_len", "completions/min_length"]
    return _lines(
        run, "Length of completions", "tokens", names, "rl/avg_completion_len", ["longest", "mean", "shortest"]
    )


def loss(run: RunData) -> Figure | None:
    """Loss over time."""
    return _lines(run, "Loss", "", ["loss", "eval_loss"], "policy/loss", ["training", "held-out"])


def attention_entropy(run: RunData) -> Figure | None:
    """Attention entropy by layer."""
    names = run.names("attn/entropy_layer/")
    return _lines(
        run,
        "Attention entropy by layer",
        "nats",
        names,
        "attn/entropy_layer/0",
        [f"layer {name.rsplit('/', 1)[1]}" for name in names],
    )


def attention_map(run: RunData) -> Figure | None:
    """Attention weights of one fixed row, with a choice of probe."""
    entries = run.attention[-8:] if len(run.attention) > 9 else run.attention
    entries = [*run.attention[:1], *entries] if len(run.attention) > 9 else entries
    if not entries:
        return None
    traces = []
    for i, entry in enumerate(entries):
        keys = [f"{j} {token!r}" for j, token in enumerate(entry["tokens"])]
        heat = {
            "type": "heatmap",
            "x": keys,
            "y": keys[-len(entry["weights"]) :],
            "z": entry["weights"],
            "colorscale": SHARES,
            "zmin": 0,
        }
        traces.append({**heat, "visible": i == len(entries) - 1})
    drawn = flat("Attention", "query", traces, None, "key")
    drawn["layout"]["yaxis"]["autorange"] = "reversed"
    drawn["layout"]["xaxis"]["showticklabels"] = drawn["layout"]["yaxis"]["showticklabels"] = False
    drawn["layout"]["updatemenus"] = [
        choice([f"step {e['step']}, layer {e['layer']}, head {e['head']}" for e in entries])
    ]
    return {**drawn, "metric": "attn/entropy_mean"}


def seconds(run: RunData) -> Figure | None:
    """Where the seconds of a step go."""
    phases = [f"time/{phase}" for phase in sorted(PHASES, key=lambda phase: (len(phase), phase))]
    traces = []
    for i, name in enumerate(phases):
        steps, values = run.series(name)
        if any(values):
            traces.append(
                line(
                    steps,
                    values,
                    name.split("/")[1].replace("_", " "),
                    COLOURS[i % len(COLOURS)],
                    stackgroup="one",
                    mode="lines",
                )
            )
    return {**flat("Seconds of a step", "s", traces), "metric": "time/rollout"} if traces else None


def processes(run: RunData) -> Figure | None:
    """Slowest and fastest process, where there are several."""
    if max(run.series("distributed/world_size")[1], default=1) < 2:
        return None
    names = [f"time/{phase}{end}" for phase in ("rollout", "training") for end in ("_max", "_min")]
    return _lines(
        run,
        "Slowest and fastest process",
        "s per step",
        names,
        "time/rollout",
        ["rollout, slowest", "rollout, fastest", "training, slowest", "training, fastest"],
    )


def memory(run: RunData) -> Figure | None:
    """Peak memory."""
    return _lines(run, "Peak memory", "GiB", ["memory/peak_gib"], "memory/peak_gib", ["fullest process"])


DRAWN: dict[str, Callable[[RunData], Figure | None]] = {
    draw.__name__: draw
    for draw in (
        accuracy,
        reward,
        reward_parts,
        lengths,
        spread,
        distance,
        letters_found,
        letter_margin,
        letter_counts,
        letter_confusion,
        entropy,
        loss,
        pass_at_k,
        advantages,
        reward_surface,
        gradient_flow,
        loss_path,
        loss_slice,
        dynamics,
        attention_entropy,
        attention_map,
        attention_cloud,
        embedding,
        seconds,
        processes,
        memory,
    )
}
