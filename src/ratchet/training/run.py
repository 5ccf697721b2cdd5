"""The life-cycle that all methods share: decide the start, prepare, build, train, finish.

Everything that can be known to be wrong is found before the model is loaded; what a run leaves behind in its
``output_dir`` is

    recipe.yaml     the resolved recipe, which can be run as it is
    checkpoint-*/   as TRL saves them
    *.safetensors   the final model with its tokenizer, README.md (the model card) and trainer_state.json
    result.json     accuracy before and after, with intervals and baselines
    run.json        command, commit, data, versions, hardware
    diagnostics/    everything that was logged (see ``record.records``)
    report.html     the page about the run, and report.md
"""

import time
from contextlib import nullcontext
from typing import Any

from ratchet.checkpoints.resume import LATEST
from ratchet.errors import Stopped
from ratchet.files import alone, lock_of
from ratchet.recipe import Recipe
from ratchet.runtime import main_process
from ratchet.training.diagnose_crash import explained
from ratchet.training.left import do_what_is_left
from ratchet.training.output_folder import discard_staging
from ratchet.training.start import Decision, check_launcher, decide


def train(recipe: Recipe, resume: str = LATEST, allow_changes: bool = False) -> dict[str, Any]:
    """Carry out a recipe; returns what ``result.json`` holds.

    Args:
        resume: what it resumes from, and ``allow_changes``: although something changed (see ``checkpoints.resume``).

    Raises:
        UserError: for everything that is wrong with recipe, data, model or machine.
        Stopped: where the same command resumes the run.
    """
    check_launcher()
    began, folder = time.perf_counter(), recipe.output_dir
    # Two runs on one output folder would mix: the second one is refused, before it touches anything.
    lock = alone(lock_of(folder), f"output_dir: {folder}", "--output_dir") if main_process() else nullcontext()
    with lock, explained(recipe):
        try:
            decision = decide(recipe, resume, allow_changes)
            if decision.start.finished is not None:
                return _finished(recipe, decision.start.finished)
            return _carry_out(recipe, decision, began)
        finally:
            if main_process():  # of a run that has started it is gone
                discard_staging(recipe)


def _carry_out(recipe: Recipe, decision: Decision, began: float) -> dict[str, Any]:
    """A new or resumed run, from its rows to its report."""
    # Imported here, since a wrong recipe and a finished run need neither PyTorch nor TRL.
    from ratchet.training.faults import Fault
    from ratchet.training.finish import finish
    from ratchet.training.prepare import prepare
    from ratchet.training.services import RunServices
    from ratchet.training.summary import announcement
    from ratchet.training.trainers.build import build_trainer

    run = prepare(recipe, decision.arguments, decision.model_arguments, decision.start)
    if main_process():
        print(announcement(run), flush=True)
    services = RunServices(run, began)
    trainer = build_trainer(run, services)
    checkpoint = run.start.checkpoint
    try:
        with services.stopping.listening(), services.watchdog.watching(trainer.model):
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint.path))
            result = finish(trainer, services)
            services.close()  # takes a moment, in which a signal must not make a failure of a finished run
            return result
    except (Fault, Stopped) as error:  # known to all processes
        if isinstance(error, Fault):
            services.checkpoints.roll_back()
        services.monitoring.close()
        error.say()
        # A launcher ends the others as soon as one process has left, and the others may still have something to say.
        trainer.accelerator.wait_for_everyone()
        trainer.end()
        raise
    finally:
        services.close()


def _finished(recipe: Recipe, result: dict[str, Any]) -> dict[str, Any]:
    """Say that there is nothing left to do."""
    if main_process():
        do_what_is_left(recipe)
        accuracy = (result.get("after") or {}).get("accuracy")
        reached = "" if accuracy is None else f", accuracy {accuracy:.3f}"
        print(
            f"{recipe.output_dir}: this run is finished ({result.get('steps')} steps{reached}); --resume never runs "
            "it again, and moves this one aside"
        )
    return result
