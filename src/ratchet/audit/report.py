"""An audit's outcome: for a terminal, and as JSON; ``page.py`` makes a page of it."""

from dataclasses import dataclass
from typing import Any

from ratchet.audit.core import Line, Tally
from ratchet.audit.findings import Finding
from ratchet.recipe.groups import FINDINGS, Audit

KINDS = {"gold": "policies that know the answer", "ignorant": "policies that know nothing", "hack": "hacks"}
NARROWEST, WIDEST = 6, 18  # characters of a column with a reward's name
INDENT = " " * 11


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
        """The same as plain data, for JSON."""
        return {
            "title": self.title,
            "data": self.data,
            "rows": self.tally.rows,
            "rows_asked": self.tally.asked,
            "scores": self.scores(),
            "commonest_answer": round(self.tally.known.majority, 6),
            "thresholds": self.thresholds(),
            "passed": not self.failed,
            "findings": [finding.as_dict() for finding in self.findings],
            "policies": [self._policy(line) for kind in KINDS for line in self.lines(kind)],
        }

    def _policy(self, line: Line) -> dict[str, Any]:
        shares = zip(self.component_names(), line.parts, strict=True)
        return {
            "policy": line.name,
            "kind": line.kind,
            "n": line.n,
            "reward": round(line.mean, 6),
            "correct": round(line.share, 6),
            "components": {name: round(part / line.n, 6) for name, part in shares},
        }

    def _audited(self) -> str:
        """How many rows, and out of how many where time was up."""
        rows, asked = self.tally.rows, self.tally.asked
        return f"{rows} rows" if rows == asked else f"{rows} of {asked} rows, as time was up (audit.seconds),"

    def component_names(self) -> list[str]:
        """The rewards' names, in their order."""
        return [component.name for component in self.tally.components]

    def scores(self) -> int:
        """How many completions were graded and rewarded."""
        return sum(line.n for line in self.tally.lines.values())

    def thresholds(self) -> dict[str, float]:
        """The limits that the findings were held to."""
        return {name: value for name, value in vars(self.limits).items() if isinstance(value, float)}

    def groups(self) -> list[tuple[str, str, list[Finding]]]:
        """The findings by name, each with its mark: fails, accepted, or note."""
        found: dict[tuple[str, str], list[Finding]] = {}
        for finding in self.findings:
            found.setdefault((finding.name, _mark(finding)), []).append(finding)
        return [(name, mark, findings) for (name, mark), findings in found.items()]

    def verdict(self) -> str:
        """One line, then each kind of finding with what was found."""
        lines = [f"verdict: {self._summary()}"]
        for name, mark, findings in self.groups():
            shown = mark.upper() if mark == "fails" else mark
            lines.append(f"  {shown:<8} {name}: {FINDINGS[name]}")
            lines += [f"{INDENT}{_finding_text(finding)}" for finding in findings]
            if findings[0].accepted:
                lines.append(f"{INDENT}the recipe's reason: {findings[0].accepted}")
        return "\n".join(lines)

    def _summary(self) -> str:
        count = len({finding.name for finding in self.failed})
        if not count:
            return "passed"
        return "1 finding fails the audit" if count == 1 else f"{count} findings fail the audit"

    def table(self) -> str:
        """The whole outcome as text, for a terminal."""
        names = [name[:WIDEST] for name in self.component_names()]
        widths = [max(NARROWEST, len(name)) for name in names]
        heads = "  ".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True))
        lines = [
            f"{self.title}: {self._audited()} of {self.data}; "
            f"always the commonest answer is right on {self.tally.known.majority:.3f}",
            "",
            f"{'policy':<32} {'reward':>7} {'correct':>8} {'n':>6}  {heads}",
        ]
        for kind, title in KINDS.items():
            lines.append(f"- {title}")
            lines += [_table_line(line, widths) for line in self.lines(kind)]
        scored = f"{self.scores()} completions graded and rewarded in {self.seconds:.1f} s"
        return "\n".join([*lines, "", scored, "", self.verdict()])


def _mark(finding: Finding) -> str:
    if finding.accepted:
        return "accepted"
    return "fails" if finding.fails else "note"


def _finding_text(finding: Finding) -> str:
    examples = f" (for example {'; '.join(finding.examples)})" if finding.examples else ""
    return f"{finding.text}{examples}"


def _table_line(line: Line, widths: list[int]) -> str:
    parts = "  ".join(f"{part / line.n:>{width}.3f}" for part, width in zip(line.parts, widths, strict=True))
    return f"{line.name[:32]:<32} {line.mean:>7.3f} {line.share:>8.3f} {line.n:>6}  {parts}"
