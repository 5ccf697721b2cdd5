"""Rows, prompts and grades come from ``ratchet.tasks``; nothing about them is decided here."""

import json
from functools import lru_cache
from typing import Any

import verifiers.v1 as vf

from ratchet.integrations.verifiers import Graded, RowData, RowsConfig, rows, without_file
from ratchet.sandbox import Sandbox
from ratchet.tasks.dataset.task import Dataset


class DatasetTaskConfig(vf.TaskConfig):
    """What the grader needs to know: keys of a recipe's ``data`` beside ``source``, as JSON."""

    data: str = "{}"
    """For instance '{"prompt": "question", "answer": "answer", "grader": "number"}'."""


@lru_cache(maxsize=4)
def dataset(data: str) -> Dataset:
    """The task that judges; it reads nothing but the row."""
    return Dataset(source="rows", **settings(data))


def settings(data: str) -> dict[str, Any]:
    """The keys of ``data`` as fields of the task."""
    found = json.loads(data)
    return {**found, "sandbox": Sandbox(**found["sandbox"])} if "sandbox" in found else found


class DatasetTask(Graded, vf.Task[RowData, vf.State, DatasetTaskConfig]):
    """One row."""

    @property
    def task(self) -> Dataset:
        """The grader."""
        return dataset(self.config.data)


class DatasetConfig(RowsConfig):
    """The arguments; ``data_dir`` is the recipe's ``data.source``."""

    task: DatasetTaskConfig = DatasetTaskConfig()


class DatasetTaskset(vf.Taskset[DatasetTask, DatasetConfig]):
    """All rows of a split."""

    def __init__(self, config: DatasetConfig) -> None:
        super().__init__(without_file(config))
        self.config = config

    def load(self) -> list[DatasetTask]:
        """One task a row."""
        config = self.config
        return [DatasetTask(data, config.task) for data, _ in rows(config, Dataset, **settings(config.task.data))]
