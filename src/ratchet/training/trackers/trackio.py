"""Trackio."""

import importlib
from collections.abc import Mapping
from typing import Any

from ratchet.diagnostics.artifacts import Artifacts
from ratchet.reporting.figures.plotly import Figure
from ratchet.training.trackers.base import PATIENCE, TrackerSettings, within
from ratchet.training.trackers.rows import map_name, map_rows, scalars, tables


class Trackio:
    """A run in Trackio, on this machine or in a Space (``trackio_space_id``)."""

    def __init__(self, settings: TrackerSettings):
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
        self.run = within(PATIENCE, lambda: trackio.init(**given), "it did not open")

    def log(self, step: int, logs: Mapping[str, Any], artifacts: Artifacts, figures: Mapping[str, Figure]) -> None:
        """Send one row; it has no figures of its own, so heat maps are tables, and the rest stays in the report."""
        trackio = self.trackio
        row = {**scalars(step, logs), **tables(artifacts, trackio.Table)}
        for name, values in artifacts.histograms.items():
            row[f"{name}_hist"] = trackio.Histogram(values)
        for entry in artifacts.maps:
            row[map_name(entry)] = trackio.Table(columns=["query", "key", "weight"], data=map_rows(entry))
        self.run.log(row)

    def close(self) -> None:
        """Finish, within a limit."""
        within(2 * PATIENCE, self.run.finish, "it did not finish")
