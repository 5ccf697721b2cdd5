"""What has no meaning in prime-rl, or another one that would spoil the run, is refused before anything is written."""

from collections.abc import Iterator

from ratchet.errors import UserError
from ratchet.plan.checks import NOT_BIASED
from ratchet.recipe import Recipe

ENVIRONMENTS = {"aquarat": "ratchet-aquarat", "dakota": "ratchet-dakota"}


def refuse(recipe: Recipe) -> None:
    """Raise a UserError with everything that cannot be carried over."""
    if not recipe.method.rewarded:
        raise UserError(f"{recipe.path}: prime-rl's rl engine takes GRPO recipes, this is {recipe.trainer}")
    wrong = [*_of_task_and_model(recipe), *_of_numbers(recipe), *_of_teacher(recipe), *_of_rows(recipe)]
    if wrong:
        raise UserError("\n".join([f"{recipe.path} cannot be carried over to prime-rl:", *wrong]))


def _of_task_and_model(recipe: Recipe) -> Iterator[str]:
    if recipe.task.name not in ENVIRONMENTS:
        yield f"task: {recipe.task.name} has no environment package; environments/README.md shows how to make one"
    if recipe.from_scratch is not None or recipe.values.get("model_name_or_path") == "ratchet-tiny":
        yield (
            "model_name_or_path: prime-rl loads a model by its name on the Hub or its folder; "
            "this recipe makes one of its own"
        )


def _of_numbers(recipe: Recipe) -> Iterator[str]:
    get = recipe.get
    if get("load_in_4bit") or get("load_in_8bit"):
        yield "load_in_4bit, load_in_8bit: prime-rl trains no quantised weights"
    if get("use_cpu"):
        yield "use_cpu: prime-rl needs GPUs"
    if get("fp16"):
        yield "fp16: prime-rl trains in bfloat16"
    if get("beta"):
        yield (
            f"beta: {get('beta')}: prime-rl has no reference model "
            "(its kl_tau weighs the distance to the sampler); set beta: 0.0"
        )
    for key, harmless in NOT_BIASED.items():
        if get(key) not in harmless:
            yield (
                f"{key}: {get(key)}: prime-rl trains on samples of the untouched distribution; "
                f"set {key}: {harmless[0]}"
            )


def _of_teacher(recipe: Recipe) -> Iterator[str]:
    if recipe.distillation is not None:
        yield (
            "distillation: prime-rl's opd and opsd ask a teacher of their own configuration, and know neither adv_tau "
            "nor forms; take the group out, and write its [orchestrator.teacher] by hand"
        )


def _of_rows(recipe: Recipe) -> Iterator[str]:
    if recipe.curriculum is not None:
        yield "curriculum: prime-rl's own pools and filters go by other rules; set curriculum: null"
    if getattr(recipe.task, "source", None) == "generated":
        yield (
            "data.source: generated rows of this recipe's making are not what the environment package would make; "
            "name a folder or a data set"
        )
