"""An audit's outcome as one self-contained HTML page."""

import html
from collections.abc import Sequence

from ratchet.audit.core import Line
from ratchet.audit.findings import Finding
from ratchet.audit.report import KINDS, Report
from ratchet.recipe.groups import FINDINGS

EXAMPLE = 300  # characters of a completion that a row shows when it is opened


def page(*reports: Report) -> str:
    """The page of an audit, or of those of a mixture's tasks, with no outside resources."""
    body = "\n".join(part for report in reports for part in _parts(report) if part)
    return _PAGE.replace("TITLE", _e(reports[0].title)).replace("BODY", body)


def _parts(report: Report) -> list[str]:
    tables = [_table(report, kind, title) for kind, title in KINDS.items()]
    return [_head(report), _findings(report), *tables, _foot(report)]


def _head(report: Report) -> str:
    tally = report.tally
    mark, verdict = ("bad", "Fails") if report.failed else ("good", "Passed")
    return (
        f"<h1>{_e(report.title)}</h1>\n"
        f"<p>{tally.rows} rows of {_e(report.data)}. Always the commonest answer is right on "
        f"\n{tally.known.majority:.3f} of them. "
        "The bar shows a policy's mean reward against that of the target text.</p>\n"
        f"<p class={mark}>{verdict}</p>"
    )


def _findings(report: Report) -> str:
    groups = "".join(_group(*group) for group in report.groups())
    return f"<h2>Findings</h2><ul>{groups}</ul>" if groups else ""


def _group(name: str, mark: str, findings: list[Finding]) -> str:
    texts = "".join(_finding(finding) for finding in findings)
    accepted = findings[0].accepted
    reason = f"<br>The recipe's reason: {_e(accepted)}" if accepted else ""
    return f"<li><b class={mark}>{mark}</b> <b>{_e(name)}</b>: {_e(FINDINGS[name])}{texts}{reason}</li>"


def _finding(finding: Finding) -> str:
    examples = f" <code>{_e('; '.join(finding.examples))}</code>" if finding.examples else ""
    return f"<br>{_e(finding.text)}{examples}"


def _table(report: Report, kind: str, title: str) -> str:
    columns = ["policy", "", "reward", "correct", "n", *report.component_names()]
    # a long name may break at its underscores
    heads = "".join(f"<th>{_e(column).replace('_', '_<wbr>')}</th>" for column in columns)
    rows = [_row(line, kind, report.tally.gold or 1.0, columns[2:]) for line in report.lines(kind)]
    width = 22 + 6 * len(columns)
    opening = f"<h2>{title.capitalize()}</h2><div><table style='--wide:{width}rem'><tr>{heads}</tr>"
    return "\n".join([opening, *rows, "</table></div>"])


def _row(line: Line, kind: str, gold: float, heads: Sequence[str]) -> str:
    values = [f"{line.mean:.3f}", f"{line.share:.3f}", str(line.n), *(f"{part / line.n:.3f}" for part in line.parts)]
    width = max(0.0, min(1.0, line.mean / gold))
    bar = f"<td class=bar><i class={kind} style='width:{width * 100:.1f}%'></i></td>"
    example = _e(line.example[:EXAMPLE])
    name = f"<details><summary>{_e(line.name)}</summary><pre>{example}</pre></details>" if example else _e(line.name)
    cells = "".join(f"<td data-of='{_e(head)}'>{value}</td>" for head, value in zip(heads, values, strict=True))
    return f"<tr><td>{name}</td>{bar}{cells}</tr>"


def _foot(report: Report) -> str:
    limits = ", ".join(f"{name} {value:g}" for name, value in report.thresholds().items())
    return f"<p class=small>Thresholds: {_e(limits)}. Open a policy to see one of its completions.</p>"


def _e(text: str) -> str:
    return html.escape(text, quote=True)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>TITLE</title>
<style>
body{font:15px/1.45 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
h1{overflow-wrap:anywhere}
div{overflow-x:auto}
table{border-collapse:collapse;width:100%;min-width:var(--wide);table-layout:fixed;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #e4e4e4}
th:first-child,td:first-child{text-align:left}
th:first-child{width:16rem}
th:nth-child(2){width:20%}
td.bar i{display:block;height:.8rem;background:#c0392b}
td.bar i.gold{background:#2e8b57}
td.bar i.ignorant{background:#b8860b}
.good,.bad{font-size:1.3rem;font-weight:600}
.good{color:#2e8b57}
.bad,.fails{color:#c0392b}
.accepted{color:#b8860b}
.note{color:#666}
summary{cursor:pointer}
pre{white-space:pre-wrap;overflow-wrap:anywhere;text-align:left;font-size:.85rem;margin:.3rem 0}
.small{color:#666;font-size:.85rem}
li{margin:.5rem 0}
code{background:#f4f4f4;padding:0 .2rem;word-break:break-word}
@media(max-width:700px){
table{min-width:0;table-layout:auto}
tr:first-child{display:none}
tr{display:grid;grid-template-columns:repeat(auto-fill,minmax(6.5rem,1fr))}
tr{border-bottom:1px solid #8884;padding:.4rem 0}
td:first-child,td.bar{grid-column:1/-1}
td{border:0;padding:.1rem .2rem;text-align:left}
td[data-of]::before{content:attr(data-of)" ";color:#777;font-size:.8rem}
}
@media(prefers-color-scheme:dark){
body{color:#ddd;background:#181818}
th,td{border-color:#333}
code{background:#262626}
}
</style></head><body>
BODY
</body></html>
"""
