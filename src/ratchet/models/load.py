"""Find, load and check models and tokenizers; every fault is a sentence, before anything is trained."""

import sys
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ratchet.errors import UserError
from ratchet.models.adapters import adapter_settings, beside, merged
from ratchet.models.folder import check_folder, locate, refuse_unfitting
from ratchet.models.sampling import neutral

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig, PreTrainedModel, PreTrainedTokenizerBase

TRL = "trl:"
"""Before the name of a template that comes with TRL, in ``chat_template_path``."""


def load_tokenizer(
    path: str, trust_remote_code: bool = False, chat_template: str | None = None
) -> "PreTrainedTokenizerBase":
    """Load a tokenizer; ``chat_template`` is a .jinja file, one of TRL's ("trl:qwen3_training"), or a model's name.

    Raises:
        UserError: where there is none, or it has no chat template and none is given.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(_not_loaded("tokenizer", path, error)) from None
    if chat_template:
        tokenizer.chat_template = _template(chat_template)
    if tokenizer.chat_template is None:
        raise UserError(
            f"{path} has no chat template (base models often have none). "
            "Give one in the recipe: chat_template_path: FILE.jinja, "
            "or the name of a model of the same family that has one, or one that comes with TRL, as trl:qwen2_5"
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"  # generation continues at the right end of every row
    return tokenizer


def template_file(source: str) -> Path | None:
    """The file of a ``chat_template_path``; None where it names a model."""
    if source.startswith(TRL):
        return _trl_template(source.removeprefix(TRL))
    return Path(source).expanduser() if source.endswith((".jinja", ".j2")) else None


def _template(source: str) -> str:
    file = template_file(source)
    if file is None:
        return load_tokenizer(locate(source, weights=False)).chat_template
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"chat_template_path: {source} cannot be read ({error.strerror})") from None


def trl_templates() -> Path:
    """The folder of the chat templates that come with TRL, which is not imported for it."""
    return Path(find_spec("trl").origin).with_name("chat_templates")


def _trl_template(name: str) -> Path:
    known = {path.stem: path for path in trl_templates().glob("*.jinja")}
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"; did you mean {TRL}{near[0]}?" if near else f"; there are {', '.join(sorted(known))}"
        raise UserError(f"chat_template_path: TRL has no template {name}{hint}")
    return known[name]


def _not_loaded(what: str, path: str, error: Exception) -> str:
    return f"the {what} in {path} cannot be loaded: {(str(error) or type(error).__name__).splitlines()[0]}"


def position_limit(path: str) -> int | None:
    """``max_position_embeddings`` of a model, read from its configuration."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(path, trust_remote_code=False).get_text_config()
    except (OSError, ValueError, KeyError) as error:
        raise UserError(_not_loaded("model", path, error)) from None
    return getattr(config, "max_position_embeddings", None)


def load_for_evaluation(
    path: str, dtype: str, device: str, values: Mapping[str, Any] = MappingProxyType({})
) -> "PreTrainedModel":
    """Load a model to generate with; a LoRA adapter is merged into the base model that it names.

    Args:
        values: keys of the recipe that it was trained by: beside 4-bit weights an adapter is another model than beside
            whole ones, so they are quantised again, and it stays beside them.

    Raises:
        UserError: where the weights are missing or broken.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    settings = quantised(values, dtype)
    if settings is not None:
        settings = {"quantization_config": settings, "device_map": {"": device}}
    try:
        if adapter_settings(path) is not None:
            model = beside(path, dtype=dtype, **settings) if settings else merged(path, dtype)
        else:
            check_folder(path)
            model, info = AutoModelForCausalLM.from_pretrained(
                path, dtype=dtype, trust_remote_code=False, output_loading_info=True, **(settings or {})
            )
            refuse_unfitting(path, info)
    except (OSError, ValueError, KeyError, RuntimeError, AssertionError, IndexError, SafetensorError) as error:
        raise UserError(_not_loaded("model", path, error)) from None
    model.generation_config = neutral(model.generation_config)
    return (model if settings else model.to(torch.device(device))).eval()


def quantised(values: Mapping[str, Any], dtype: str) -> "BitsAndBytesConfig | None":
    """How a recipe quantises the weights beside its adapter, as TRL's ``get_quantization_config`` has it."""
    bits = next((bits for bits in ("4bit", "8bit") if values.get(f"load_in_{bits}")), None)
    if bits is None:
        return None
    if find_spec("bitsandbytes") is None:
        print(
            f"note: the run trained beside {bits.removesuffix('bit')}-bit weights, and these are whole ones, since "
            'bitsandbytes is not installed: figures may differ (pip install -e ".[quantization]")',
            file=sys.stderr,
        )
        return None
    from transformers import BitsAndBytesConfig

    if bits == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_compute_dtype=dtype,
        bnb_4bit_quant_type=values.get("bnb_4bit_quant_type", "nf4"),
        bnb_4bit_use_double_quant=bool(values.get("use_bnb_nested_quant")),
    )
