"""The report as one HTML file that needs nothing else: no network, no server, any screen, light or dark."""

import base64
import gzip
import json
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

from ratchet.record import catalogue
from ratchet.record.run_data import RunData
from ratchet.reporting.figures.figures import comparison, figures
from ratchet.reporting.figures.plotly import AMBER, BLUE, COLOURS, Figure
from ratchet.reporting.page.facts import Facts, gather

HERE = Path(__file__).parent
ROWS = 400  # completions kept of each evaluation, and of training; a page stays small
LONGEST = 4_000  # characters of a completion that are shown
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"  # nothing is loaded from anywhere


def page(run: RunData) -> str:
    """The whole page about one run."""
    facts = gather(run)
    drawn, completions = figures(run), _completions(run)
    sections = [
        ("result", "Result", _result(run, facts)),
        ("alarms", "Alarms", _alarms(facts)),
        ("curves", "Curves", _grid(drawn)),
        ("completions", "Completions", _browser(completions)),
        ("audit", "Audit of the reward", _audit(facts)),
        ("time", "Time and cost", _time(facts)),
        ("run", "What was run", _about(run, facts)),
        (
            "next",
            "What to type next",
            "".join(f"<p>{escape(what)}</p><pre>{escape(words)}</pre>" for what, words in facts.commands),
        ),
    ]
    return _document(
        run.name, facts.verdict, run.missing, [section for section in sections if section[2]], drawn, completions
    )


def comparison_page(runs: Sequence[RunData]) -> str:
    """Several runs side by side."""
    drawn = comparison(runs)
    head = "<tr><th>run<th>status<th class=n>step<th>result</tr>"
    rows = "".join(
        f"<tr><td>{escape(run.name)}<td>{run.status}<td class=n>{run.step}<td>{escape(gather(run).verdict)}</tr>"
        for run in runs
    )
    missing = [f"{run.name}: {sentence}" for run in runs for sentence in run.missing]
    sections = [
        ("result", "Result", f"<div class=scroll><table>{head}{rows}</table></div>"),
        ("curves", "Curves", _grid(drawn)),
        ("differences", "What differs between the recipes", _differences(runs)),
    ]
    return _document(
        ", ".join(run.name for run in runs),
        f"{len(runs)} runs compared.",
        missing,
        [s for s in sections if s[2]],
        drawn,
        None,
    )


def _document(
    title: str,
    verdict: str,
    missing: Sequence[str],
    sections: Sequence[tuple[str, str, str]],
    drawn: dict[str, Figure],
    completions: Any,
) -> str:
    nav = "".join(f'<a href="#{key}">{heading}</a>' for key, heading, _ in sections)
    body = "".join(f'<section id="{key}"><h2>{heading}</h2>{content}</section>' for key, heading, content in sections)
    gaps = "".join(f"<li>{escape(text)}</li>" for text in missing)
    gaps = f"<div class=missing><p>Not everything is here:</p><ul>{gaps}</ul></div>" if missing else ""
    data = {name: {"data": figure["data"], "layout": figure["layout"]} for name, figure in drawn.items()}
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{_part('page.css')}</style></head><body>"
        f"<h1>{escape(title)}</h1><p class=verdict>{escape(verdict)}</p><nav>{nav}</nav>"
        "<noscript><p class=missing>Figures and completions need JavaScript; tables and text are complete.</p></noscript>"
        f"<p id=message class=missing hidden></p>{gaps}{body}"
        + (
            f'<script type="application/json" id="completions-data">{_json(completions)}</script>'
            if completions
            else ""
        )
        + (
            f'<script type="application/json" id="figures-data">{_json(data)}</script><script type="text/plain" id="plotly">{_plotly()}</script>'
            if data
            else ""
        )
        + f"<script>{_part('page.js')}</script></body></html>"
    )


def _part(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _plotly() -> str:
    """Plotly's own script, as the Python package ships it, packed."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode()


def _json(value: Any) -> str:
    """JSON that can stand in a page: no text in it can end the script element."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int]) -> str:
    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(f"<{tag}{' class=n' if i in numbers else ''}>{escape(cell)}" for i, cell in enumerate(row))

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f"<div class=scroll><table><tr>{cells(head, 'th')}</tr>{body}</table></div>"


def _result(run: RunData, facts: Facts) -> str:
    if not facts.results:
        return "<p class=dim>Nothing was evaluated.</p>"
    return _intervals(facts) + _table(("", "share", "95 % interval", "n"), facts.results, (1, 3))


def _intervals(facts: Facts) -> str:
    """A drawing of the accuracies with their intervals, that needs no script."""
    shown = [row for row in facts.results if row[0].startswith(("accuracy", "always"))]
    lines = []
    for i, (title, value, interval, _) in enumerate(shown):
        y, colour = 26 * i + 22, AMBER if title.startswith("always") else BLUE
        if interval:
            low, high = (10 + 620 * float(end) for end in interval.split(" to "))
            lines.append(
                f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}" style="stroke:{colour};stroke-width:6;opacity:.45"/>'
            )
        at, anchor = (10, "start") if float(value) > 0.5 else (630, "end")
        lines.append(f'<circle cx="{10 + 620 * float(value):.1f}" cy="{y}" r="5" fill="{colour}"/>')
        lines.append(f'<text x="{at}" y="{y + 4}" text-anchor="{anchor}">{escape(title)}: {value}</text>')
    height = 26 * len(shown) + 24
    axis = f'<line x1="10" x2="630" y1="{height - 18}" y2="{height - 18}"/>' + "".join(
        f'<text x="{10 + 620 * t:.0f}" y="{height - 4}" text-anchor="middle">{t:g}</text>'
        for t in (0, 0.25, 0.5, 0.75, 1)
    )
    return f'<svg class=interval viewBox="-8 0 656 {height}" role="img" aria-label="accuracies with their intervals">{"".join(lines)}{axis}</svg>'


def _alarms(facts: Facts) -> str:
    if not facts.alarms:
        return "<p class=dim>None was raised.</p>"
    return "".join(f"<div class=alarm>{escape(text)}</div>" for text in facts.alarms)


def _grid(drawn: dict[str, Figure]) -> str:
    if not drawn:
        return "<p class=dim>There is nothing to draw yet.</p>"
    cards = []
    for name, figure in drawn.items():
        solid, title = "scene" in figure["layout"], escape(figure["layout"]["title"]["text"])
        turn, kind = ("<button class=turn>turn</button>", "fig d3") if solid else ("", "fig")
        cards.append(
            f'<div class=card>{turn}<h3>{title}</h3><div class="{kind}" data-name="{escape(name)}"></div>{_reading(figure.get("metric"))}</div>'
        )
    return f"<div class=grid>{''.join(cards)}</div>"


def _reading(name: str | None) -> str:
    metric = catalogue.find(name) if name else None
    if metric is None:
        return ""
    lines = "".join(f"<p><b>{heading}:</b> {escape(text)}.</p>" for heading, text in metric.reading())
    return f"<details><summary>how to read it</summary><p><code>{escape(metric.name)}</code>: {escape(metric.formula)}.</p>{lines}</details>"


def _completions(run: RunData) -> list[dict[str, Any]] | None:
    """Completions to browse: of the first and the newest evaluation, and samples of training."""
    found = []
    chosen = {run.evaluations[i]["step"]: run.evaluations[i] for i in (0, -1)} if run.evaluations else {}
    for step, entry in chosen.items():
        for a in entry.get("answered", [])[:ROWS]:
            found.append(
                {
                    **_shown(a),
                    "source": f"evaluation at step {step}",
                    "step": step,
                    "tokens": a.get("tokens"),
                    "truncated": a.get("truncated"),
                }
            )
    for sample in run.samples[-ROWS:]:
        earned = {key: sample.get(key) for key in ("reward", "rewards", "advantage")}
        found.append({**_shown(sample), **earned, "source": "training", "step": sample["step"]})
    return found or None


def _shown(entry: dict[str, Any]) -> dict[str, Any]:
    text = entry["completion"][:LONGEST]
    span = entry.get("span")
    if span is None and entry.get(
        "answer"
    ):  # a task that does not say where: the last place where the answer stands as it is
        at = text.rfind(entry["answer"])
        span = [at, at + len(entry["answer"])] if at >= 0 else None
    if span and (len(span) != 2 or span[1] > len(text)):
        span = None
    kept = {key: entry.get(key) for key in ("id", "prompt", "gold", "answer", "correct", "components")}
    return {**kept, "completion": text + (" [...]" if len(entry["completion"]) > LONGEST else ""), "span": span}


def _browser(found: list[dict[str, Any]] | None) -> str:
    if not found:
        return ""
    sources = list(dict.fromkeys(entry["source"] for entry in found))
    newest = max(
        (source for source in sources if source != "training"),
        key=lambda source: int(source.rsplit(" ", 1)[1]),
        default=sources[0],
    )
    options = "".join(
        f"<option{' selected' if source == newest else ''}>{escape(source)}</option>" for source in sources
    )
    return (
        f"<div class=controls><label>from <select id=source>{options}</select></label>"
        "<label>show <select id=which><option value=all>all</option><option value=right>right</option><option value=wrong>wrong</option></select></label>"
        "<label>order <select id=order><option value=given>as given</option><option value=reward>highest reward</option><option value=low>lowest reward</option>"
        "<option value=length>longest</option></select></label><label>with <input id=words placeholder=text size=12></label><span id=count class=dim></span></div>"
        "<p class=dim>What the grader read as the answer is marked.</p><div id=rows></div><button id=more hidden>more</button>"
    )


def _audit(facts: Facts) -> str:
    if not facts.audit_head:
        return ""
    table = _table(("policy", "kind", "mean reward", "graded correct"), facts.audit, (2, 3)) if facts.audit else ""
    return f"<p>{escape(facts.audit_head)}</p>{table}<ul>{''.join(f'<li>{escape(text)}</li>' for text in facts.audit_findings)}</ul>"


def _time(facts: Facts) -> str:
    bar = "".join(
        f'<span style="width:{share:.2%};background:{COLOURS[i % len(COLOURS)]}"></span>'
        for i, (_, _, share) in enumerate(facts.seconds)
    )
    rows = "".join(
        f'<tr><td><span class=key style="background:{COLOURS[i % len(COLOURS)]}"></span>{escape(phase)}<td class=n>{value:,.1f} s<td class=n>{share:.1%}</tr>'
        for i, (phase, value, share) in enumerate(facts.seconds)
    )
    return (f"<div class=bar>{bar}</div><div class=scroll><table>{rows}</table></div>" if rows else "") + _table(
        ("", ""), facts.totals, (1,)
    )


def _about(run: RunData, facts: Facts) -> str:
    rows = "".join(f"<tr><td>{escape(title)}<td>{escape(value)}</tr>" for title, value in facts.about)
    recipe = (
        f"<details open><summary>the resolved recipe</summary><pre>{escape(run.recipe_text)}</pre></details>"
        if run.recipe_text
        else ""
    )
    return f"<div class='scroll about'><table>{rows}</table></div>{recipe}"


def _differences(runs: Sequence[RunData]) -> str:
    def told(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, default=str)

    keys = sorted({key for run in runs for key in run.recipe}, key=str)
    rows = [
        (str(key), *(told(run.recipe.get(key)) for run in runs))
        for key in keys
        if len({told(run.recipe.get(key)) for run in runs}) > 1
    ]
    return _table(("key", *(run.name for run in runs)), rows, ()) if rows else "<p class=dim>Nothing.</p>"
