"""How often student and teacher are right before the first step: a teacher that is not better teaches nothing good."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from accelerate.utils import broadcast_object_list
from trl.models import unwrap_model_for_generation

from ratchet.errors import UserError
from ratchet.evaluation.evaluate import Result, evaluate, rows_to_evaluate
from ratchet.evaluation.run import generator_there
from ratchet.inference.local import generator
from ratchet.inference.openai_server import Server, with_model
from ratchet.recipe.distillation import OWN, is_server, server_base
from ratchet.tasks.base import Task
from ratchet.training.distillation.context import Context, told_task
from ratchet.training.distillation.teachers import LocalTeacher, Teacher
from ratchet.training.prepare import Run

CLEAR = 0.05  # chance that two equally good ones differ so much
STUDENT, TOLD, TEACHER = "student", "student with the context", "teacher"


def measured(trainer: Any, run: Run, teacher: Teacher, context: Context | None, pool: Any) -> dict[str, Result]:
    """Who was measured -> result, on the same held-out rows: the student without and with the context, and the teacher
    with it where that is somebody else. Every process must call this."""
    recipe = run.recipe
    settings = replace(recipe.evaluation, max_rows=recipe.distillation.measure, samples=0, show=0)
    rows = rows_to_evaluate(recipe.task, settings)
    told = recipe.task if context is None else told_task(recipe.task, context)

    def of(name: str, task: Task, generate: Callable[..., Any]) -> Result:
        return evaluate(task, rows, settings, recipe.answer_limit, generate, name, pool)

    with unwrap_model_for_generation(trainer.model_wrapped, trainer.accelerator) as model:
        found = {STUDENT: of(STUDENT, recipe.task, generator(model, run.chat))}
        if context is not None:
            found[TOLD] = of(TOLD, told, generator(model, run.chat))
    name = recipe.distillation.teacher
    if name in OWN:  # at the first step they have the student's own weights
        return found
    if is_server(name):
        found[TEACHER] = _of_server(recipe, name, lambda generate: of(TEACHER, told, generate), trainer)
    elif isinstance(teacher, LocalTeacher):
        with teacher.model() as model, unwrap_model_for_generation(model, trainer.accelerator) as plain:
            found[TEACHER] = of(TEACHER, told, generator(plain, run.chat))
    return found


def _of_server(recipe: Any, url: str, of: Callable[[Any], Result], trainer: Any) -> Result:
    """Asked by the main process alone."""
    found = None
    if trainer.accelerator.is_main_process:
        settings = recipe.distillation
        server = with_model(Server(server_base(url), settings.model, key=settings.key), "distillation.model")
        found = of(generator_there(recipe, server, recipe.output_dir / "teacher.partial.jsonl"))
    return broadcast_object_list([found])[0]


def lines(found: dict[str, Result]) -> list[str]:
    """What was measured, a line each."""
    return [f"{name:<26} accuracy {result.accuracy}" for name, result in found.items()]


def refuse_worse(found: dict[str, Result]) -> None:
    """
    Raises:
        UserError: where the teacher is not clearly more often right than the student (McNemar's test on the same
            rows).
    """
    who, teacher = [*found.items()][-1]
    if who == STUDENT:
        return
    paired = teacher.compare(found[STUDENT])
    if paired["difference"] <= 0 or paired["p"] > CLEAR:
        raise UserError(
            f"the teacher ({who}) is right on {teacher.accuracy} and the student without the context on "
            f"{found[STUDENT].accuracy}; the difference may be chance (p = {paired['p']:.2g} on the same "
            "rows), so there is nothing to learn from it. A model has to be able to read a context: "
            "warm it up on prompts that have one, take another context, or a larger teacher; "
            "distillation.must_be_better: false goes on all the same"
        )
