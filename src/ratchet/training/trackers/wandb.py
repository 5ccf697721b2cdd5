"""Weights & Biases."""

import importlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ratchet.diagnostics.artifacts import Artifacts
from ratchet.reporting.figures.plotly import Figure
from ratchet.training.trackers.base import PATIENCE, TrackerSettings, reason, within
from ratchet.training.trackers.rows import heat_map, map_name, scalars, tables, totals


class Wandb:
    """A run in Weights & Biases; one that fails to open online is kept offline, for ``wandb sync`` later."""

    def __init__(self, settings: TrackerSettings):
        _prepare_environment()
        self.wandb = importlib.import_module("wandb")
        known = settings.known.get("wandb", {})
        self.identity = {
            "id": known.get("id") or secrets.token_hex(4),
            "project": known.get("project") or settings.project,
        }
        self.tables, self.patience = True, 2 * PATIENCE
        given = self._arguments(settings)
        try:
            self.patience = float(os.environ.get("WANDB_FINISH_TIMEOUT", 2 * PATIENCE))
            limits = self.wandb.Settings(
                init_timeout=float(os.environ.get("WANDB_INIT_TIMEOUT", PATIENCE)), finish_timeout=self.patience
            )
            mode = "offline" if settings.tracking.offline else None
            self.run = self.wandb.init(**given, mode=mode, settings=limits)
        except Exception as error:  # wandb raises several unrelated kinds
            print(
                f"warning: W&B: {reason('wandb', error)}. This run is kept offline, in {settings.own}/wandb; "
                "wandb sync sends it later",
                flush=True,
            )
            self.wandb.teardown()
            self.run = self.wandb.init(**given, mode="offline")
        # Curves are over our own step: W&B counts calls of ``log``, of which a step may have several.
        self.run.define_metric("train/global_step")
        self.run.define_metric("*", step_metric="train/global_step", step_sync=True)
        if self.run.url:
            print(f"W&B: {self.run.url}", flush=True)

    def _arguments(self, settings: TrackerSettings) -> dict[str, Any]:
        tracking = settings.tracking
        return {
            **self.identity,
            "entity": tracking.entity,
            "group": tracking.group,
            "tags": [str(tag) for tag in tracking.tags] or None,
            "name": settings.name,
            "dir": str(settings.own),
            "config": settings.config,
            "resume": "allow",
        }

    def log(self, step: int, logs: Mapping[str, Any], artifacts: Artifacts, figures: Mapping[str, Figure]) -> None:
        """Send one row, with histograms, heat maps and figures in it."""
        wandb = self.wandb
        self.run.summary.update(totals(logs))
        row = scalars(step, logs)
        for name, values in artifacts.histograms.items():
            row[f"{name}_hist"] = wandb.Histogram(values)
        for entry in artifacts.maps:
            row[map_name(entry)] = wandb.Plotly(_plotly(heat_map(entry)))
        for name, figure in figures.items():
            row[f"figures/{name}"] = wandb.Plotly(_plotly(figure))
        if self.tables:
            self._log_tables(artifacts)
        self.run.log(row)

    def _log_tables(self, artifacts: Artifacts) -> None:
        """Send samples and confusion; online each table asks the server, and after a failure no more are sent."""
        made = tables(artifacts, self.wandb.Table)
        try:
            if made:
                self.run.log(made, commit=False)
        except Exception as error:  # wandb raises several unrelated kinds
            self.tables = False
            print(f"warning: W&B gets no more tables: {reason('wandb', error)}. Figures go on", flush=True)

    def close(self) -> None:
        """Finish, within a limit; what was not sent by then is on disk."""
        folder = Path(self.run.dir).parent
        offline = self.run.settings.mode == "offline"
        unsent = f"it did not finish; what it did not get is in {folder}, for wandb sync"
        # wandb's own limit comes first; ours is for a client that hangs beyond it.
        within(self.patience + 15, self.run.finish, unsent)
        if offline:
            print(f"W&B: kept offline; to send it: wandb sync {folder}", flush=True)


def _prepare_environment() -> None:
    """Set what wandb reads from the environment."""
    if os.environ.get("WANDB_MODE") == "":  # wandb refuses an empty value
        del os.environ["WANDB_MODE"]
    # A look-up that only costs time where there is no network.
    os.environ.setdefault("WANDB_X_DISABLE_VIEWER", "true")
    os.environ.setdefault("WANDB_SILENT", "true")


def _plotly(figure: Figure) -> Any:
    import plotly.graph_objects

    return plotly.graph_objects.Figure({"data": figure["data"], "layout": figure["layout"]})
