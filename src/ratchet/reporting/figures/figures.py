"""Interactive figures from a run's record, as Plotly's own JSON: {data, layout}. None is drawn without its data.

A new figure is a function from ``RunData`` to a ``Figure`` or None in the file of its subject, and an entry in
``DRAWN``.
"""

from collections.abc import Callable, Sequence

from ratchet.record import catalogue
from ratchet.record.run_data import RunData
from ratchet.reporting.figures import attention, choices, learning, machine, three_d
from ratchet.reporting.figures.plotly import Figure, colour_of, flat, line

# In the order of a page.
DRAWN: dict[str, Callable[[RunData], Figure | None]] = {
    draw.__name__: draw
    for draw in (
        learning.accuracy,
        learning.reward,
        learning.reward_parts,
        learning.lengths,
        learning.spread,
        learning.distance,
        learning.teacher,
        choices.letters_found,
        choices.letter_margin,
        choices.letter_counts,
        choices.letter_confusion,
        learning.entropy,
        learning.loss,
        learning.pass_at_k,
        learning.advantages,
        three_d.reward_surface,
        three_d.gradient_flow,
        three_d.loss_path,
        three_d.loss_slice,
        three_d.dynamics,
        attention.attention_entropy,
        attention.attention_map,
        three_d.attention_cloud,
        three_d.embedding,
        machine.seconds,
        machine.processes,
        machine.memory,
    )
}
COMPARED = (
    "eval/accuracy",
    "rl/mean_reward",
    "rl/avg_completion_len",
    "policy/loss",
    "rl/kl_sequence_mean",
    "policy/entropy",
    "time/step",
    "time/tokens_per_second",
)


def figures(run: RunData) -> dict[str, Figure]:
    """Every figure that the run's record allows, by name, in the order of a page."""
    drawn = {name: draw(run) for name, draw in DRAWN.items()}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def comparison(runs: Sequence[RunData]) -> dict[str, Figure]:
    """One figure for each of the main curves, with a line per run."""
    drawn = {}
    for name in COMPARED:
        traces = []
        for i, run in enumerate(runs):
            steps, values = run.series(name)
            if steps:
                traces.append(line(steps, values, run.name, colour_of(i)))
        if traces:
            metric = catalogue.find(name)
            drawn[name] = flat(metric.title, metric.unit, traces, name)
    return drawn
