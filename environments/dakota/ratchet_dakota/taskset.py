"""Rows, prompts and grades come from ``ratchet.tasks``; nothing about them is decided here."""

from typing import Literal

import verifiers.v1 as vf

from ratchet.integrations.verifiers import Graded, RowData, RowsConfig, rows, without_file
from ratchet.tasks import Dakota


class DakotaTaskConfig(vf.TaskConfig):
    """What the grader needs to know."""

    orthography: Literal["riggs", "modern"] = "riggs"
    """Whether letters count as written, or the modern spellings of one letter are one.

    See ``ratchet.tasks.Dakota``.
    """


class DakotaTask(Graded, vf.Task[RowData, vf.State, DakotaTaskConfig]):
    """One exercise."""

    @property
    def task(self) -> Dakota:
        """The grader."""
        return Dakota(orthography=self.config.orthography)

    @vf.reward(weight=0.0)
    async def partial_credit(self, trace: vf.Trace) -> float:
        """The grade's score: 1 for a right answer, at most 0.5 for a partly right one.

        Weight it from the command line or a TOML file.
        """
        return self.graded(trace).components["score"]


class DakotaConfig(RowsConfig):
    """The arguments; without ``data_dir`` rows come from the folder in DAKOTA_DATA_DIR."""

    task: DakotaTaskConfig = DakotaTaskConfig()
    kinds: list[str] | None = None
    """Only these kinds of row, for instance affix_insertion and morphology."""
    difficulties: list[str] | None = None
    """Only these of easy, medium, hard, advanced."""


class DakotaTaskset(vf.Taskset[DakotaTask, DakotaConfig]):
    """All exercises of a split."""

    def __init__(self, config: DakotaConfig) -> None:
        super().__init__(without_file(config))
        self.config = config

    def load(self) -> list[DakotaTask]:
        """One task a row."""
        config = self.config
        settings = {"kinds": config.kinds, "difficulties": config.difficulties, "orthography": config.task.orthography}
        return [DakotaTask(data, config.task) for data, _ in rows(config, Dakota, **settings)]
