"""Puts diagnostics, the run's own record, and trackers into a trainer."""

from typing import Any

from transformers import TrainerCallback

from ratchet.diagnostics.artifacts import Artifacts
from ratchet.diagnostics.observer import Observer
from ratchet.diagnostics.rollouts import RolloutObserver
from ratchet.files import write_json
from ratchet.record.records import Records, cut
from ratchet.record.run_data import load
from ratchet.reporting.figures.figures import figures
from ratchet.reporting.figures.plotly import Figure
from ratchet.runtime import attempt
from ratchet.training.provenance import about
from ratchet.training.trackers.registry import Trackers
from ratchet.training.vllm_server import time_weight_sync

PROBE_TOKENS = 512  # of a fixed row, the last ones
KEPT = 400  # completions of an evaluation


def observe(trainer: Any, prepared: Any) -> None:
    """Watch the run as the recipe's ``diagnostics`` group says, and keep what is logged in its folder."""
    recipe = prepared.recipe
    main = trainer.accelerator.is_main_process
    records = Records(recipe.output_dir if main else None)
    prepared.alarms.records = records
    observer = None
    if recipe.diagnostics.mode == "on":
        rows = _fixed_rows(prepared, recipe.diagnostics.rows * trainer.accelerator.num_processes)
        if recipe.trainer == "grpo":
            observer = RolloutObserver(trainer, recipe.diagnostics, rows, recipe.task)
            trainer.listeners.append(observer.graded)
        else:
            observer = Observer(trainer, recipe.diagnostics, rows)
        time_weight_sync(trainer, observer.clock)
    trainer.observer = observer
    if main:
        write_json(recipe.output_dir / "run.json", about(trainer, prepared))
    trackers = Trackers(recipe, recipe.output_dir, prepared.start.checkpoint is not None) if main else None
    trainer.watching = MonitoringCallback(trainer, observer, records, recipe.evaluation.after, trackers)
    trainer.add_callback(trainer.watching)


def _fixed_rows(prepared: Any, count: int) -> list[list[int]]:
    """Token ids of the first training rows with their targets."""
    rows, tokenizer, recipe = prepared.data.train, prepared.tokenizer, prepared.recipe
    arguments = recipe.values.get("chat_template_kwargs") or {}
    found = []
    for row in rows.select(range(min(count, len(rows)))):
        answer = row.get("completion") or [{"role": "assistant", "content": recipe.task.target(row)}]
        text = tokenizer.apply_chat_template(row["prompt"] + answer, tokenize=False, **arguments)
        found.append(tokenizer(text, add_special_tokens=False)["input_ids"][-PROBE_TOKENS:])
    return found


class MonitoringCallback(TrainerCallback):
    """Tells the observer where a step begins and ends, and writes down what is logged."""

    def __init__(
        self,
        trainer: Any,
        observer: Observer | None,
        records: Records,
        evaluate_after: bool,
        trackers: Trackers | None = None,
    ):
        self.trainer, self.observer, self.records, self.trackers = trainer, observer, records, trackers
        self.evaluate_after = evaluate_after
        self.figures = trackers is not None and trackers.figures

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A run that goes on from a checkpoint writes later entries again."""
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
        """Close the step; the last one is logged, and evaluated where the recipe evaluates at the end, while trackers still listen."""
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
        if "eval/accuracy" in logs and self.trainer.results:
            result = self.trainer.results[-1][1]
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
