"""Completions to browse: the data that stands in the page, and the controls; ``page.js`` lists them."""

from html import escape
from typing import Any

from ratchet.record.run_data import RunData

ROWS = 400  # completions kept of each evaluation, and of training; a page stays small
LONGEST = 4_000  # characters of a completion that are shown
KEPT = ("id", "prompt", "gold", "answer", "correct", "components")


def completions(run: RunData) -> list[dict[str, Any]] | None:
    """Those of the first and the newest evaluation, and samples of training; None where there are none."""
    ends = {entry["step"]: entry for entry in (*run.evaluations[:1], *run.evaluations[-1:])}
    entries = []
    for step, evaluation in ends.items():
        source = f"evaluation at step {step}"
        for answered in evaluation.get("answered", [])[:ROWS]:
            spent = {"tokens": answered.get("tokens"), "truncated": answered.get("truncated")}
            entries.append({**_shown(answered), "source": source, "step": step, **spent})
    for sample in run.samples[-ROWS:]:
        earned = {key: sample.get(key) for key in ("reward", "rewards", "advantage")}
        entries.append({**_shown(sample), **earned, "source": "training", "step": sample["step"]})
    return entries or None


def _shown(entry: dict[str, Any]) -> dict[str, Any]:
    text = entry["completion"]
    cut = " [...]" if len(text) > LONGEST else ""
    kept = {key: entry.get(key) for key in KEPT}
    return {**kept, "completion": text[:LONGEST] + cut, "span": _span(entry, text[:LONGEST])}


def _span(entry: dict[str, Any], text: str) -> list[int] | None:
    """Where the grader read the answer; for a task that does not say, the last place where the answer stands."""
    span = entry.get("span")
    if span is None and entry.get("answer"):
        at = text.rfind(entry["answer"])
        span = [at, at + len(entry["answer"])] if at >= 0 else None
    # A file may hold anything; a mark beyond the text would mark something else.
    return span if span and len(span) == 2 and span[1] <= len(text) else None


def browser(entries: list[dict[str, Any]] | None) -> str:
    """Controls and an empty list, which the page's script fills."""
    if not entries:
        return ""
    sources = list(dict.fromkeys(entry["source"] for entry in entries))
    evaluations = [source for source in sources if source != "training"]
    newest = max(evaluations, key=lambda source: int(source.rsplit(" ", 1)[1]), default=sources[0])
    options = "".join(_option(source, source == newest) for source in sources)
    if len(evaluations) > 1:
        options += "<option value=both>before and after, side by side</option>"
    return (
        f"<div class=controls><label>from <select id=source>{options}</select></label>"
        "<label>show <select id=which><option value=all>all</option><option value=right>right</option>"
        "<option value=wrong>wrong</option><option value=gained>became right</option>"
        "<option value=lost>became wrong</option></select></label>"
        "<label>order <select id=order><option value=given>as given</option>"
        "<option value=reward>highest reward</option><option value=low>lowest reward</option>"
        "<option value=length>longest</option></select></label>"
        "<label>with <input id=words placeholder=text size=12></label><span id=count class=dim></span></div>"
        "<p class=dim>What the grader read as the answer is marked.</p><div id=rows></div>"
        "<button id=more hidden>more</button>"
    )


def _option(source: str, selected: bool) -> str:
    return f"<option{' selected' if selected else ''}>{escape(source)}</option>"
