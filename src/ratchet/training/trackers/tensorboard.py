"""TensorBoard."""

import importlib
import os
from collections.abc import Mapping
from typing import Any

from ratchet.diagnostics.artifacts import Artifacts
from ratchet.reporting.figures.plotly import Figure
from ratchet.training.trackers.base import TrackerSettings
from ratchet.training.trackers.rows import markdown_table, named, sample_rows


class TensorBoard:
    """A run in TensorBoard's files, in TENSORBOARD_LOGGING_DIR or in ``_trackers/`` of the run's folder."""

    def __init__(self, settings: TrackerSettings):
        importlib.import_module("tensorboard")  # torch's own message on a missing one names no remedy
        from torch.utils.tensorboard import SummaryWriter

        folder = os.environ.get("TENSORBOARD_LOGGING_DIR") or str(settings.own / "tensorboard")
        self.identity = {"folder": folder}
        self.writer = SummaryWriter(log_dir=folder)
        self.writer.add_text("recipe", f"```yaml\n{settings.recipe.as_yaml()}\n```")

    def log(self, step: int, logs: Mapping[str, Any], artifacts: Artifacts, figures: Mapping[str, Figure]) -> None:
        """Write scalars, histograms, and samples as a table of text."""
        import numpy as np

        for name, value in named(logs).items():
            if isinstance(value, (int, float)):
                self.writer.add_scalar(name, value, step)
        for name, values in artifacts.histograms.items():
            self.writer.add_histogram(f"{name}_hist", np.asarray(values), step)
        if artifacts.samples:
            self.writer.add_text("rl/samples", markdown_table(sample_rows(artifacts)), step)
        self.writer.flush()

    def close(self) -> None:
        """Close the file."""
        self.writer.close()
