"""Diagnostics of a run, its own record of all that is logged, and trackers."""

from typing import Any

from transformers import Trainer, TrainerCallback

from ratchet.diagnostics.artifacts import Artifacts
from ratchet.diagnostics.observer import Observer
from ratchet.diagnostics.rollouts import RolloutObserver
from ratchet.record.records import Records, cut
from ratchet.record.run_data import load
from ratchet.reporting.figures.figures import figures
from ratchet.reporting.figures.plotly import Figure
from ratchet.runtime import attempt
from ratchet.tasks.packing import COLUMN, unpack
from ratchet.training.exact_state import EvaluationHistory
from ratchet.training.prepare import Run
from ratchet.training.trackers.registry import Trackers
from ratchet.training.vllm_server import time_weight_sync

PROBE_TOKENS = 512  # of a fixed row, the last ones
KEPT = 400  # completions of an evaluation


def observer_of(trainer: Trainer, run: Run) -> Observer | None:
    """What reads diagnostics off a trainer, as the recipe's ``diagnostics`` group says; None where it is off."""
    recipe = run.recipe
    if recipe.diagnostics.mode != "on":
        return None
    rows = _fixed_rows(run, recipe.diagnostics.rows * trainer.accelerator.num_processes)
    if recipe.method.samples:
        observer = RolloutObserver(trainer, recipe.diagnostics, rows, recipe.task)
    else:
        observer = Observer(trainer, recipe.diagnostics, rows)
    time_weight_sync(trainer, observer.clock)
    return observer


def _fixed_rows(run: Run, count: int) -> list[list[int]]:
    """Token ids of the first training rows with their targets."""
    rows, chat = run.data.train, run.chat
    found = []
    for row in rows.select(range(min(count, len(rows)))):
        imitated = row.get("completion")
        answer = imitated[0]["content"] if imitated else run.recipe.task.target(unpack(row[COLUMN]))
        found.append(chat.ids(chat.answered(row["prompt"], answer))[-PROBE_TOKENS:])
    return found


class MonitoringCallback(TrainerCallback):
    """Tells the observer where a step begins and ends, and writes down what is logged.

    Args:
        evaluations: of the run so far; the latest one is written down in full.
        evaluate_after: whether the last step is evaluated.
    """

    def __init__(
        self,
        trainer: Trainer,
        observer: Observer | None,
        records: Records,
        evaluations: EvaluationHistory,
        evaluate_after: bool = False,
        trackers: Trackers | None = None,
    ):
        self.trainer, self.observer, self.records, self.trackers = trainer, observer, records, trackers
        self.evaluations, self.evaluate_after = evaluations, evaluate_after
        self.figures = trackers is not None and trackers.figures

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Cut off what was logged after the checkpoint: a resumed run writes it again."""
        if self.observer is not None:
            self.observer.begin(
                float(self.trainer._total_train_tokens or state.num_input_tokens_seen or 0)
            )  # SFT's count, GRPO's
        if self.records.folder is not None and state.global_step:
            cut(self.records.folder.parent, state.global_step)

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Probe where it is time; the step is training but for what is measured apart."""
        if self.observer is not None:
            self.observer.step_begins(state.global_step, state.max_steps)
            self.observer.clock.begin("training")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Close the step; the last one is logged, and evaluated where the recipe evaluates at the end, while trackers
        still listen."""
        if self.observer is not None:
            self.observer.clock.end("training")
            self.observer.step_ends()
        if state.global_step >= state.max_steps:
            control.should_log = True
            control.should_evaluate |= self.evaluate_after
        return control

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Keep every scalar, and what is more than a scalar, on the main process."""
        if not state.is_world_process_zero or not logs:
            return
        taken = self.observer is not None and "loss" in logs
        artifacts = self.observer.take_artifacts() if taken else Artifacts()
        self.records.log(state.global_step, logs)
        keep(self.records, state.global_step, artifacts)
        if "eval/accuracy" in logs and self.evaluations:
            result = self.evaluations[-1][1]
            outcomes = {a.id: a.correct for a in result.answered}
            answered = [vars(a) for a in result.answered[:KEPT]]
            self.records.write(
                "evaluations", step=state.global_step, **result.as_dict(), outcomes=outcomes, answered=answered
            )
        if self.trackers is not None:
            self.trackers.log(state.global_step, logs, artifacts, self._figures(logs))

    def _figures(self, logs: dict[str, Any]) -> dict[str, Figure]:
        """At an evaluation, every figure of the run so far, where the recipe wants trackers to have them."""
        if "eval/accuracy" not in logs or not self.figures:
            return {}
        return attempt("the figures", lambda: figures(load(self.records.folder.parent))) or {}

    def close(self) -> None:
        """End the run in its trackers."""
        if self.trackers is not None:
            self.trackers.close()


def keep(records: Records, step: int, artifacts: Artifacts) -> None:
    """Write what is more than a number."""
    records.histograms(step, artifacts.histograms)
    records.write_all("samples", [{"step": step, **sample} for sample in artifacts.samples])
    if artifacts.confusion:
        records.write("confusion", step=step, counts=artifacts.confusion)
    records.write_all("attention", [{"step": step, **heat_map} for heat_map in artifacts.maps])
    if artifacts.embeddings:
        records.write("embeddings", step=step, vectors=artifacts.embeddings)
