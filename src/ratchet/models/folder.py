"""Where a model's folder is, and what is wrong with it: from its configuration and headers, without its weights.

A safetensors file begins with the length of its header (8 bytes, little-endian) and a JSON header that holds, for each
tensor, its type, shape and the place of its bytes.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.models.hub import fetched

TINY = "ratchet-tiny"
LFS = b"version https://git-lfs"
WRAPPED = ("_orig_mod.", "module.", "_forward_module.", "_fsdp_wrapped_module.")
"""What torch.compile, DDP and others put before the names of the weights that they wrap."""


def locate(name: str, revision: str | None = None, weights: bool = True) -> str:
    """The folder of a model: the embedded one, a local folder, or one of the Hub, which is fetched into its cache.

    Args:
        name: of a model on the Hub, also as "owner/model@revision".
        revision: of a model on the Hub; None: main.
        weights: whether they are wanted, and not the configuration and tokenizer alone.

    Raises:
        UserError: for a folder that is not there or holds no model, and a model that cannot be had.
    """
    if name == TINY:
        folder = Path(__file__).with_name("tiny")
        if not (folder / "model.safetensors").is_file():
            raise UserError(f"{TINY} is not in this installation; train it with `make tiny`")
        return str(folder)
    path = Path(name).expanduser()
    if path.is_dir():
        if not any((path / file).is_file() for file in ("config.json", "adapter_config.json")):
            held = ", ".join(sorted(p.name for p in path.iterdir())[:8]) or "nothing"
            raise UserError(f"model_name_or_path: {name} has no config.json, so it is no model (it holds {held})")
        return str(path)
    looks_local = path.parent != Path(".") and path.parent.is_dir()  # "outputs/dmeo" beside a folder outputs
    if looks_local or path.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise UserError(f"model_name_or_path: there is no folder {name}")
    return fetched(*_on_hub(name, revision), weights)


def on_hub(name: str, revision: str | None = None) -> tuple[str, str | None] | None:
    """Repository and revision that a name stands for; None for the embedded model and a folder.

    >>> on_hub("Qwen/Qwen3-0.6B@abc"), on_hub("ratchet-tiny"), on_hub(".")
    (('Qwen/Qwen3-0.6B', 'abc'), None, None)
    """
    return None if name == TINY or Path(name).expanduser().is_dir() else _on_hub(name, revision)


def _on_hub(name: str, revision: str | None) -> tuple[str, str | None]:
    repository, _, own = name.partition("@")
    return repository, own or revision


def locate_of(values: Mapping[str, Any], name: str | None = None, weights: bool = True) -> str:
    """The folder of a recipe's model, at the revision that the recipe names; or of another, whose revision is its own.

    Raises:
        UserError: as ``locate``.
    """
    own = values.get("model_name_or_path")
    revision = values.get("model_revision") if name in (None, own) else None
    return locate(name or str(own), revision, weights)


def check_folder(path: str) -> None:
    """Refuse a model's folder with faults.

    Raises:
        UserError: with all of them.
    """
    found = faults(Path(path))
    if found:
        raise UserError("\n".join(f"model_name_or_path: {path}: {text}" for text in found))


def faults(folder: Path) -> list[str]:
    """What would fail when the model is loaded or used, or would be read as something else without a word."""
    if not (folder / "config.json").is_file():  # an adapter: its base is another folder
        return []
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return [f"config.json cannot be read ({error})"]
    if not isinstance(config, dict):
        return ["config.json holds no configuration"]
    return [*_of_config(config), *_of_tokenizer(folder, config), *_of_files(folder)]


def _of_config(config: dict[str, Any]) -> Iterator[str]:
    if not config.get("architectures") and not config.get("auto_map"):
        yield 'config.json names no "architectures", so it is not known which model these weights are; add it'
    size, pad = config.get("vocab_size"), config.get("pad_token_id")
    if isinstance(size, int) and isinstance(pad, int) and not 0 <= pad < size:
        yield f"config.json has pad_token_id {pad}, and the vocabulary ends at {size - 1}; mend it, or take it out"


def _of_tokenizer(folder: Path, config: dict[str, Any]) -> Iterator[str]:
    """A token beyond the embedding would be an index error in the first step that meets it."""
    size = config.get("vocab_size")
    try:
        tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        vocabulary = tokenizer["model"]["vocab"]
        ids = [*(vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary)))]
        ids += [token["id"] for token in tokenizer.get("added_tokens") or ()]
    except (OSError, ValueError, LookupError, TypeError):
        return
    if isinstance(size, int) and ids and max(ids) >= size:
        yield (
            f"the tokenizer has tokens up to {max(ids)}, and the model an embedding of {size}: this is the tokenizer "
            "of another model, or the embedding was not resized"
        )


def _of_files(folder: Path) -> Iterator[str]:
    files = sorted(folder.glob("*.safetensors"))
    wanted = _indexed(folder)
    for name in sorted(wanted - {file.name for file in files}):
        yield f"{name} is missing, which model.safetensors.index.json names"
    names: set[str] = set()
    for file in files:
        try:
            names |= header(file).keys() - {"__metadata__"}
        except ValueError as error:
            yield f"{file.name}: {error}"
    wrapped = next((prefix for prefix in WRAPPED if names and all(n.startswith(prefix) for n in names)), None)
    if wrapped:
        yield (
            f"the names of all weights begin with {wrapped}, as a wrapped or compiled model saves them: they would be "
            "left out, and random ones trained instead. Save the unwrapped model, or rename them"
        )


def _indexed(folder: Path) -> set[str]:
    """The files that the index of a model in several files names."""
    try:
        index = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))
        return set(index["weight_map"].values())
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return set()


def header(file: Path) -> dict[str, Any]:
    """The header of a safetensors file: name -> type, shape and place.

    Raises:
        ValueError: for a file that is no whole one.
    """
    with file.open("rb") as data:
        start, size = data.read(64), file.stat().st_size
        if start.startswith(LFS):
            raise ValueError("a pointer of Git LFS and no weights; fetch them with git lfs pull")
        length = int.from_bytes(start[:8], "little")
        if size < 8 or length > size - 8:
            raise ValueError("cut off, or no safetensors file; copy or download it again")
        data.seek(8)
        try:
            found = json.loads(data.read(length))
            last = max(
                (place["data_offsets"][1] for name, place in found.items() if name != "__metadata__"), default=0
            )
        except (ValueError, LookupError, TypeError, AttributeError):
            raise ValueError("its header cannot be read; copy or download it again") from None
    if 8 + length + last != size:
        raise ValueError(f"{size:,} bytes, and its header speaks of {8 + length + last:,}: cut off; copy it again")
    return found


def check_weights(path: str) -> None:
    """Refuse weights that do not fit the model of the configuration: the library would fill in random ones.

    Nothing is loaded: the model is built without memory for its weights.

    Raises:
        UserError: with some of the names.
    """
    if not (Path(path) / "config.json").is_file():
        return
    import logging

    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as library

    before = library.get_verbosity()
    library.set_verbosity(logging.CRITICAL)  # its own report of the same
    try:
        _, info = AutoModelForCausalLM.from_pretrained(path, device_map="meta", output_loading_info=True)
    except (OSError, ValueError, KeyError, RuntimeError, AssertionError, ImportError, NotImplementedError):
        return  # what cannot be built at all is said by the loading itself
    finally:
        library.set_verbosity(before)
    refuse_unfitting(path, info)


def refuse_unfitting(path: str, info: dict[str, Any]) -> None:
    """Refuse what a loading reports as missing, left over or of another shape.

    Raises:
        UserError: with some of the names.
    """
    texts = [
        (f"{len(info[kind])} weights {what}, for instance {', '.join(map(str, sorted(info[kind], key=str)[:3]))}")
        for kind, what in (
            ("missing_keys", "are missing and would be random"),
            ("unexpected_keys", "are left over and would not be used"),
            ("mismatched_keys", "have another shape than the configuration says"),
        )
        if info.get(kind)
    ]
    if texts:
        raise UserError(
            f"model_name_or_path: the weights in {path} are not those of the model in its config.json: "
            f"{'; '.join(texts)}"
        )
