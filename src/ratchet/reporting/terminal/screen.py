"""A look at a run, drawn with rich."""

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ratchet.files import size_text
from ratchet.reporting.terminal.figures import View, line
from ratchet.runtime import duration

BLOCKS = "▁▂▃▄▅▆▇█"
FIGURES = (
    ("reward", "reward", "{:.3f}"),
    ("rl/acc", "accuracy of samples", "{:.3f}"),
    ("completions/mean_length", "tokens per sample", "{:.1f}"),
    ("completions/clipped_ratio", "cut off", "{:.1%}"),
    ("loss", "loss", "{:.4f}"),
    ("mean_token_accuracy", "token accuracy", "{:.3f}"),
    ("kl", "kl", "{:.4f}"),
    ("grad_norm", "gradient norm", "{:.3f}"),
    ("learning_rate", "learning rate", "{:.2g}"),
    ("time/tokens_per_second", "tokens per second", "{:.0f}"),
    ("lean/computed_share", "computed of TRL's tokens", "{:.0%}"),
    ("memory/peak_gib", "peak memory, GiB", "{:.2f}"),
)


def page(view: View) -> RenderableType:
    """Everything, from the most to the least important."""
    return Group(Panel(Group(*_head(view)), title=view.run.name), _figures(view), _machine(view), *_rest(view))


def _head(view: View) -> list[RenderableType]:
    of = f" of {view.steps}" if view.steps else ""
    left = f", {duration(view.left)} left" if view.left is not None else ""
    lines = [Text(f"{view.status}: step {view.step}{of}{left}", style="bold")]
    if view.silent is not None and view.silent > 120:
        lines.append(Text(f"nothing was logged for {duration(view.silent)}", style="yellow"))
    lines += _held_out(view)
    if view.run.log:
        last = next((entry for entry in reversed(view.run.log) if "loss" in entry), view.run.log[-1])
        lines.append(Text(line(last), style="dim"))
    return lines


def _held_out(view: View) -> list[RenderableType]:
    """The newest accuracy on held-out rows, with its interval."""
    steps, values = view.run.series("eval/accuracy")
    if not values:
        return []
    low, high = (view.run.series(f"eval/accuracy_{end}")[1] for end in ("low", "high"))
    interval = f" [{low[-1]:.3f}, {high[-1]:.3f}]" if low and high else ""
    return [Text(f"held-out accuracy {values[-1]:.3f}{interval} at step {steps[-1]}")]


def _figures(view: View) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("mean of the last steps", "", "over the run"):
        table.add_column(title, justify="right" if not title else "left")
    for name, title, form in FIGURES:
        if name in view.figures:
            table.add_row(title, form.format(view.figures[name]), spark(view.run.series(name)[1]))
    return table


def spark(values: list[float], width: int = 40) -> str:
    """A curve in one line of text.

    >>> spark([0, 1, 2, 3]), spark([]), spark([2, 2])
    ('▁▃▆█', '', '▁▁')
    """
    if not values:
        return ""
    size = max(1, -(-len(values) // width))
    parts = [values[i : i + size] for i in range(0, len(values), size)]
    means = [sum(part) / len(part) for part in parts]
    low, high = min(means), max(means)
    if not high > low:  # so that NaN counts as flat
        return BLOCKS[0] * len(means)
    return "".join(BLOCKS[round((mean - low) / (high - low) * (len(BLOCKS) - 1))] for mean in means)


def _machine(view: View) -> RenderableType:
    lines = []
    if view.phases:
        total = sum(view.phases.values()) or 1.0
        shares = [f"{name} {value:.2f} ({value / total:.0%})" for name, value in view.phases.items() if value]
        lines.append(f"seconds of a step: {', '.join(shares)}")
    lines += view.memory
    full = view.disk.full_in()
    at_this_rate = f", full in {duration(full)} at this rate" if full is not None else ""
    lines.append(f"disk: {size_text(view.disk.free)} free{at_this_rate}")
    return Panel(Text("\n".join(lines)), title="machine")


def _rest(view: View) -> list[RenderableType]:
    found: list[RenderableType] = []
    if view.alarms:
        found.append(Panel(Text("\n".join(view.alarms), style="yellow"), title="last alarms"))
    if view.tail:
        found.append(Panel(Text("\n".join(view.tail), overflow="ellipsis", no_wrap=True), title=str(view.log)))
    return found
