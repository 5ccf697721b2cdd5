"""The report as Markdown: the same words and tables, for a terminal, a pull request, or a model card."""

from collections.abc import Sequence

from ratchet.record.run_data import RunData
from ratchet.reporting.page.facts import Facts, gather

CURVES = (
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


def twin(run: RunData) -> str:
    """Everything that the page says in words and tables."""
    facts = gather(run)
    parts = [f"# {run.name}", facts.verdict]
    if run.missing:
        parts.append("Not everything is here:\n\n" + _list(run.missing))
    results = _table(("", "share", "95 % interval", "n"), facts.results)
    parts += ["## Result", results if facts.results else "Nothing was evaluated."]
    parts += ["## Alarms", _list(facts.alarms) or "None was raised."]
    if run.log:
        parts += ["## Curves", _curves(run)]
    parts += _audit(facts)
    parts += _time(facts)
    parts += ["## What was run", _table(("", ""), facts.about)]
    if run.recipe_text:
        parts.append(f"```yaml\n{run.recipe_text.rstrip()}\n```")
    if facts.commands:
        parts += ["## What to type next", *(f"{what}:\n\n    {words}" for what, words in facts.commands)]
    return "\n\n".join(parts) + "\n"


def _audit(facts: Facts) -> list[str]:
    if not facts.audit_head:
        return []
    parts = ["## Audit of the reward", facts.audit_head]
    if facts.audit:
        parts.append(_table(("policy", "kind", "mean reward", "graded correct"), facts.audit))
    if facts.audit_findings:
        parts.append(_list(facts.audit_findings))
    return parts


def _time(facts: Facts) -> list[str]:
    parts = ["## Time and cost"]
    if facts.seconds:
        rows = [(phase, f"{seconds:,.1f}", f"{share:.1%}") for phase, seconds, share in facts.seconds]
        parts.append(_table(("phase", "seconds", "share"), rows))
    return [*parts, _table(("", ""), facts.totals)]


def _list(texts: Sequence[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    # A bar would end the cell, a line break the row.
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [list(head), ["---"] * len(head), *cells])


def _curves(run: RunData) -> str:
    """First, last, lowest and highest of the main figures."""
    rows = []
    for name in CURVES:
        steps, values = run.series(name)
        if values:
            first, last = f"{values[0]:.4g} (step {steps[0]})", f"{values[-1]:.4g} (step {steps[-1]})"
            rows.append((f"`{name}`", first, last, f"{min(values):.4g}", f"{max(values):.4g}"))
    return _table(("figure", "first", "last", "lowest", "highest"), rows)
