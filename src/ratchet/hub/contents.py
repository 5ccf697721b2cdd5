"""What of a run is published. It is chosen by name; optimisers, pickles, data, logs and completions stay at home.

A checkpoint may be rotated away before a slow Hub has taken it, so its files wait as hard links, which cost no room
until then, in ``_pushing/step-<step>/`` of the run's folder: complete with card and recipe, where the next start finds
them.
"""

import json
import os
import re
import shutil
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path

from ratchet.errors import UserError
from ratchet.files import read_json
from ratchet.hub.card import with_base
from ratchet.recipe.limits import SECRET_VALUE

PUSHING = "_pushing"
MODEL = (
    *("*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json", "adapter_config.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "vocab.txt", "merges.txt", "tokenizer.model"),
    *("chat_template.jinja", "additional_chat_templates/*.jinja"),
)
CARD = "README.md"
ABOUT = (CARD, "recipe.yaml", "result.json", "evaluation-*.json")
ADAPTER = "adapter_config.json"
COMPLETIONS = ("completions/*.parquet", "diagnostics/samples.jsonl", "evaluation-*.jsonl")

_ABSOLUTE = re.compile(r"(?<![\w.:/~<*-])/(?:[\w.@+=-]{1,100}/){1,30}[\w.@+=-]{1,100}")


def revision_of(step: int) -> str:
    """The branch that a checkpoint goes to.

    >>> revision_of(100)
    'step-000100'
    """
    return f"step-{step:06d}"


def chosen(folder: Path, completions: bool = False) -> list[str]:
    """The files of a model's folder that are published, by their path in it.

    Args:
        completions: whether what the model wrote is published too.

    Raises:
        UserError: where there are no weights to publish.
    """
    patterns = MODEL + ABOUT + (COMPLETIONS if completions else ())
    files = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    published = sorted(path.relative_to(folder).as_posix() for path in files)
    if not any(name.endswith(".safetensors") for name in published):
        raise UserError(f"{folder} holds no weights as safetensors, so there is no model to publish")
    return published


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    # fnmatch's star takes slashes too, so "*.safetensors" would also take a checkpoint's weights in a subfolder.
    return any(fnmatch(name, pattern) and name.count("/") == pattern.count("/") for pattern in patterns)


def _refuse_secrets(path: Path, text: str) -> None:
    if secret := SECRET_VALUE.search(text):
        line = text[: secret.start()].count("\n") + 1
        raise UserError(f"{path}:{line} holds what looks like a secret; take it out before it is published")


def stage(
    model: Path, place: Path, texts: Mapping[str, str], base: str | None = None, completions: bool = False
) -> Path:
    """Gather what of a model is published in a folder of its own, which is there when it is complete.

    No text in it names a folder of this machine.

    Args:
        model: the folder of a checkpoint, or of the trained model.
        texts: file name -> text: the card, the recipe, evaluations; they replace the model's files of that name.
        base: the model on the Hub that an adapter belongs to, where its own configuration names a folder.
        completions: whether what the model wrote is published too.

    Raises:
        UserError: as ``chosen``, for an adapter whose model is known to this machine alone, and for a text that holds
            what looks like a secret.
    """
    beside = place.with_name(f".{place.name}")
    for folder in (beside, place):
        shutil.rmtree(folder, ignore_errors=True)
    names = chosen(model, completions)
    own = {name: (model / name).read_text(encoding="utf-8") for name in names if _matches(name, ABOUT)}
    own |= texts
    if ADAPTER in names:
        found = base_of_adapter(model, base)
        own[ADAPTER] = _belonging_to(found, model / ADAPTER)
        if CARD in own:
            own[CARD] = with_base(own[CARD], str(found))
    own = {name: without_folders(text) for name, text in own.items()}
    for name, text in own.items():
        _refuse_secrets(model / name, text)
    beside.mkdir(parents=True)
    for name in names:
        if name not in own:
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            link(model / name, beside / name)
    for name, text in own.items():
        (beside / name).write_text(text, encoding="utf-8")
    return beside.rename(place)  # last, so that a start that dies here leaves nothing that looks complete


def base_of_adapter(model: Path, base: str | None = None) -> str | None:
    """The model on the Hub that the adapter in a folder belongs to; None where there is none, or it is a folder.

    Args:
        base: what the recipe says that it is.
    """
    settings = read_json(model / ADAPTER)
    if not isinstance(settings, dict):
        return None
    named = str(settings.get("base_model_name_or_path"))
    published = named.count("/") == 1 and not named.startswith((".", "/", "~")) and not Path(named).exists()
    return base or (named if published else None)


def _belonging_to(base: str | None, file: Path) -> str:
    """The configuration of an adapter, with the model on the Hub that it belongs to.

    Raises:
        UserError: where there is none.
    """
    settings = json.loads(file.read_text(encoding="utf-8"))
    if base is None:
        raise UserError(
            f"the adapter belongs to the model in {settings.get('base_model_name_or_path')}, a folder that nobody "
            "else has: publish that model and name it (publish.base: OWNER/MODEL, or ratchet push --base OWNER/MODEL),"
            " or publish the merged model (ratchet merge RUN --output FOLDER, then ratchet push FOLDER)"
        )
    if base != settings.get("base_model_name_or_path"):
        settings |= {"base_model_name_or_path": base, "revision": None}
    return json.dumps(settings, indent=2, ensure_ascii=False)


def without_folders(text: str) -> str:
    """A text in which no folder of this machine is named: of its paths the last part is kept, or what is below here.

    >>> without_folders("output_dir: /nowhere/here, https://a.b/c/d, 1/2")
    'output_dir: /nowhere/here, https://a.b/c/d, 1/2'
    """

    def shortened(match: re.Match[str]) -> str:
        path = Path(match[0])
        if not Path(*path.parts[:2]).is_dir():
            return match[0]
        return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else path.name

    return _ABSOLUTE.sub(shortened, text)


def link(file: Path, place: Path) -> None:
    """Make a hard link, or a copy where the file system has none."""
    try:
        os.link(file, place)
    except OSError:
        shutil.copyfile(file, place)


def staged(run: Path) -> list[Path]:
    """The staged checkpoints that still wait in a run's folder, the oldest step first."""
    return sorted(path for path in (run / PUSHING).glob("step-*") if path.is_dir())
