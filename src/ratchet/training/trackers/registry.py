"""The trackers of a run: the same names as in the run's own record, and never a reason for a run to stop.

transformers' callbacks for these three would rename figures (``rl/acc`` to ``train/rl/acc``), and end a run with a
tracker that is missing, not logged in, or cannot be reached. So Ratchet opens them itself; other values of
``report_to`` are transformers' own. What a tracker does not get is in ``diagnostics/`` of the run's folder.

A new tracker is one file beside this one (see ``base``) and one entry in ``OURS``.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ratchet.diagnostics.artifacts import Artifacts
from ratchet.files import read_json, write_json
from ratchet.recipe import Recipe
from ratchet.recipe.limits import tracker_names
from ratchet.reporting.figures.plotly import Figure
from ratchet.training.trackers.base import Tracker, TrackerSettings, reason
from ratchet.training.trackers.tensorboard import TensorBoard
from ratchet.training.trackers.trackio import Trackio
from ratchet.training.trackers.wandb import Wandb

OURS: dict[str, Callable[[TrackerSettings], Tracker]] = {
    "wandb": Wandb,
    "trackio": Trackio,
    "tensorboard": TensorBoard,
}
FILE = "tracking.json"  # in the run's folder: each tracker's identity


def wanted(report_to: Any) -> tuple[list[str], list[str]]:
    """Split ``report_to`` into trackers that are opened here, and those left to transformers.

    >>> wanted(["mlflow", "tensorboard", "wandb"]), wanted("none")
    ((['wandb', 'tensorboard'], ['mlflow']), ([], []))
    """
    names = tracker_names(report_to)
    if "all" in names:
        from transformers.integrations import get_available_reporting_integrations

        names = get_available_reporting_integrations()
    own = [name for name in OURS if name in names]
    return own, [name for name in names if name not in (*OURS, "none")]


class Trackers:
    """All trackers of a run. One that fails is reported once, with the remedy, and left out from then on.

    Args:
        recipe: with ``report_to`` and the ``tracking`` group.
        folder: the run's output folder.
        resumed: whether the run resumes; then it resumes in its trackers too.
    """

    def __init__(self, recipe: Recipe, folder: Path, resumed: bool):
        known = _known(folder) if resumed else {}
        settings = TrackerSettings(recipe, folder, known)
        self.folder, self.figures = folder, recipe.tracking.figures
        self.open: dict[str, Tracker] = {}
        for name in wanted(recipe.get("report_to"))[0]:
            tracker = self._guarded(name, lambda name=name: OURS[name](settings))
            if tracker is not None:
                self.open[name] = tracker
                known[name] = tracker.identity
        if known:
            write_json(folder / FILE, known)

    def log(self, step: int, logs: Mapping[str, Any], artifacts: Artifacts, figures: Mapping[str, Figure]) -> None:
        """Send scalars, and what is more than a scalar, to all that are open."""
        for name, tracker in [*self.open.items()]:
            self._guarded(name, lambda tracker=tracker: tracker.log(step, logs, artifacts, figures))

    def close(self) -> None:
        """End the run in all of them."""
        for name, tracker in [*self.open.items()]:
            self._guarded(name, tracker.close)
        self.open = {}

    def _guarded(self, name: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:  # a tracker may raise anything, and none of it is worth a run
            self.open.pop(name, None)
            print(
                f"warning: {name} gets nothing more of this run: {reason(name, error)}. "
                f"Everything is in {self.folder}/diagnostics",
                flush=True,
            )
            return None


def _known(folder: Path) -> dict[str, Any]:
    known = read_json(folder / FILE)
    return known if isinstance(known, dict) else {}
