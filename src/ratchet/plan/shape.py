"""The sizes of a dense decoder, read from its configuration: enough to count parameters, operations and memory."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ratchet.errors import UserError
from ratchet.models.adapters import adapter_settings, base_name, mode_of
from ratchet.models.folder import on_hub
from ratchet.recipe import Recipe
from ratchet.recipe.makers import FETCHED, maker_of

TINY = Path(__file__).parents[1] / "models" / "tiny"


class Family(NamedTuple):
    """What the models of one architecture have in common, as transformers 5.23 builds them."""

    qk_norm: bool = False
    """Whether queries and keys are normalised."""
    gated: bool = True
    """Whether the MLP has a gate projection."""
    qkv_bias: bool = False
    """Whether the query, key and value matrices have a bias."""
    scaled_norms: bool = True
    """Whether norms have weights."""
    norms: int = 2
    """Norms of one block, but for those of queries and keys."""
    tied: bool = False
    """Whether embedding and head share their matrix where the configuration says nothing."""


FAMILIES: dict[str, Family] = {  # by model_type
    "llama": Family(),
    "mistral": Family(),
    "smollm3": Family(tied=True),
    "qwen2": Family(qkv_bias=True),
    "qwen3": Family(qk_norm=True),
    "gemma": Family(tied=True),
    "gemma2": Family(norms=4, tied=True),
    "gemma3_text": Family(qk_norm=True, norms=4, tied=True),
    "phi3": Family(),
    "nanochat": Family(qk_norm=True, gated=False, scaled_norms=False),
}

# name -> family, layers, hidden, intermediate, heads, key-value heads, head size, vocabulary, tied: from the models'
# published config.json
KNOWN: dict[str, tuple[str, int, int, int, int, int, int, int, bool]] = {
    "Qwen/Qwen3-0.6B": ("qwen3", 28, 1024, 3072, 16, 8, 128, 151936, True),
    "Qwen/Qwen3-1.7B": ("qwen3", 28, 2048, 6144, 16, 8, 128, 151936, True),
    "Qwen/Qwen3-4B": ("qwen3", 36, 2560, 9728, 32, 8, 128, 151936, True),
    "Qwen/Qwen3-8B": ("qwen3", 36, 4096, 12288, 32, 8, 128, 151936, False),
    "Qwen/Qwen3-14B": ("qwen3", 40, 5120, 17408, 40, 8, 128, 151936, False),
    "Qwen/Qwen3-32B": ("qwen3", 64, 5120, 25600, 64, 8, 128, 151936, False),
    "Qwen/Qwen2.5-0.5B": ("qwen2", 24, 896, 4864, 14, 2, 64, 151936, True),
    "Qwen/Qwen2.5-1.5B": ("qwen2", 28, 1536, 8960, 12, 2, 128, 151936, True),
    "Qwen/Qwen2.5-3B": ("qwen2", 36, 2048, 11008, 16, 2, 128, 151936, True),
    "Qwen/Qwen2.5-7B": ("qwen2", 28, 3584, 18944, 28, 4, 128, 152064, False),
    "Qwen/Qwen2.5-14B": ("qwen2", 48, 5120, 13824, 40, 8, 128, 152064, False),
    "Qwen/Qwen2.5-32B": ("qwen2", 64, 5120, 27648, 40, 8, 128, 152064, False),
    "Qwen/Qwen2.5-72B": ("qwen2", 80, 8192, 29568, 64, 8, 128, 152064, False),
    "meta-llama/Llama-3.2-1B": ("llama", 16, 2048, 8192, 32, 8, 64, 128256, True),
    "meta-llama/Llama-3.2-3B": ("llama", 28, 3072, 8192, 24, 8, 128, 128256, True),
    "meta-llama/Llama-3.1-8B": ("llama", 32, 4096, 14336, 32, 8, 128, 128256, False),
    "meta-llama/Llama-3.1-70B": ("llama", 80, 8192, 28672, 64, 8, 128, 128256, False),
    "google/gemma-3-270m": ("gemma3_text", 18, 640, 2048, 4, 1, 256, 262144, True),
    "google/gemma-3-1b": ("gemma3_text", 26, 1152, 6912, 4, 1, 256, 262144, True),
    "google/gemma-2-2b": ("gemma2", 26, 2304, 9216, 8, 4, 256, 256000, True),
    "google/gemma-2-9b": ("gemma2", 42, 3584, 14336, 16, 8, 256, 256000, True),
    "HuggingFaceTB/SmolLM2-135M": ("llama", 30, 576, 1536, 9, 3, 64, 49152, True),
    "HuggingFaceTB/SmolLM2-360M": ("llama", 32, 960, 2560, 15, 5, 64, 49152, True),
    "HuggingFaceTB/SmolLM2-1.7B": ("llama", 24, 2048, 8192, 32, 32, 64, 49152, True),
    "HuggingFaceTB/SmolLM3-3B": ("smollm3", 36, 2048, 11008, 16, 4, 128, 128256, True),
}
SUFFIXES = ("-Instruct", "-Base", "-Instruct-2507", "-Thinking-2507", "-it", "-pt")


@dataclass(frozen=True)
class Shape:
    """A decoder of ``layers`` blocks; all sizes are numbers of elements."""

    name: str
    family: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head: int
    vocabulary: int
    tied: bool

    @property
    def query(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head

    @property
    def key(self) -> int:
        """Width of all key heads together, which is that of the values too."""
        return self.kv_heads * self.head

    @property
    def gated(self) -> bool:
        """Whether the MLP has a gate projection."""
        return FAMILIES[self.family].gated

    @property
    def qk_norm(self) -> bool:
        """Whether queries and keys are normalised."""
        return FAMILIES[self.family].qk_norm

    @property
    def scaled_norms(self) -> bool:
        """Whether norms have weights."""
        return FAMILIES[self.family].scaled_norms

    @property
    def norms(self) -> int:
        """Norms of one block, but for those of queries and keys."""
        return FAMILIES[self.family].norms

    @property
    def linear(self) -> dict[str, tuple[int, int]]:
        """The matrices of one block: name -> (inputs, outputs)."""
        h, i, q, k = self.hidden, self.intermediate, self.query, self.key
        attention = {"q_proj": (h, q), "k_proj": (h, k), "v_proj": (h, k), "o_proj": (q, h)}
        if self.gated:
            return {**attention, "gate_proj": (h, i), "up_proj": (h, i), "down_proj": (i, h)}
        return {**attention, "fc1": (h, i), "fc2": (i, h)}

    @property
    def matrices(self) -> int:
        """Parameters of the blocks' matrices: what 4-bit quantisation shrinks, and what a token is multiplied with."""
        return self.layers * sum(a * b for a, b in self.linear.values())

    @property
    def embedding(self) -> int:
        """Parameters of one vocabulary matrix."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """All of them; tied matrices count once."""
        biases = (self.query + 2 * self.key) * FAMILIES[self.family].qkv_bias
        norms = (self.norms * self.hidden + 2 * self.head * self.qk_norm) * self.scaled_norms  # of one block
        last_norm = self.hidden * self.scaled_norms
        vocabulary = self.embedding * (1 if self.tied else 2)
        return self.matrices + self.layers * (biases + norms) + vocabulary + last_norm

    def lora(self, rank: int, targets: list[str] | str | None) -> int:
        """Parameters of LoRA's two matrices for every targeted one (Hu et al., 2021, arXiv:2106.09685)."""
        names = [targets] if isinstance(targets, str) else list(targets or ("q_proj", "v_proj"))
        everything = "all-linear" in names
        widths = (a + b for name, (a, b) in self.linear.items() if everything or name in names)
        return self.layers * rank * sum(widths)


def shape_of(recipe: Recipe) -> Shape:
    """The shape of the model that a recipe trains: from scratch, embedded, a folder, a known name, or the Hub's cache.

    Raises:
        UserError: where no configuration can be had, or its kind is not among ``FAMILIES``.
    """
    if recipe.from_scratch is not None:
        fields = {"vocab_size": recipe.from_scratch.vocab_size, **recipe.from_scratch.config}
        return from_config(fields, "a new model", f"{recipe.path}: from_scratch.config")
    name = recipe.values["model_name_or_path"]
    if name == "ratchet-tiny":
        return from_config(_json(TINY / "config.json"), name, name)
    folder = Path(name).expanduser()
    if adapter_settings(str(folder)) is not None:
        mode_of(recipe.values, str(folder))  # refuses what training would
        return shape_of_name(base_name(str(folder)), recipe)
    return shape_of_name(name, recipe)


def shape_of_name(name: str, recipe: Recipe) -> Shape:
    """The shape of a model by its folder or its name."""
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return from_config(_json(folder / "config.json"), name, str(folder / "config.json"))
    plain = next((name.removesuffix(end) for end in SUFFIXES if name.removesuffix(end) in KNOWN), name)
    if name == FETCHED:  # before it is there
        plain = "HuggingFaceTB/SmolLM2-135M"
    if plain in KNOWN:
        return Shape(name, *KNOWN[plain])
    maker = maker_of(name, recipe)
    if maker is not None:
        return shape_of(maker)
    repository, revision = on_hub(name, recipe.values.get("model_revision")) or (name, None)
    found, reason = _from_hub(repository, "config.json", revision or "main")
    if found is not None:
        return from_config(found, name, f"{name}'s config.json")
    adapter, _ = _from_hub(repository, "adapter_config.json", revision or "main")
    if adapter is not None and adapter.get("base_model_name_or_path") not in (None, name):
        return shape_of_name(str(adapter["base_model_name_or_path"]), recipe)
    raise UserError(
        f"model_name_or_path: {name} is no folder here with a config.json, "
        "none of the models that plan knows by heart, "
        f"and could not be had from the Hub ({reason}). "
        "--shape_of plans with the sizes of a folder with a config.json, "
        f"or of one of {', '.join(sorted(KNOWN))}"
    )


def _from_hub(name: str, file: str, revision: str) -> tuple[Mapping[str, Any] | None, str]:
    """A model's configuration, which is some kilobytes, or why there is none; its weights are not downloaded."""
    from huggingface_hub import constants, get_session, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.utils import build_hf_headers

    reason = "the Hub is switched off"
    try:
        cached = try_to_load_from_cache(name, file, revision=revision)
        if isinstance(cached, str):
            return _json(Path(cached)), ""
        if not constants.HF_HUB_OFFLINE:
            found = get_session().get(
                hf_hub_url(name, file, revision=revision),
                headers=build_hf_headers(),
                timeout=5,
                follow_redirects=True,
            )
            reason = f"status {found.status_code}"
            if found.status_code == 200:
                return found.json(), ""
    except Exception as error:  # the Hub's client raises dozens of kinds; all mean that it cannot be had
        reason = type(error).__name__
    return None, reason


def known(name: str) -> Shape:
    """A model of the table, or a folder's, by the name that ``--shape_of`` was given."""
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return from_config(_json(folder / "config.json"), name, str(folder / "config.json"))
    if name not in KNOWN:
        raise UserError(f"--shape_of: {name} is no folder with a config.json; plan knows {', '.join(sorted(KNOWN))}")
    return Shape(name, *KNOWN[name])


def _json(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} is no configuration")
    return found


def from_config(fields: Mapping[str, Any], name: str, place: str) -> Shape:
    """A shape from the fields of a transformers configuration, whose defaults fill what is missing.

    Raises:
        UserError: for a kind that is not known here, or numbers that are missing.
    """
    inner = fields.get("text_config")  # of a model that reads pictures too
    fields = inner if isinstance(inner, Mapping) else fields
    family = fields.get("model_type")
    if family not in FAMILIES:
        raise UserError(
            f"{place}: plan knows the memory of {', '.join(FAMILIES)}, and this is {family or 'no model_type'}. "
            "--shape_of NAME plans with the sizes of another model of about the same size"
        )
    try:
        hidden, heads = int(fields["hidden_size"]), int(fields["num_attention_heads"])
        return Shape(
            name=name,
            family=family,
            layers=int(fields["num_hidden_layers"]),
            hidden=hidden,
            intermediate=int(fields["intermediate_size"]),
            heads=heads,
            kv_heads=int(fields.get("num_key_value_heads") or heads),
            head=int(fields.get("head_dim") or hidden // heads),
            vocabulary=int(fields["vocab_size"]),
            tied=bool(fields.get("tie_word_embeddings", FAMILIES[family].tied)),
        )
    except KeyError as error:
        raise UserError(f"{place}: {error.args[0]} is missing, which plan needs") from None
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise UserError(f"{place}: {error}") from None
