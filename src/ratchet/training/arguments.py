"""From a checked recipe to TRL's configuration objects."""

from typing import Any

from ratchet.errors import UserError
from ratchet.recipe import Recipe


def make_arguments(recipe: Recipe) -> tuple[Any, Any]:
    """TRL's trainer and model configurations of a recipe.

    Raises:
        UserError: for whatever TRL itself refuses.
    """
    from trl import GRPOConfig, ModelConfig, SFTConfig

    from ratchet.training.trackers.registry import wanted

    config = {"sft": SFTConfig, "grpo": GRPOConfig}[recipe.trainer] if recipe.asynchronous is None else _asynchronous()
    values = recipe.arguments(recipe.trainer)
    values.setdefault("activation_checkpointing", not recipe.get("use_cpu"))
    values.setdefault("logging_nan_inf_filter", False)  # it would show a loss that is no number as 0
    values.setdefault("ddp_find_unused_parameters", False)
    values["disable_tqdm"] = True
    values["report_to"] = (
        _installed(wanted(recipe.get("report_to"))[1]) or "none"
    )  # the others are opened by ``training.trackers``
    values["eval_on_start"] = recipe.evaluation.before
    if recipe.asynchronous is not None:
        from ratchet.training.trainers.async_grpo import arguments_of

        values = arguments_of(recipe, values)
    try:
        arguments = config(**values)
        model_arguments = ModelConfig(**recipe.arguments("model"))
    except (TypeError, ValueError, ImportError) as error:
        raise UserError(f"{recipe.path}: TRL refuses these values: {error}") from None
    return arguments, model_arguments


def _asynchronous() -> Any:
    from trl.experimental.async_grpo import AsyncGRPOConfig

    return AsyncGRPOConfig


def model_settings(prepared: Any) -> dict[str, Any]:
    """``model_init_kwargs``: what TRL loads the model with. The recipe's own wins."""
    model, recipe = prepared.model_arguments, prepared.recipe
    found = {"revision": model.model_revision, "attn_implementation": model.attn_implementation, "dtype": model.dtype}
    if recipe.from_scratch or recipe.values.get("model_name_or_path") != prepared.model_path:
        found.pop("revision")  # a folder has none
    return {**found, **(prepared.arguments.model_init_kwargs or {})}


def trainer_extras(prepared: Any) -> dict[str, Any]:
    """LoRA and quantisation as the recipe says."""
    from trl import get_peft_config, get_quantization_config

    model = prepared.model_arguments
    extras = {}
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
            f'warning: report_to: {name} is not installed; pip install "{name}". The run goes on without it',
            flush=True,
        )
    return [name for name in names if name not in missing]
