"""What every tracker does, and what it is given when it opens.

A new tracker is one file beside this one, with a class that fits ``Tracker``, and one entry in ``registry.OURS``. Its
library is imported in ``__init__``, not at the top of the file: one that is missing costs a warning, not the run.
"""

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from ratchet.diagnostics.artifacts import Artifacts
from ratchet.recipe import Recipe
from ratchet.reporting.figures.plotly import Figure

PATIENCE = 30.0  # seconds that a tracker may take to open
# The libraries' own exceptions, by name: importing them for an ``except`` would import the library.
_LOGIN_ERRORS = ("AuthenticationError", "UsageError")
_NETWORK_ERRORS = ("CommError", "ServerResponseError", "ConnectError", "ConnectionError")


class Tracker(Protocol):
    """One run in one tracker: opened by its constructor, which takes ``TrackerSettings``. Any method may raise."""

    identity: Mapping[str, Any]
    """What finds this run again in the tracker when it is resumed."""

    def log(self, step: int, logs: Mapping[str, Any], artifacts: Artifacts, figures: Mapping[str, Figure]) -> None:
        """Send what was logged at a step: scalars, what is more than a scalar, and drawn figures."""

    def close(self) -> None:
        """End the run in the tracker, within a limit of time."""


class TrackerSettings:
    """What a tracker is given when it opens.

    Args:
        recipe: with the ``tracking`` group.
        folder: the run's output folder.
        known: the identity of each tracker that this run had before it was resumed.
    """

    def __init__(self, recipe: Recipe, folder: Path, known: Mapping[str, Any]):
        self.recipe, self.tracking, self.folder, self.known = recipe, recipe.tracking, folder, known
        self.project = recipe.tracking.project or os.environ.get("WANDB_PROJECT") or "ratchet"
        self.name = recipe.values.get("run_name") or folder.name
        self.config = {"recipe": recipe.tree.plain(), "processes": recipe.processes}
        # The Trainer pushes nothing whose name begins with "_", and what W&B keeps names the machine and the user.
        self.own = folder / "_trackers"
        self.own.mkdir(exist_ok=True)


def reason(name: str, error: BaseException) -> str:
    """What went wrong in a tracker, and what to do.

    >>> reason("wandb", ConnectionError("no route"))
    'it cannot be reached (no route); check the network'
    """
    if isinstance(error, ImportError):
        return f'it is not installed; pip install "{name}" (the extra [tracking] has it)'
    kind = type(error).__name__
    message = " ".join(str(error).split())[:300] or kind
    if "API key" in message or "api_key" in message or kind in _LOGIN_ERRORS:
        return f"it is not logged in ({message}); wandb login, or set WANDB_API_KEY, or tracking: {{offline: true}}"
    if isinstance(error, TimeoutError) or "imed out" in message or kind in _NETWORK_ERRORS:
        return f"it cannot be reached ({message}); check the network"
    return f"{kind}: {message}"


def within(seconds: float, call: Callable[[], Any], otherwise: str) -> Any:
    """Call in a thread of its own, which is left behind when it takes too long: libraries retry without a limit.

    Raises:
        TimeoutError: then, saying ``otherwise``.
    """
    results: list[Any] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if failures:
        raise failures[0]
    if not results:
        raise TimeoutError(f"{otherwise} within {seconds:.0f} seconds")
    return results[0]
