"""What happens once a model is trained: saved, measured, its card and report written, and published."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ratchet.evaluation.outcome import outcome
from ratchet.files import write_json, write_text
from ratchet.hub.card import model_card
from ratchet.hub.uploads import push_finished
from ratchet.reporting.page.write import write
from ratchet.runtime import attempt
from ratchet.training.left import note_what_is_left, nothing_is_left
from ratchet.training.services import RunServices
from ratchet.training.summary import summary
from ratchet.training.trainers.mixins import RecipeTrainer


def finish(trainer: RecipeTrainer, services: RunServices) -> dict[str, Any]:
    """Save and measure the trained model, and write what is left to read; returns what ``result.json`` holds."""
    seconds, recipe = services.checkpoints.seconds, services.run.recipe
    services.checkpoints.save_trained()
    if recipe.evaluation.after and not _measured_as_saved(trainer, services):
        trainer.evaluate()
    services.monitoring.close()
    result = outcome(services.evaluations, recipe, trainer.state.global_step, seconds)
    if services.distiller is not None:
        result["distillation"] = services.distiller.measured
    result["alarms"] = services.alarms.monitor.raised
    if trainer.accelerator.is_main_process:
        _write(services, result)
    with _unhurried(services):
        if services.elsewhere is not None:
            services.elsewhere.close()
        if services.uploads is not None:
            push_finished(services.uploads, recipe.output_dir, trainer.state.global_step)
        services.checkpoints.tidy()
        if trainer.accelerator.is_main_process:
            nothing_is_left(recipe.output_dir)
        trainer.accelerator.wait_for_everyone()
    trainer.end()
    return result


def _measured_as_saved(trainer: RecipeTrainer, services: RunServices) -> bool:
    """Whether the last evaluation was of the weights that are there now: not of a last step after which the best one
    was loaded."""
    step = trainer.state.global_step
    best = trainer.state.best_global_step if trainer.args.load_best_model_at_end else None
    return bool(services.evaluations) and services.evaluations[-1][0] == step and best in (None, step)


def _write(services: RunServices, result: dict[str, Any]) -> None:
    """The card, the result, the report, and the summary at the terminal."""
    recipe, folder = services.run.recipe, Path(services.run.recipe.output_dir)
    write_text(folder / "README.md", model_card(recipe, folder, result))
    note_what_is_left(folder)
    write_json(folder / "result.json", result)
    page = attempt("the report", lambda: write(folder)) if recipe.report.mode == "on" else None
    print(summary(services.evaluations, recipe, result, page), flush=True)


@contextmanager
def _unhurried(services: RunServices) -> Iterator[None]:
    """Nothing is computed any more, and evaluations and uploads may take long: no process counts as hanging."""
    recipe = services.run.recipe
    pushing = recipe.faults.upload_wait if recipe.get("push_to_hub") else 0.0
    with services.watchdog.resting(pushing if recipe.publish.evaluate == "off" else math.inf):
        yield
