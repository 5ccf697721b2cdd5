"""Write the report of a run, or of several together."""

from collections.abc import Sequence
from pathlib import Path

from ratchet.errors import UserError
from ratchet.files import write_text
from ratchet.record.run_data import RunData, load
from ratchet.reporting.page.html import comparison_page, page
from ratchet.reporting.page.markdown import twin

PAGE = "report.html"


def write(folder: Path, target: Path | None = None) -> Path:
    """Write the page and its Markdown twin about a run, finished or not; returns the page's path.

    Args:
        folder: the run's.
        target: of the page; without it report.html in ``folder``.
    """
    run = load(folder)
    target = target or folder / PAGE
    _put(target, page(run))
    _put(target.with_suffix(".md"), twin(run))
    return target


def compare(folders: Sequence[Path], target: Path | None = None) -> Path:
    """Write one page about several runs; without ``target`` comparison.html in the first one's folder."""
    target = target or folders[0] / "comparison.html"
    runs = [load(folder) for folder in folders]
    _tell_apart(runs)
    _put(target, comparison_page(runs))
    return target


def _tell_apart(runs: Sequence[RunData]) -> None:
    """Give runs of one name their folders as titles; with a number where one folder is compared with itself."""
    names = [run.name for run in runs]
    distinct = len({str(run.folder) for run in runs}) == len(runs)
    for i, run in enumerate(runs):
        if names.count(names[i]) > 1:
            run.title = str(run.folder) if distinct else f"{i + 1}: {run.folder}"


def _put(path: Path, text: str) -> None:
    try:
        write_text(path, text)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); name another place with --output") from None
