"""How a run starts: new, resumed, or finished already. Decided once, on the main process, and told to all others."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ratchet.checkpoints.resume import Start, choose
from ratchet.errors import UserError
from ratchet.hub.fetch import last_checkpoint
from ratchet.recipe import Recipe
from ratchet.runtime import check_builds, check_device, import_at_once, main_process, quiet
from ratchet.training.output_folder import has_initial_model, makes_its_model, open_staging

if TYPE_CHECKING:
    from transformers import TrainingArguments
    from trl import ModelConfig


@dataclass
class Decision:
    """The start of a run, the same on all processes, and TRL's arguments, which set the processes up."""

    start: Start
    arguments: "TrainingArguments | None" = None
    model_arguments: "ModelConfig | None" = None


def check_launcher() -> None:
    """Refuse an environment in which processes would wait for others that nobody starts.

    Raises:
        UserError: where WORLD_SIZE is set, and no launcher has set the rest.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "MASTER_ADDR" not in os.environ:
        raise UserError(
            "the environment variable WORLD_SIZE is set, but no launcher is at work; start with accelerate launch, "
            "or unset it"
        )


def decide(recipe: Recipe, resume: str, allow_changes: bool) -> Decision:
    """Find what the run resumes from, if anything; a new or resumed one gets its staging folder and TRL's arguments.

    Every process must call this. The order matters: a model from a configuration is built before TRL's arguments
    switch ZeRO-3 on, under which one process cannot build it; and the arguments set the process group up, over which
    the others hear the decision. A finished run of one process ends before a heavy library is imported.

    Raises:
        UserError: for a checkpoint that cannot be resumed from, or a recipe that TRL or the machine refuses.
    """
    start = choose(recipe, resume, allow_changes, download=last_checkpoint) if main_process() else Start()
    if start.finished is not None and recipe.processes == 1:
        return Decision(start)
    quiet()
    check_device(recipe)
    check_builds()
    import_at_once("ratchet.training.prepare", recipe.method.module, "ratchet.training.services")
    if main_process() and start.finished is None:
        open_staging(recipe)
        if makes_its_model(recipe) and not has_initial_model(recipe, start):
            from ratchet.training.prepare import build_initial_model

            build_initial_model(recipe)
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    from ratchet.training.arguments import make_arguments

    arguments, model_arguments = make_arguments(recipe)
    PartialState()
    return Decision(broadcast_object_list([start])[0], arguments, model_arguments)
