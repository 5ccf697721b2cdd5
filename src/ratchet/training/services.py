"""What a run gives its trainer beside TRL: checkpoints, signals, watchdog, faults, reward workers, uploads,
diagnostics.

A trainer is given one ``Services`` in its constructor, which binds it there; nothing is set on a trainer afterwards.
A part whose state a resumed run needs is registered in ``states`` (``tests/training/test_services.py`` finds one that
is forgotten). A new service is a field of ``Services``, a line in ``RunServices.bind``, and its use in
``trainers/mixins``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from transformers import Trainer, TrainerCallback

from ratchet.diagnostics.observer import Observer
from ratchet.evaluation.evaluate import Result, evaluate, rows_to_evaluate
from ratchet.files import write_json
from ratchet.hub.uploads import Uploads
from ratchet.inference.local import generator
from ratchet.launch.checkpoint_evaluations import Evaluations, evaluations_of
from ratchet.objectives import Objective
from ratchet.recipe.groups import Distillation
from ratchet.recipe.precision import compute_dtype
from ratchet.record.records import Records
from ratchet.rewards import Sample
from ratchet.rewards.trl_adapter import Grader
from ratchet.training.as_loaded import AsLoaded
from ratchet.training.callbacks.alarms import AlarmCallback
from ratchet.training.callbacks.checkpointing import CheckpointManager
from ratchet.training.callbacks.monitoring import MonitoringCallback, observer_of
from ratchet.training.callbacks.movement import Movement
from ratchet.training.callbacks.progress import ProgressLine
from ratchet.training.callbacks.stopping import Stopping
from ratchet.training.curriculum.curriculum import CurriculumCallback
from ratchet.training.exact_state import (
    EvaluationHistory,
    MovingReference,
    Rollouts,
    StateRegistry,
    TrainerSums,
)
from ratchet.training.faults import Faults
from ratchet.training.prepare import Run
from ratchet.training.provenance import about, made_from
from ratchet.training.reward_workers import RewardPool, reward_pool
from ratchet.training.trackers.registry import Trackers
from ratchet.training.vllm_engine import WeightsOfTheEngine
from ratchet.training.vllm_server import Server
from ratchet.training.watchdog import Watchdog

if TYPE_CHECKING:
    from ratchet.training.distillation.distiller import Distiller


@dataclass
class Services:
    """The parts beside TRL that a trainer calls; each is None where there is none, and then TRL does what it does
    alone."""

    faults: Faults | None = None
    """Counts what goes wrong without ending the run."""
    pool: RewardPool | None = None
    """Worker processes for grading and rewards."""
    grader: Grader | None = None
    """Scores completions for all reward functions."""
    listeners: list[Callable[[list[Sample]], None]] = field(default_factory=list)
    """Who is handed every graded batch of this process."""
    objective: Objective | None = None
    """Has an advantage of its own, in place of TRL's."""
    distils: Distillation | None = None
    """The recipe's settings of a teacher."""
    distiller: Distiller | None = None
    """Lets the teacher look at every generation."""
    checkpoints: CheckpointManager | None = None
    stopping: Stopping | None = None
    """Listens for signals."""
    watchdog: Watchdog | None = None
    """Ends a process that makes no progress."""
    server: Server | None = None
    """Stands before a vLLM server."""
    curriculum: CurriculumCallback | None = None
    as_loaded: AsLoaded | None = None
    """Puts the model's configuration back where it is saved."""
    movement: Movement | None = None
    """Whether the first steps change the weights."""
    engine: WeightsOfTheEngine | None = None
    """Whether what samples inside this process has the trainer's weights."""
    observer: Observer | None = None
    """Reads diagnostics off training."""
    measure: Callable[[Any], Result] | None = None
    """Evaluates an unwrapped model on held-out rows."""
    evaluations: EvaluationHistory = field(default_factory=EvaluationHistory)
    uploads: Uploads | None = None
    """Pushes to the Hub (main process)."""
    elsewhere: Evaluations | None = None
    """Has saved checkpoints evaluated elsewhere (main process)."""
    states: StateRegistry = field(default_factory=StateRegistry)
    """What a checkpoint holds beside transformers' own."""

    @property
    def start_model(self) -> Any:
        """The model as it was when training began, where a teacher keeps it; else None."""
        if self.distils is None or self.distils.teacher != "start" or self.distiller is None:
            return None
        return getattr(self.distiller.teacher, "kept", None)

    def bind(self, trainer: Trainer) -> None:
        """Called once, at the end of the trainer's constructor, for parts that need the trainer itself."""


class RunServices(Services):
    """The services of a whole run.

    Args:
        run: the prepared run.
        began: ``time.perf_counter()`` at the start of this process.
    """

    def __init__(self, run: Run, began: float | None = None):
        recipe = run.recipe
        super().__init__(faults=Faults(recipe.faults, recipe.output_dir))
        if recipe.objective is not None and recipe.objective.estimates:
            self.objective = recipe.objective
        self.distils = recipe.distillation
        self.run, self.began = run, time.perf_counter() if began is None else began
        self.alarms = AlarmCallback(recipe.task, compute_dtype(recipe), recipe.learns_from_rewards)
        self.listeners.append(self.alarms.saw)
        if not recipe.method.overlapped:  # or rollouts and rewards are made in a process of TRL's own
            self.pool = reward_pool(recipe)
        if recipe.method.rewarded:
            limit = recipe.completion_limit
            self.grader = Grader(recipe.task, recipe.rewards, limit, self.listeners, scorer=self.pool)

    def bind(self, trainer: Trainer) -> None:
        """Build what needs the trainer, register every state, and add the callbacks in the order of their work."""
        recipe, accelerator = self.run.recipe, trainer.accelerator
        self.checkpoints = CheckpointManager(
            trainer,
            self.states,
            recipe.checkpointing,
            self.run.start,
            made_from(trainer, self.run),
            run=recipe.output_dir,
            began=self.began,
            # It may wait for room on the disk, and write and hash very much.
            patience=recipe.checkpointing.wait_for_space + 2 * recipe.faults.hang_timeout,
        )
        self.stopping = Stopping(recipe.checkpointing.grace, accelerator)
        self.watchdog = Watchdog(recipe.faults.hang_timeout, self.faults.folder, accelerator)
        if self.pool is not None:
            self.pool.beat = self.watchdog.beat
        if recipe.served and not recipe.method.overlapped:
            self.server = Server(trainer, recipe, self.watchdog.beat)
        if recipe.curriculum is not None:
            self.curriculum = CurriculumCallback(recipe.curriculum, accelerator)
            self.listeners.append(self.curriculum.saw)
        if self.distils is not None:
            self.distiller = self._distiller(trainer)
        if accelerator.is_main_process:
            self._publish_beside()
        self.measure = self._measure()
        self.as_loaded = AsLoaded(trainer, self.run.model_path, self.run.published)
        self.movement = Movement(trainer)
        if recipe.colocated:
            self.engine = WeightsOfTheEngine(trainer, compute_dtype(recipe))
        self._watch(trainer)
        self._register(trainer)
        for callback in self._callbacks():
            trainer.add_callback(callback)

    def _distiller(self, trainer: Trainer) -> Distiller:
        """The recipe's teacher; its evaluation may take long, and no process counts as hanging meanwhile."""
        # Imported here: another of TRL's trainers comes with them, which most runs have no use for.
        from ratchet.training.distillation.context import context_of
        from ratchet.training.distillation.distiller import Distiller
        from ratchet.training.distillation.measure import measured
        from ratchet.training.distillation.teachers import teacher_of

        teacher, context = teacher_of(trainer, self.run), context_of(self.distils.context)

        def measure() -> dict[str, Result]:
            with self.watchdog.resting(math.inf):
                return measured(trainer, self.run, teacher, context, self.pool)

        return Distiller(trainer, self.run, teacher, context, measure)

    def _publish_beside(self) -> None:
        recipe = self.run.recipe
        if recipe.get("push_to_hub"):
            self.uploads = Uploads(recipe)
        self.elsewhere = evaluations_of(recipe, self.uploads)

    def _measure(self) -> Callable[[Any], Result] | None:
        """The recipe's evaluation of a model; None where it evaluates nothing."""
        recipe, settings = self.run.recipe, self.run.recipe.evaluation
        if not (settings.before or settings.after or recipe.get("eval_strategy") != "no"):
            return None
        rows, name = rows_to_evaluate(recipe.task, settings), str(recipe.output_dir)

        def measure(model: Any) -> Result:
            generate = generator(model, self.run.chat, "evaluating")
            return evaluate(recipe.task, rows, settings, recipe.answer_limit, generate, name, self.pool)

        return measure

    def _watch(self, trainer: Trainer) -> None:
        """Diagnostics as the recipe's ``diagnostics`` group says, and the record of all that is logged."""
        recipe, main = self.run.recipe, trainer.accelerator.is_main_process
        records = Records(recipe.output_dir if main else None)
        self.alarms.records = records
        self.observer = observer_of(trainer, self.run)
        if self.observer is not None and recipe.method.samples:
            self.listeners.append(self.observer.graded)
        if main:
            write_json(recipe.output_dir / "run.json", about(trainer, self.run, self.observer))
        resumed = self.run.start.checkpoint is not None
        trackers = Trackers(recipe, recipe.output_dir, resumed) if main else None
        self.monitoring = MonitoringCallback(
            trainer, self.observer, records, self.evaluations, recipe.evaluation.after, trackers
        )

    def _register(self, trainer: Trainer) -> None:
        """Every part that a checkpoint must hold. A part that is missing here makes a resumed run another one."""
        self.states.register("trainer", TrainerSums(trainer))
        if hasattr(trainer, "_buffered_inputs"):  # TRL's GRPOTrainer
            self.states.register("rollouts", Rollouts(trainer))
        self.states.register("alarms", self.alarms.monitor)
        self.states.register("faults", self.faults)
        self.states.register("movement", self.movement)
        if getattr(trainer, "regroups", False):
            self.states.register("lean", trainer.saved)
        if self.observer is not None:
            self.states.register("observer", self.observer)
        if self.curriculum is not None:
            self.states.register("curriculum", self.curriculum)
        if self.distiller is not None:
            self.states.register("teacher", self.distiller, when="run")
        self.states.register("evaluations", self.evaluations, when="run")
        self.states.register("reference", MovingReference(trainer), when="run")

    def _callbacks(self) -> list[TrainerCallback]:
        """In order: a state is restored before it is read, and alarms are raised before their log is written down."""
        first = [part for part in (self.curriculum, self.distiller) if part is not None]
        beside = [self.checkpoints, self.stopping, ProgressLine(), self.movement, self.alarms, self.monitoring]
        return [*first, *beside]

    def close(self) -> None:
        """End worker processes."""
        if self.pool is not None:
            self.pool.close()
