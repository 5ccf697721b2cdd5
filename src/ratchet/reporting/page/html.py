"""The report as one HTML file that needs nothing else: no network, no server, any screen, light or dark.

Everything from a run (texts of a model, names, commands) is escaped where it is put into the page.
"""

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
from ratchet.reporting.figures.plotly import Figure, colour_of
from ratchet.reporting.page.completions import browser, completions
from ratchet.reporting.page.facts import Facts, gather

HERE = Path(__file__).parent
# Nothing is loaded from anywhere: should a text get past the escaping, it still could send nothing away.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
BESIDE_LEFT = 0.7  # a share above which its value stands left of its dot
Section = tuple[str, str, str]  # anchor, heading, content; one without content is left out


def page(run: RunData) -> str:
    """The whole page about one run."""
    facts = gather(run)
    drawn, listed = figures(run), completions(run)
    sections = [
        ("result", "Result", _result(facts)),
        ("alarms", "Alarms", _alarms(facts)),
        ("curves", "Curves", _grid(drawn)),
        ("completions", "Completions", browser(listed)),
        ("audit", "Audit of the reward", _audit(facts)),
        ("time", "Time and cost", _time(facts)),
        ("run", "What was run", _about(run, facts)),
        ("next", "What to type next", _commands(facts)),
    ]
    return _document(run.name, facts.verdict, run.missing, sections, drawn, listed)


def comparison_page(runs: Sequence[RunData]) -> str:
    """Several runs side by side."""
    drawn = comparison(runs)
    missing = [f"{run.name}: {sentence}" for run in runs for sentence in run.missing]
    sections = [
        ("result", "Result", _verdicts(runs)),
        ("curves", "Curves", _grid(drawn)),
        ("differences", "What differs between the recipes", _differences(runs)),
    ]
    title = ", ".join(run.name for run in runs)
    return _document(title, f"{len(runs)} runs compared.", missing, sections, drawn, None)


def _document(
    title: str,
    verdict: str,
    missing: Sequence[str],
    sections: Sequence[Section],
    drawn: dict[str, Figure],
    listed: list[dict[str, Any]] | None,
) -> str:
    sections = [section for section in sections if section[2]]
    nav = "".join(f'<a href="#{key}">{heading}</a>' for key, heading, _ in sections)
    body = "".join(f'<section id="{key}"><h2>{heading}</h2>{content}</section>' for key, heading, content in sections)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{_part('page.css')}</style></head><body>"
        f"<h1>{escape(title)}</h1><p class=verdict>{escape(verdict)}</p><nav>{nav}</nav>"
        "<noscript><p class=missing>Figures and completions need JavaScript; tables and text are complete.</p>"
        "</noscript>"
        f"<p id=message class=missing hidden></p>{_gaps(missing)}{body}{_completions_data(listed)}"
        f"{_figures_data(drawn)}<script>{_part('page.js')}</script></body></html>"
    )


def _gaps(missing: Sequence[str]) -> str:
    if not missing:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in missing)
    return f"<div class=missing><p>Not everything is here:</p><ul>{items}</ul></div>"


def _completions_data(listed: list[dict[str, Any]] | None) -> str:
    if not listed:
        return ""
    return f'<script type="application/json" id="completions-data">{_json(listed)}</script>'


def _figures_data(drawn: dict[str, Figure]) -> str:
    if not drawn:
        return ""
    data = {name: {"data": figure["data"], "layout": figure["layout"]} for name, figure in drawn.items()}
    return (
        f'<script type="application/json" id="figures-data">{_json(data)}</script>'
        f'<script type="text/plain" id="plotly">{_plotly()}</script>'
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
    """A table of text; ``numbers`` are the columns that are set right-aligned."""

    def cell(tag: str, column: int, text: str) -> str:
        opening = f"<{tag} class=n>" if column in numbers else f"<{tag}>"
        return f"{opening}{escape(text)}"

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(cell(tag, column, text) for column, text in enumerate(row))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<div class=scroll><table><tr>{cells('th', head)}</tr>{body}</table></div>"


def _verdicts(runs: Sequence[RunData]) -> str:
    head = "<tr><th>run<th>status<th class=n>step<th>result</tr>"
    rows = "".join(
        f"<tr><td>{escape(run.name)}<td>{run.status}<td class=n>{run.step}<td>{escape(gather(run).verdict)}</tr>"
        for run in runs
    )
    return f"<div class=scroll><table>{head}{rows}</table></div>"


def _result(facts: Facts) -> str:
    if not facts.results:
        return "<p class=dim>Nothing was evaluated.</p>"
    return _intervals(facts) + _table(("", "share", "95 % interval", "n"), facts.results, (1, 3))


def _intervals(facts: Facts) -> str:
    """A drawing of the accuracies with their intervals, that needs no script and fits a phone."""
    shown = [row for row in facts.results if row[0].startswith(("accuracy", "always"))]
    bars = "".join(_interval(title, float(value), ends) for title, value, ends, _ in shown)
    ticks = "".join(f'<i style="left:{share:.0%}">{share:g}</i>' for share in (0, 0.25, 0.5, 0.75, 1))
    drawing = f"{bars}<p class=ticks>{ticks}</p>"
    return f'<div class=shares role=img aria-label="accuracies with their intervals">{drawing}</div>'


def _interval(title: str, value: float, ends: str) -> str:
    """A line of the drawing: its label, the interval, and the value beside its dot, on the side that has room."""
    kind, side = "base" if title.startswith("always") else "own", "left" if value > BESIDE_LEFT else "right"
    bar, low, high = "", value, value
    if ends:
        low, high = (float(end) for end in ends.split(" to "))
        bar = f'<i class=range style="left:{low:.2%};width:{high - low:.2%}"></i>'
    place = f"right:{1 - low:.2%}" if side == "left" else f"left:{high:.2%}"
    return (
        f'<p class="share {kind}"><span>{escape(title)}</span><span class=track>{bar}'
        f'<i class=dot style="left:{value:.2%}"></i><b style="{place}">{value:.3f}</b></span></p>'
    )


def _alarms(facts: Facts) -> str:
    if not facts.alarms:
        return "<p class=dim>None was raised.</p>"
    return "".join(f"<div class=alarm>{escape(text)}</div>" for text in facts.alarms)


def _grid(drawn: dict[str, Figure]) -> str:
    if not drawn:
        return "<p class=dim>There is nothing to draw yet.</p>"
    return f"<div class=grid>{''.join(_card(name, figure) for name, figure in drawn.items())}</div>"


def _card(name: str, figure: Figure) -> str:
    title = escape(figure["layout"]["title"]["text"])
    turn, kind = ("<button class=turn>turn</button>", "fig d3") if "scene" in figure["layout"] else ("", "fig")
    return (
        f'<div class=card>{turn}<h3>{title}</h3><div class="{kind}" data-name="{escape(name)}"></div>'
        f"{_reading(figure.get('metric'))}</div>"
    )


def _reading(name: str | None) -> str:
    metric = catalogue.find(name) if name else None
    if metric is None:
        return ""
    lines = "".join(f"<p><b>{heading}:</b> {escape(text)}.</p>" for heading, text in metric.reading())
    return (
        "<details><summary>how to read it</summary>"
        f"<p><code>{escape(metric.name)}</code>: {escape(metric.formula)}.</p>{lines}</details>"
    )


def _audit(facts: Facts) -> str:
    if not facts.audit_head:
        return ""
    table = _table(("policy", "kind", "mean reward", "graded correct"), facts.audit, (2, 3)) if facts.audit else ""
    findings = "".join(f"<li>{escape(text)}</li>" for text in facts.audit_findings)
    return f"<p>{escape(facts.audit_head)}</p>{table}<ul>{findings}</ul>"


def _time(facts: Facts) -> str:
    totals = _table(("", ""), facts.totals, (1,))
    if not facts.seconds:
        return totals
    bar, rows = "", ""
    for i, (phase, seconds, share) in enumerate(facts.seconds):
        bar += f'<span style="width:{share:.2%};background:{colour_of(i)}"></span>'
        rows += (
            f'<tr><td><span class=key style="background:{colour_of(i)}"></span>{escape(phase)}'
            f"<td class=n>{seconds:,.1f} s<td class=n>{share:.1%}</tr>"
        )
    return f"<div class=bar>{bar}</div><div class=scroll><table>{rows}</table></div>{totals}"


def _about(run: RunData, facts: Facts) -> str:
    rows = "".join(f"<tr><td>{escape(title)}<td>{escape(value)}</tr>" for title, value in facts.about)
    table = f"<div class='scroll about'><table>{rows}</table></div>"
    if not run.recipe_text:
        return table
    recipe = f"<pre>{escape(run.recipe_text)}</pre>"
    return f"{table}<details open><summary>the resolved recipe</summary>{recipe}</details>"


def _commands(facts: Facts) -> str:
    return "".join(f"<p>{escape(what)}</p><pre>{escape(words)}</pre>" for what, words in facts.commands)


def _differences(runs: Sequence[RunData]) -> str:
    rows = []
    for key in sorted({key for run in runs for key in run.recipe}, key=str):
        values = [json.dumps(run.recipe.get(key), ensure_ascii=False, default=str) for run in runs]
        if len(set(values)) > 1:
            rows.append((str(key), *values))
    if not rows:
        return "<p class=dim>Nothing.</p>"
    return _table(("key", *(run.name for run in runs)), rows, ())
