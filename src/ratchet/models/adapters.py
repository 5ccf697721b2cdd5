"""Adapters: which model they belong to, how a recipe goes on from one, and merging one into its model."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ratchet.errors import UserError
from ratchet.models.folder import locate

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CONFIG = "adapter_config.json"
INITIAL_MODEL = "initial_model"
"""A folder in a run's output folder, for the model that the run made itself before it trained it."""
REFERENCE = "ref"
"""TRL's name for the frozen copy of an adapter that is trained further."""
# Keys of a recipe, and what an adapter's own configuration calls them.
SETTINGS = {"lora_r": "r", "lora_alpha": "lora_alpha", "lora_dropout": "lora_dropout", "use_rslora": "use_rslora"}

Mode = Literal["continue", "merge"]


def adapter_settings(path: str) -> dict[str, Any] | None:
    """The configuration of the adapter in a folder; None for a folder with a whole model.

    Raises:
        UserError: for one that cannot be read.
    """
    file = Path(path, CONFIG)
    if not file.is_file() or Path(path, "config.json").is_file():
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        found["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} cannot be read as an adapter's configuration ({error})") from None
    return found


def base_of(path: str) -> str:
    """The folder of the whole model: the path itself, or for an adapter's folder the model that it belongs to.

    Raises:
        UserError: where that model is not there any more.
    """
    settings = adapter_settings(path)
    return path if settings is None else locate(base_name(path), settings.get("revision"))


def base_name(path: str) -> str:
    """The model that an adapter's folder belongs to, by its folder or its name on the Hub.

    Raises:
        UserError: where that is a folder which is not there any more.
    """
    settings = adapter_settings(path) or {}
    base = str(settings["base_model_name_or_path"])
    # A run that was moved takes the model along that it made itself.
    beside = (Path(path, INITIAL_MODEL), Path(path).parent / INITIAL_MODEL)
    for place in (Path(base), *(beside if Path(base).name == INITIAL_MODEL else ())):
        if (place / "config.json").is_file():
            return str(place)
    if Path(base).is_absolute() or base.count("/") > 1 or base.startswith("."):
        raise UserError(
            f"{path} is an adapter to the model in {base}, which is not there; put it there, or name its place as "
            f"base_model_name_or_path in {Path(path, CONFIG)}"
        )
    return base


def mode_of(values: Mapping[str, Any], path: str) -> Mode | None:
    """How a recipe goes on from its model: with its adapter, or with the merged weights; None where it has no adapter.

    Args:
        values: the recipe's keys.
        path: what ``model_name_or_path`` stands for.

    Raises:
        UserError: where the recipe contradicts the adapter.
    """
    settings, wanted = adapter_settings(path), values.get("adapter")
    if settings is None:
        if wanted:
            raise UserError(f"adapter: {wanted} says how to go on from an adapter, and {path} is a whole model")
        return None
    uses = bool(values.get("use_peft"))
    mode = wanted or ("continue" if uses else "merge")
    if mode == "merge":
        return mode
    if not uses:
        raise UserError("adapter: continue trains the adapter, which needs use_peft: true (or adapter: merge)")
    told = {key: (values[key], settings.get(name)) for key, name in SETTINGS.items() if key in values}
    differing = [f"{key}: {said} (the adapter has {own})" for key, (said, own) in told.items() if said != own]
    wanted_modules, own_modules = values.get("lora_target_modules"), settings.get("target_modules")
    if wanted_modules and wanted_modules != ["all-linear"] and set(wanted_modules) != set(own_modules or ()):
        differing.append(f"lora_target_modules: {wanted_modules} (the adapter has {sorted(own_modules or ())})")
    if differing:
        raise UserError(
            f"{path} is an adapter that training goes on with as it is: take out {', '.join(differing)}, or write "
            "adapter: merge, which merges it into its model and begins a new one"
        )
    return mode


def merged(path: str, dtype: str = "float32") -> "PreTrainedModel":
    """The model of an adapter's folder with the adapter merged into it."""
    return beside(path, dtype=dtype).merge_and_unload()


def beside(path: str, trainable: bool = False, **settings: Any) -> Any:
    """The model of an adapter's folder with its adapter on it.

    Args:
        trainable: whether it is to be trained further.
        settings: for loading the model.
    """
    from peft import PeftModel

    return PeftModel.from_pretrained(_base(path, **settings), path, is_trainable=trainable)


def _base(path: str, dtype: Any, **settings: Any) -> "PreTrainedModel":
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(base_of(path), dtype=dtype, trust_remote_code=False, **settings)


def save_merged(path: str, folder: Path) -> None:
    """Write the merged model and its tokenizer; merged in float32, and saved in the type of the adapter's model."""
    from transformers import AutoConfig, AutoTokenizer

    model = merged(path)
    kind = getattr(AutoConfig.from_pretrained(base_of(path), trust_remote_code=False), "dtype", None)
    (model if kind is None else model.to(kind)).save_pretrained(folder)
    own = Path(path, "tokenizer_config.json").is_file()
    AutoTokenizer.from_pretrained(path if own else base_of(path)).save_pretrained(folder)


def write_merged(path: str, folder: Path) -> float:
    """Write the merged model, and compare it with the model that has the adapter beside it, on some tokens.

    Returns:
        The largest difference of a token's log-probability; what rounding to the saved type makes of it.

    Raises:
        UserError: where there is no adapter, or the folder is not empty.
    """
    import torch
    from transformers import AutoModelForCausalLM

    if adapter_settings(path) is None:
        raise UserError(f"{path} holds no adapter ({CONFIG}); there is nothing to merge")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"--output: {folder} is there already and not empty; name another, or take it away first")
    save_merged(path, folder)
    unmerged = beside(path, dtype="float32").eval()
    whole = AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
    size = whole.get_input_embeddings().num_embeddings
    ids = torch.randint(size, (4, 32), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = [model(input_ids=ids).logits.log_softmax(-1) for model in (unmerged, whole)]
    return float((found[0] - found[1]).abs().max())
