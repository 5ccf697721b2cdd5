"""Rows, prompts and grades come from ``ratchet.tasks``; nothing about them is decided here."""

import verifiers.v1 as vf

from ratchet.integrations.verifiers import Graded, RowData, RowsConfig, rows, without_file
from ratchet.tasks import AquaRat


class AquaRatTask(Graded, vf.Task[RowData]):
    """One problem."""

    @property
    def task(self) -> AquaRat:
        """The grader reads nothing but the row."""
        return AquaRat()


class AquaRatConfig(RowsConfig):
    """The arguments; without ``data_dir`` rows come from AQUA_DATA_DIR, else from deepmind/aqua_rat on the Hub."""

    include_rationale_metadata: bool = True
    """Whether a trace's row carries the rationale."""


class AquaRatTaskset(vf.Taskset[AquaRatTask, AquaRatConfig]):
    """All problems of a split."""

    def __init__(self, config: AquaRatConfig) -> None:
        super().__init__(without_file(config))
        self.config = config

    def load(self) -> list[AquaRatTask]:
        """One task a row."""
        found = []
        for data, row in rows(self.config, AquaRat):
            if not self.config.include_rationale_metadata:
                data = data.model_copy(
                    update={"row": {name: value for name, value in row.items() if name != "rationale"}}
                )
            found.append(AquaRatTask(data, self.config.task))
        return found
