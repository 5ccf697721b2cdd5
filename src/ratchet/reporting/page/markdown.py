"""The report as Markdown: the same words and tables, for a terminal, a pull request, or a model card."""

from collections.abc import Sequence

from ratchet.record.run_data import RunData
from ratchet.reporting.page.facts import gather


def twin(run: RunData) -> str:
    """Everything that the page says in words and tables."""
    facts = gather(run)
    parts = [f"# {run.name}", facts.verdict]
    if run.missing:
        parts.append("Not everything is here:\n\n" + "\n".join(f"- {text}" for text in run.missing))
    parts += [
        "## Result",
        _table(("", "share", "95 % interval", "n"), facts.results) if facts.results else "Nothing was evaluated.",
    ]
    parts += ["## Alarms", "\n".join(f"- {text}" for text in facts.alarms) or "None was raised."]
    if run.log:
        parts += ["## Curves", _curves(run)]
    if facts.audit_head:
        parts += ["## Audit of the reward", facts.audit_head]
        parts += [_table(("policy", "kind", "mean reward", "graded correct"), facts.audit)] if facts.audit else []
        parts += ["\n".join(f"- {text}" for text in facts.audit_findings)] if facts.audit_findings else []
    parts += ["## Time and cost"]
    if facts.seconds:
        parts.append(
            _table(
                ("phase", "seconds", "share"),
                [(phase, f"{value:,.1f}", f"{share:.1%}") for phase, value, share in facts.seconds],
            )
        )
    parts.append(_table(("", ""), facts.totals))
    parts += ["## What was run", _table(("", ""), facts.about)]
    if run.recipe_text:
        parts.append(f"```yaml\n{run.recipe_text.rstrip()}\n```")
    if facts.commands:
        parts += ["## What to type next", "\n\n".join(f"{what}:\n\n    {words}" for what, words in facts.commands)]
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [list(head), ["---"] * len(head), *cells])


def _curves(run: RunData) -> str:
    """First, last, lowest and highest of the main figures."""
    names = (
        "eval/accuracy",
        "rl/acc",
        "rl/mean_reward",
        "rl/avg_completion_len",
        "rl/kl_sequence_mean",
        "rl/kl_letter_mean",
        "rl/letter_margin_mean",
        "policy/entropy",
        "loss",
    )
    rows = []
    for name in names:
        steps, values = run.series(name)
        if values:
            rows.append(
                (
                    f"`{name}`",
                    f"{values[0]:.4g} (step {steps[0]})",
                    f"{values[-1]:.4g} (step {steps[-1]})",
                    f"{min(values):.4g}",
                    f"{max(values):.4g}",
                )
            )
    return _table(("figure", "first", "last", "lowest", "highest"), rows)
