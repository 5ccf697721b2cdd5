"""Write the report of a run, or of several together."""

from collections.abc import Sequence
from pathlib import Path

from ratchet.diagnostics.rundata import load
from ratchet.files import write_text
from ratchet.report.page import comparison_page, page
from ratchet.report.twin import twin

PAGE = "report.html"
TWIN = "report.md"


def write(folder: Path, target: Path | None = None) -> Path:
    """Write the page and its Markdown twin about a run, finished or not; returns the page's path.

    Args:
        folder: the run's.
        target: of the page; without it report.html in ``folder``.
    """
    run = load(folder)
    target = target or folder / PAGE
    write_text(target, page(run))
    write_text(target.with_suffix(".md") if target.name != PAGE else target.with_name(TWIN), twin(run))
    return target


def compare(folders: Sequence[Path], target: Path | None = None) -> Path:
    """Write one page about several runs; without ``target`` comparison.html in the first one's folder."""
    target = target or folders[0] / "comparison.html"
    write_text(target, comparison_page([load(folder) for folder in folders]))
    return target
