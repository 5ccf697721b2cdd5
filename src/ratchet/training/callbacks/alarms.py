"""The audit's alarms during a run: printed once each, and kept in the run's record and in result.json."""

from collections.abc import Sequence
from typing import Any

from transformers import TrainerCallback

from ratchet.audit.alarms import AlarmMonitor
from ratchet.record.records import Records
from ratchet.rewards import Sample
from ratchet.tasks.base import Task


class AlarmCallback(TrainerCallback):
    """Feeds an ``AlarmMonitor`` with what is logged; ``saw`` feeds it with graded completions of this process."""

    def __init__(self, task: Task, computed_in: str = "bfloat16", rewarded: bool = True):
        self.task, self.monitor = task, AlarmMonitor(task.answers, computed_in, rewarded)
        self.records = Records(None)

    def saw(self, samples: Sequence[Sample]) -> None:
        """Take a graded batch."""
        self.monitor.answered([s.grade.answer for s in samples], [self.task.gold(s.row) or "" for s in samples])

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Look at a training log or an evaluation."""
        if not state.is_world_process_zero or not logs:
            return
        if "eval/accuracy" in logs:
            measured = (logs[f"eval/{name}"] for name in ("accuracy", "accuracy_low", "accuracy_high", "majority"))
            found = self.monitor.evaluated(state.global_step, *measured)
        else:
            found = self.monitor.logged(state.global_step, logs)
        for alarm in found:
            print(alarm, flush=True)
            self.records.write("alarms", step=state.global_step, text=alarm.removeprefix("alarm "))
