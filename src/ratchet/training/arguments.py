"""From a checked recipe to TRL's configuration objects."""

from typing import Any

from transformers import TrainingArguments
from trl import ModelConfig, get_peft_config, get_quantization_config

from ratchet.errors import UserError
from ratchet.models.adapters import REFERENCE, beside
from ratchet.recipe import Recipe
from ratchet.recipe.method import imported
from ratchet.training.prepare import Run
from ratchet.training.trackers.registry import wanted
from ratchet.training.trainers.build import module_of


def make_arguments(recipe: Recipe) -> tuple[TrainingArguments, ModelConfig]:
    """TRL's trainer and model configurations of a recipe.

    Raises:
        UserError: for what TRL itself refuses.
    """
    method = recipe.method
    values = recipe.arguments(method.section)
    values.setdefault("activation_checkpointing", not recipe.get("use_cpu"))
    values.setdefault("logging_nan_inf_filter", False)  # it would show a non-finite loss as 0
    values.setdefault("ddp_find_unused_parameters", False)
    values["disable_tqdm"] = True
    # The other trackers are opened by ``training.trackers``.
    values["report_to"] = _installed(wanted(recipe.get("report_to"))[1]) or "none"
    values["eval_on_start"] = recipe.evaluation.before
    values = module_of(method).adapt(recipe, values)
    try:
        return imported(method.config)(**values), ModelConfig(**recipe.arguments("model"))
    except (TypeError, ValueError, ImportError) as error:
        raise UserError(f"{recipe.path}: TRL refuses these values: {error}") from None


def model_settings(run: Run) -> dict[str, Any]:
    """``model_init_kwargs``: what TRL loads the model with. The recipe's own wins."""
    model = run.model_arguments
    found = {"attn_implementation": model.attn_implementation, "dtype": model.dtype}
    return {**found, **(run.arguments.model_init_kwargs or {})}


def starting_model(run: Run) -> Any:
    """What TRL is given as its model: a folder, which it loads itself, or a model with an adapter on it."""
    if run.adapter is None:
        return run.model_path
    settings = dict(run.arguments.model_init_kwargs)
    run.arguments.model_init_kwargs = None  # TRL's, for what it loads
    quantization = get_quantization_config(run.model_arguments)
    if quantization is not None:
        settings["quantization_config"] = quantization
    model = beside(run.adapter, trainable=True, **settings)
    if run.recipe.method.samples and not run.recipe.get("beta"):  # else TRL makes it
        _keep_as_reference(model)
    return model


def _keep_as_reference(model: Any) -> None:
    """A frozen copy of the adapter under the name that TRL gives it: the model as it is when training begins."""
    model.add_adapter(REFERENCE, model.peft_config["default"])
    for name, weight in list(model.named_parameters()):
        if ".default." in name:
            model.get_parameter(name.replace(".default.", f".{REFERENCE}.")).data.copy_(weight.data)


def trainer_extras(run: Run) -> dict[str, Any]:
    """LoRA and quantisation as the recipe says; nothing where the model has its adapter already."""
    model = run.model_arguments
    extras: dict[str, Any] = {}
    if run.adapter is not None:
        return extras
    if model.use_peft:
        extras["peft_config"] = get_peft_config(model)
    quantization = get_quantization_config(model)
    if quantization is not None:
        extras["quantization_config"] = quantization
    return extras


def _installed(names: list[str]) -> list[str]:
    """Those of transformers' own trackers that are there; the others cost a warning."""
    from transformers.integrations import get_available_reporting_integrations

    missing = [name for name in names if name not in get_available_reporting_integrations()]
    for name in missing:
        print(
            f'warning: report_to: {name} is not installed; pip install "{name}". The run continues without it',
            flush=True,
        )
    return [name for name in names if name not in missing]
