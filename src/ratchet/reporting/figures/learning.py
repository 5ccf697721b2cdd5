"""What the model learns: accuracy, rewards, lengths, advantages, entropy, distance, loss."""

from collections.abc import Sequence
from typing import Any

from ratchet.record.run_data import RunData
from ratchet.reporting.figures.plotly import (
    AMBER,
    BLUE,
    GREY,
    SCALE,
    Figure,
    between,
    colour_of,
    flat,
    line,
    short,
)
from ratchet.reporting.figures.series import column, lines
from ratchet.reporting.figures.three_d import densities


def accuracy(run: RunData) -> Figure | None:
    """Held-out accuracy with its interval, sampled accuracy, and the commonest answer's score."""
    traces = []
    steps, values = run.series("eval/accuracy")
    if steps:
        low, high = column(run, "eval/accuracy_low"), column(run, "eval/accuracy_high")
        ends = [(low.get(step, value), high.get(step, value)) for step, value in zip(steps, values, strict=True)]
        error = _interval(values, ends)
        title = "held-out, greedy, 95 % interval"
        traces.append(line(steps, values, title, BLUE, error_y=error, mode="lines+markers"))
    for i, name in enumerate((run.evaluations[-1].get("tasks") or {}) if run.evaluations else ()):
        title, of_task = f"held-out, {name}", run.series(f"eval/accuracy/{name}")
        traces.append(line(*of_task, title, colour_of(i + 2), mode="lines+markers"))
    sampled, shares = run.series("rl/acc")
    if sampled:
        traces.append(line(sampled, shares, "training, sampled", AMBER))
    majority = run.series("eval/majority")[1]
    if traces and majority:
        last = max([*steps, *sampled, 1])
        level = line([0, last], [majority[-1]] * 2, "always the commonest answer", GREY)
        traces.append({**level, "mode": "lines", "line": {"color": GREY, "dash": "dash"}})
    return {**flat("Accuracy", "share right", traces), "metric": "eval/accuracy"} if traces else None


def _interval(values: Sequence[float], ends: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Error bars from intervals; Wilson's are not symmetric."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value for value, (_, high) in zip(values, ends, strict=True)],
        "arrayminus": [value - low for value, (low, _) in zip(values, ends, strict=True)],
    }


def pass_at_k(run: RunData) -> Figure | None:
    """pass@k of every evaluation that sampled, with intervals over rows."""
    traces = []
    sampled = [entry for entry in run.evaluations if entry.get("pass_at_k")]
    for i, entry in enumerate(sampled):
        shares = dict(sorted((int(k), share) for k, share in entry["pass_at_k"].items()))
        values = [share["accuracy"] for share in shares.values()]
        error = _interval(values, [(share["low"], share["high"]) for share in shares.values()])
        traces.append(line([*shares], values, f"step {entry['step']}", colour_of(i), error_y=error))
    if not traces:
        return None
    drawn = flat("pass@k on held-out rows", "share", traces, None, "k")
    drawn["layout"]["xaxis"]["type"] = "log"
    drawn["layout"]["xaxis"]["tickvals"] = sorted({k for trace in traces for k in trace["x"]})
    return {**drawn, "metric": "eval/pass@1"}


def reward(run: RunData) -> Figure | None:
    """Mean reward of rollouts between the lowest and the highest."""
    drawn = lines(run, "Reward", "reward", ["rollout/mean_reward"], "rollout/mean_reward", ["mean"])
    steps, low = run.series("rollout/min_reward")
    if drawn and steps:
        drawn["data"].insert(0, between(steps, low, run.series("rollout/max_reward")[1], BLUE, "lowest to highest"))
    return drawn


def reward_parts(run: RunData) -> Figure | None:
    """Mean of each reward function, where there are several."""
    names = [name for name in run.names("rewards/") if name.endswith("/mean")]
    if len(names) < 2:
        return None
    return lines(run, "Each reward", "reward", names, None, [name.split("/")[1] for name in names])


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


def spread(run: RunData) -> Figure | None:
    """How many groups teach nothing."""
    name = "advantages/frac_zero_spread"
    return lines(run, "Groups whose rewards are all equal", "share", [name], name, ["without spread"])


def distance(run: RunData) -> Figure | None:
    """KL of the policy from the initial model, by token and by choice."""
    names = ["rl/kl_sequence_mean", "rl/kl_letter_mean"]
    labels = ["per token", "of the letter"]
    return lines(run, "Distance from the initial model", "nats", names, names[0], labels)


def teacher(run: RunData) -> Figure | None:
    """How far the student is from its teacher, in all and by quarters of a completion, or over the vocabulary."""
    names = ["distill/kl", *(f"distill/kl_quarter_{i}" for i in range(1, 5))]
    labels = ["all tokens", "first quarter", "second", "third", "last"]
    forms = {
        "distill/reverse_kl": "reverse KL",
        "distill/forward_kl": "forward KL",
        "distill/jsd": "JSD",
        "distill/top_k": "top k",
    }
    names, labels = [*names, *forms], [*labels, *forms.values()]
    return lines(run, "Distance from the teacher", "nats per token", names, "distill/kl", labels)


def entropy(run: RunData) -> Figure | None:
    """Entropy of the policy."""
    title, unit = "Entropy of the policy", "nats per token"
    drawn = lines(run, title, unit, ["policy/entropy"], "policy/entropy", ["entropy"])
    return drawn or lines(run, title, unit, ["entropy"])


def lengths(run: RunData) -> Figure | None:
    """Length of completions."""
    names = ["completions/max_length", "rl/avg_completion_len", "completions/min_length"]
    labels = ["longest", "mean", "shortest"]
    return lines(run, "Length of completions", "tokens", names, "rl/avg_completion_len", labels)


def loss(run: RunData) -> Figure | None:
    """Loss over time."""
    return lines(run, "Loss", "", ["loss", "eval_loss"], "policy/loss", ["training", "held-out"])
