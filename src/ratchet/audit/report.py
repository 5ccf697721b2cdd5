"""An audit's outcome: for a terminal, as JSON, and as one self-contained page."""

import html
from dataclasses import dataclass
from typing import Any

from ratchet.audit.core import Line, Tally
from ratchet.audit.findings import Finding
from ratchet.recipe.groups import FINDINGS, Audit

KINDS = {"gold": "policies that know the answer", "ignorant": "policies that know nothing", "hack": "hacks"}


@dataclass
class Report:
    """What the audit of one reward on one set of rows found."""

    title: str
    data: str
    """What the rows are, for a reader."""
    tally: Tally
    findings: list[Finding]
    limits: Audit
    seconds: float = 0.0

    @property
    def failed(self) -> list[Finding]:
        """The findings that nobody accepted."""
        return [finding for finding in self.findings if finding.fails and not finding.accepted]

    def lines(self, kind: str) -> list[Line]:
        """The policies of a kind, those that earn most first."""
        return sorted((line for line in self.tally.lines.values() if line.kind == kind), key=lambda line: -line.mean)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = [component.name for component in self.tally.components]
        policies = [
            {
                "policy": line.name,
                "kind": line.kind,
                "n": line.n,
                "reward": round(line.mean, 6),
                "correct": round(line.share, 6),
                "components": {name: round(part / line.n, 6) for name, part in zip(names, line.parts, strict=True)},
            }
            for kind in KINDS
            for line in self.lines(kind)
        ]
        return {
            "title": self.title,
            "data": self.data,
            "rows": self.tally.rows,
            "scores": sum(line.n for line in self.tally.lines.values()),
            "commonest_answer": round(self.tally.known.majority, 6),
            "thresholds": self._thresholds(),
            "passed": not self.failed,
            "findings": [finding.as_dict() for finding in self.findings],
            "policies": policies,
        }

    def _thresholds(self) -> dict[str, float]:
        return {name: value for name, value in vars(self.limits).items() if isinstance(value, float)}

    def groups(self) -> list[tuple[str, str, list[Finding]]]:
        """The findings by name, each with its mark: fails, accepted, or note."""
        found: dict[tuple[str, str], list[Finding]] = {}
        for finding in self.findings:
            mark = "accepted" if finding.accepted else "fails" if finding.fails else "note"
            found.setdefault((finding.name, mark), []).append(finding)
        return [(name, mark, findings) for (name, mark), findings in found.items()]

    def verdict(self) -> str:
        """One line, then each kind of finding with what was found."""
        count = len({finding.name for finding in self.failed})
        lines = [
            f"verdict: {count} {'finding fails' if count == 1 else 'findings fail'} the audit"
            if count
            else "verdict: passed"
        ]
        for name, mark, found in self.groups():
            lines.append(f"  {mark.upper() if mark == 'fails' else mark:<8} {name}: {FINDINGS[name]}")
            for finding in found:
                shown = f" (for example {', '.join(finding.examples)})" if finding.examples else ""
                lines.append(f"           {finding.text}{shown}")
            if found[0].accepted:
                lines.append(f"           the recipe's reason: {found[0].accepted}")
        return "\n".join(lines)

    def table(self) -> str:
        """For a terminal."""
        names = [component.name for component in self.tally.components]
        head = f"{'policy':<32} {'reward':>7} {'correct':>8} {'n':>6}  " + "  ".join(
            f"{name[:18]:>{max(6, len(name[:18]))}}" for name in names
        )
        lines = [
            f"{self.title}: {self.tally.rows} rows of {self.data}; always the commonest answer is right on {self.tally.known.majority:.3f}",
            "",
        ]
        lines += [head]
        for kind, title in KINDS.items():
            lines.append(f"- {title}")
            for line in self.lines(kind):
                parts = "  ".join(
                    f"{part / line.n:>{max(6, len(name[:18]))}.3f}"
                    for name, part in zip(names, line.parts, strict=True)
                )
                lines.append(f"{line.name[:32]:<32} {line.mean:>7.3f} {line.share:>8.3f} {line.n:>6}  {parts}")
        scores = sum(line.n for line in self.tally.lines.values())
        return "\n".join(
            [*lines, "", f"{scores} completions graded and rewarded in {self.seconds:.1f} s", "", self.verdict()]
        )

    def page(self) -> str:
        """One HTML page with no outside resources."""
        gold = self.tally.gold or 1.0
        parts = [
            f"<h1>{_e(self.title)}</h1>",
            f"<p>{self.tally.rows} rows of {_e(self.data)}. Always the commonest answer is right on ",
        ]
        parts.append(
            f"{self.tally.known.majority:.3f} of them. The bar shows a policy's mean reward against that of the target text.</p>"
        )
        parts.append(f"<p class={'bad' if self.failed else 'good'}>{'Fails' if self.failed else 'Passed'}</p>")
        if self.findings:
            parts.append("<h2>Findings</h2><ul>" + "".join(_group(*group) for group in self.groups()) + "</ul>")
        names = [component.name for component in self.tally.components]
        columns = ["policy", "", "reward", "correct", "n", *names]
        heads = "".join(f"<th>{_e(column).replace('_', '_<wbr>')}</th>" for column in columns)
        for kind, title in KINDS.items():
            parts.append(
                f"<h2>{title.capitalize()}</h2><div><table style='min-width:{22 + 6 * len(columns)}rem'><tr>{heads}</tr>"
            )
            for line in self.lines(kind):
                cells = [
                    f"{line.mean:.3f}",
                    f"{line.share:.3f}",
                    str(line.n),
                    *(f"{part / line.n:.3f}" for part in line.parts),
                ]
                width = max(0.0, min(1.0, line.mean / gold))
                bar = f"<td class=bar><i class={kind} style='width:{width * 100:.1f}%'></i></td>"
                parts.append(
                    f"<tr title='{_e(line.example[:300])}'><td>{_e(line.name)}</td>{bar}{''.join(f'<td>{c}</td>' for c in cells)}</tr>"
                )
            parts.append("</table></div>")
        limits = ", ".join(f"{name} {value:g}" for name, value in self._thresholds().items())
        parts.append(f"<p class=small>Thresholds: {_e(limits)}. Point at a row to see one of its completions.</p>")
        return _PAGE.replace("TITLE", _e(self.title)).replace("BODY", "\n".join(parts))


def _group(name: str, mark: str, found: list[Finding]) -> str:
    reason = f"<br>The recipe's reason: {_e(found[0].accepted)}" if found[0].accepted else ""
    texts = (f"<br>{_e(f.text)}" + (f" <code>{_e(', '.join(f.examples))}</code>" if f.examples else "") for f in found)
    return f"<li><b class={mark}>{mark}</b> <b>{_e(name)}</b>: {_e(FINDINGS[name])}{''.join(texts)}{reason}</li>"


def _e(text: str) -> str:
    return html.escape(text, quote=True)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>TITLE</title><style>
body{font:15px/1.45 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
h1{overflow-wrap:anywhere}div{overflow-x:auto}table{border-collapse:collapse;width:100%;table-layout:fixed;font-variant-numeric:tabular-nums}th,td{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #e4e4e4}
th:first-child,td:first-child{text-align:left}th:first-child{width:16rem}th:nth-child(2){width:20%}td.bar i{display:block;height:.8rem;background:#c0392b}
td.bar i.gold{background:#2e8b57}td.bar i.ignorant{background:#b8860b}.good,.bad{font-size:1.3rem;font-weight:600}.good{color:#2e8b57}.bad,.fails{color:#c0392b}
.accepted{color:#b8860b}.note{color:#666}.small{color:#666;font-size:.85rem}li{margin:.5rem 0}code{background:#f4f4f4;padding:0 .2rem;word-break:break-word}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}th,td{border-color:#333}code{background:#262626}}
</style></head><body>
BODY
</body></html>
"""
