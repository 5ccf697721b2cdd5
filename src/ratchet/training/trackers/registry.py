"""W&B, Trackio and TensorBoard: the same names as in the run's own record, and never a reason for a run to stop.

transformers' callbacks for these three would rename figures (``rl/acc`` to ``train/rl/acc``), and end a run with a tracker
that is missing, not logged in, or cannot be reached. So Ratchet opens them itself; other values of ``report_to`` are
transformers' own. Whatever a tracker does not get is in ``diagnostics/`` of the run's folder.
"""

import importlib
import os
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ratchet.diagnostics.observer import Artifacts
from ratchet.files import read_json, write_json
from ratchet.recipe.limits import tracker_names
from ratchet.record import catalogue
from ratchet.reporting.figures.plotly import SHARES, Figure

OURS = ("wandb", "trackio", "tensorboard")
ONCE = ("train_runtime", "train_samples_per_second", "train_steps_per_second", "train_loss", "total_flos")
PATIENCE = 30.0  # seconds that a tracker may take to open
FILE = "tracking.json"
SAMPLE_COLUMNS = ("id", "prompt", "completion", "gold", "answer", "correct", "reward", "advantage")


def wanted(report_to: Any) -> tuple[list[str], list[str]]:
    """Split ``report_to`` into trackers that are opened here, and those left to transformers."""
    names = tracker_names(report_to)
    if "all" in names:
        from transformers.integrations import get_available_reporting_integrations

        names = get_available_reporting_integrations()
    return [name for name in OURS if name in names], [name for name in names if name not in (*OURS, "none")]


def named(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Scalars under the names that trackers get: our own verbatim, TRL's as transformers renames them."""
    from transformers.integrations.integration_utils import rewrite_logs

    own = {name: value for name, value in logs.items() if catalogue.is_own(name)}
    return {**rewrite_logs({name: value for name, value in logs.items() if name not in own}), **own}


class Trackers:
    """All trackers of a run. One that fails is reported once, with the remedy, and left out from then on.

    Args:
        recipe: with ``report_to`` and the ``tracking`` group.
        folder: of the run.
        resumed: whether the run goes on; then it goes on in its trackers too.
    """

    def __init__(self, recipe: Any, folder: Path, resumed: bool):
        known = _known(folder) if resumed else {}
        settings = Settings(recipe, folder, known)
        self.folder, self.figures, self.open = folder, recipe.tracking.figures, []
        for name in wanted(recipe.get("report_to"))[0]:
            tracker = self._guarded(name, lambda name=name: OPENED[name](settings))
            if tracker is not None:
                self.open.append((name, tracker))
                known[name] = tracker.identity
        if known:
            write_json(folder / FILE, known)

    def log(self, step: int, logs: Mapping[str, Any], rich: Artifacts, figures: Mapping[str, Figure]) -> None:
        """Send scalars, and what is more than a scalar, as one row."""
        for name, tracker in [*self.open]:
            self._guarded(name, lambda tracker=tracker: tracker.log(step, logs, rich, figures))

    def close(self) -> None:
        """End the run in all of them."""
        for name, tracker in [*self.open]:
            self._guarded(name, tracker.close)
        self.open = []

    def _guarded(self, name: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:  # a tracker may raise anything, and none of it is worth a run
            self.open = [pair for pair in self.open if pair[0] != name]
            print(
                f"warning: {name} gets nothing more of this run: {reason(name, error)}. Everything is in {self.folder}/diagnostics",
                flush=True,
            )
            return None


class Settings:
    """What a tracker is told when it is opened."""

    def __init__(self, recipe: Any, folder: Path, known: Mapping[str, Any]):
        self.recipe, self.tracking, self.folder, self.known = recipe, recipe.tracking, folder, known
        self.project = recipe.tracking.project or os.environ.get("WANDB_PROJECT") or "ratchet"
        self.name = recipe.values.get("run_name") or folder.name
        self.own = (
            folder / "_trackers"
        )  # the Trainer pushes nothing that begins so, and what W&B keeps names machine and user
        self.own.mkdir(exist_ok=True)
        self.config = {"recipe": recipe.tree.plain(), "processes": recipe.processes}


def _known(folder: Path) -> dict[str, Any]:
    found = read_json(folder / FILE)
    return found if isinstance(found, dict) else {}


def reason(name: str, error: BaseException) -> str:
    """What went wrong, and what to do."""
    if isinstance(error, ImportError):
        return f'it is not installed; pip install "{name}" (the extra [tracking] has it)'
    said = " ".join(str(error).split())[:300] or type(error).__name__
    if "API key" in said or "api_key" in said or type(error).__name__ in ("AuthenticationError", "UsageError"):
        return f"it is not logged in ({said}); wandb login, or set WANDB_API_KEY, or tracking: {{offline: true}}"
    if (
        isinstance(error, TimeoutError)
        or "imed out" in said
        or type(error).__name__ in ("CommError", "ServerResponseError", "ConnectError", "ConnectionError")
    ):
        return f"it cannot be reached ({said}); check the network"
    return f"{type(error).__name__}: {said}"


class Wandb:
    """Weights & Biases. What fails to open online goes on offline, for ``wandb sync`` later."""

    def __init__(self, settings: Settings):
        if os.environ.get("WANDB_MODE") == "":
            del os.environ["WANDB_MODE"]
        os.environ.setdefault(
            "WANDB_X_DISABLE_VIEWER", "true"
        )  # a look-up that only costs time where there is no network
        os.environ.setdefault("WANDB_SILENT", "true")
        self.wandb = importlib.import_module("wandb")
        tracking, known = settings.tracking, settings.known.get("wandb", {})
        self.identity = {
            "id": known.get("id") or secrets.token_hex(4),
            "project": known.get("project") or settings.project,
        }
        given = {
            "id": self.identity["id"],
            "project": self.identity["project"],
            "entity": tracking.entity,
            "group": tracking.group,
            "tags": [str(tag) for tag in tracking.tags] or None,
            "name": settings.name,
            "dir": str(settings.own),
            "config": settings.config,
            "resume": "allow",
        }
        self.tables, self.patience = True, 2 * PATIENCE
        try:
            self.patience = float(os.environ.get("WANDB_FINISH_TIMEOUT", 2 * PATIENCE))
            limits = self.wandb.Settings(
                init_timeout=float(os.environ.get("WANDB_INIT_TIMEOUT", PATIENCE)), finish_timeout=self.patience
            )
            self.run = self.wandb.init(**given, mode="offline" if tracking.offline else None, settings=limits)
        except Exception as error:  # wandb raises several unrelated kinds
            print(
                f"warning: W&B: {reason('wandb', error)}. This run is kept offline, in {settings.own}/wandb; wandb sync sends it later",
                flush=True,
            )
            self.wandb.teardown()
            self.run = self.wandb.init(**given, mode="offline")
        self.run.define_metric("train/global_step")
        self.run.define_metric("*", step_metric="train/global_step", step_sync=True)
        if self.run.url:
            print(f"W&B: {self.run.url}", flush=True)

    def log(self, step: int, logs: Mapping[str, Any], rich: Artifacts, figures: Mapping[str, Figure]) -> None:
        """One row."""
        wandb = self.wandb
        row = _scalars(step, logs)
        self.run.summary.update({f"train/{name}": logs[name] for name in ONCE if name in logs})
        row |= {f"{name}_hist": wandb.Histogram(values) for name, values in rich.histograms.items()}
        drawn = {f"attn/map/layer{m['layer']}_head{m['head']}": heat_map(m) for m in rich.maps}
        drawn |= {f"figures/{name}": figure for name, figure in figures.items()}
        row |= {name: wandb.Plotly(_plotly(figure)) for name, figure in drawn.items()}
        if self.tables:
            self._log_tables(rich)
        self.run.log(row)

    def _log_tables(self, rich: Artifacts) -> None:
        """Samples and confusion; online each table asks the server, and where that fails no further one is tried."""
        tables = _tables(rich, self.wandb.Table)
        try:
            if tables:
                self.run.log(tables, commit=False)
        except Exception as error:  # wandb raises several unrelated kinds
            self.tables = False
            print(f"warning: W&B gets no more tables: {reason('wandb', error)}. Figures go on", flush=True)

    def close(self) -> None:
        """Finish, within a limit; what was not sent by then is on disk."""
        folder = Path(self.run.dir).parent
        offline = self.run.settings.mode == "offline"
        _within(
            self.patience + 15,
            self.run.finish,
            f"it did not finish; what it did not get is in {folder}, for wandb sync",
        )
        if offline:
            print(f"W&B: kept offline; to send it: wandb sync {folder}", flush=True)


class Trackio:
    """Trackio, on this machine or in a Space (``trackio_space_id``)."""

    def __init__(self, settings: Settings):
        trackio = self.trackio = importlib.import_module("trackio")
        recipe, known = settings.recipe, settings.known.get("trackio", {})
        self.identity = {
            "project": known.get("project") or settings.project,
            "name": known.get("name") or settings.name,
        }
        given = {
            **self.identity,
            "group": settings.tracking.group,
            "config": settings.config,
            "resume": "allow" if known else "never",
            "space_id": recipe.values.get("trackio_space_id"),
            "private": recipe.values.get("hub_private_repo"),
            "embed": False,
        }
        self.run = _within(PATIENCE, lambda: trackio.init(**given), "it did not open")

    def log(self, step: int, logs: Mapping[str, Any], rich: Artifacts, figures: Mapping[str, Figure]) -> None:
        """One row; figures stay in the report."""
        trackio = self.trackio
        row = {**_scalars(step, logs), **_tables(rich, trackio.Table)}
        row |= {f"{name}_hist": trackio.Histogram(values) for name, values in rich.histograms.items()}
        for m in rich.maps:
            rows = [[q, k, w] for q, line in enumerate(m["weights"]) for k, w in enumerate(line) if w > 0.01]
            row[f"attn/map/layer{m['layer']}_head{m['head']}"] = trackio.Table(
                columns=["query", "key", "weight"], data=rows
            )
        self.run.log(row)

    def close(self) -> None:
        """Finish."""
        _within(2 * PATIENCE, self.run.finish, "it did not finish")


class TensorBoard:
    """TensorBoard, in TENSORBOARD_LOGGING_DIR or in ``_trackers/`` of the run's folder."""

    def __init__(self, settings: Settings):
        importlib.import_module("tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        folder = os.environ.get("TENSORBOARD_LOGGING_DIR") or str(settings.own / "tensorboard")
        self.identity = {"folder": folder}
        self.writer = SummaryWriter(log_dir=folder)
        self.writer.add_text("recipe", f"```yaml\n{settings.recipe.as_yaml()}\n```")

    def log(self, step: int, logs: Mapping[str, Any], rich: Artifacts, figures: Mapping[str, Figure]) -> None:
        """Scalars, histograms, and samples as a table of text."""
        for name, value in named(logs).items():
            if isinstance(value, (int, float)):
                self.writer.add_scalar(name, value, step)
        for name, values in rich.histograms.items():
            self.writer.add_histogram(f"{name}_hist", _array(values), step)
        if rich.samples:
            rows = [SAMPLE_COLUMNS, ["---"] * len(SAMPLE_COLUMNS), *_sample_rows(rich)]
            cells = (" | ".join(str(cell).replace("|", "\\|").replace("\n", "<br>") for cell in row) for row in rows)
            self.writer.add_text("rl/samples", "\n".join(f"| {row} |" for row in cells), step)
        self.writer.flush()

    def close(self) -> None:
        """Close the file."""
        self.writer.close()


OPENED: dict[str, Callable[[Settings], Any]] = {"wandb": Wandb, "trackio": Trackio, "tensorboard": TensorBoard}


def heat_map(entry: Mapping[str, Any]) -> Figure:
    """One heat map of attention, as a figure."""
    title = {"text": f"layer {entry['layer']}, head {entry['head']}"}
    layout = {
        "title": title,
        "xaxis": {"title": {"text": "key"}},
        "yaxis": {"title": {"text": "query"}, "autorange": "reversed"},
    }
    return {"data": [{"type": "heatmap", "z": entry["weights"], "colorscale": SHARES, "zmin": 0}], "layout": layout}


def _plotly(figure: Figure) -> Any:
    import plotly.graph_objects

    return plotly.graph_objects.Figure({"data": figure["data"], "layout": figure["layout"]})


def _scalars(step: int, logs: Mapping[str, Any]) -> dict[str, Any]:
    """One row of scalars with its step; what is said once at the end is left out."""
    return {**named({name: value for name, value in logs.items() if name not in ONCE}), "train/global_step": step}


def _tables(rich: Artifacts, make: Callable[..., Any]) -> dict[str, Any]:
    """Samples and confusion as a tracker's own tables."""
    found = {}
    if rich.samples:
        found["rl/samples"] = make(columns=[*SAMPLE_COLUMNS], data=_sample_rows(rich))
    if rich.confusion:
        found["rl/letter_confusion"] = make(columns=["gold", "answered", "count"], data=_confusion_rows(rich))
    return found


def _sample_rows(rich: Artifacts) -> list[list[Any]]:
    return [
        [
            sample.get(column) if not isinstance(sample.get(column), (list, tuple)) else str(sample[column])
            for column in SAMPLE_COLUMNS
        ]
        for sample in rich.samples
    ]


def _confusion_rows(rich: Artifacts) -> list[list[Any]]:
    return [
        [gold, answer, count] for gold, row in sorted(rich.confusion.items()) for answer, count in sorted(row.items())
    ]


def _array(values: Sequence[float]) -> Any:
    import numpy as np

    return np.asarray(values)


def _within(seconds: float, call: Callable[[], Any], otherwise: str) -> Any:
    """Call in a thread of its own, which is left behind when it takes too long.

    Raises:
        TimeoutError: then, saying ``otherwise``.
    """
    found: list[Any] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(call())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError(f"{otherwise} within {seconds:.0f} seconds")
    return found[0]
