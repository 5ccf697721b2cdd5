"""Sampling is what a recipe says; what a model's own generation_config.json would add is named, and not used."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import GenerationConfig

IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
# Not about which token is drawn, or always said by the caller.
SAID = (
    "do_sample",
    "temperature",
    "top_p",
    "top_k",
    "max_length",
    "max_new_tokens",
    "use_cache",
    "cache_implementation",
)
PLAIN = {"repetition_penalty": 1.0, "min_p": None, "no_repeat_ngram_size": 0, "length_penalty": 1.0, "num_beams": 1}


def neutral(config: "GenerationConfig") -> "GenerationConfig":
    """A configuration with the special tokens of another one, and nothing else."""
    from transformers import GenerationConfig

    return GenerationConfig(**{name: getattr(config, name, None) for name in IDS})


def own_sampling(folder: str) -> dict[str, Any]:
    """What a model's file would change about sampling: name -> value; nothing for a name on the Hub."""
    try:
        found = json.loads((Path(folder) / "generation_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    beside = {
        name: value
        for name, value in found.items()
        if name not in (*IDS, *SAID, "transformers_version") and not name.startswith("_")
    }
    told = {name: value for name, value in beside.items() if not name.startswith("output_") and value is not False}
    return {name: value for name, value in told.items() if value is not None and PLAIN.get(name) != value}
