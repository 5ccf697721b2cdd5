"""What of a run is published. It is chosen by name; optimisers, pickles, data, logs and completions stay at home.

A checkpoint may be rotated away before a slow Hub has taken it, so its files wait as hard links, which cost no room
until then, in ``_pushing/step-<step>/`` of the run's folder: complete with card and recipe, where the next start finds
them.
"""

import os
import shutil
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path

from ratchet.errors import UserError
from ratchet.recipe.limits import SECRET_VALUE

PUSHING = "_pushing"
MODEL = (
    *("*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json", "adapter_config.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "vocab.txt", "merges.txt", "tokenizer.model"),
    *("chat_template.jinja", "additional_chat_templates/*.jinja"),
)
ABOUT = ("README.md", "recipe.yaml", "result.json", "evaluation-*.json")
COMPLETIONS = ("completions/*.parquet", "diagnostics/samples.jsonl", "evaluation-*.jsonl")


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
        UserError: where there are no weights to publish, or a text among the files holds what looks like a secret.
    """
    patterns = MODEL + ABOUT + (COMPLETIONS if completions else ())
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    published = [name for name in names if _matches(name, patterns)]
    if not any(name.endswith(".safetensors") for name in published):
        raise UserError(f"{folder} holds no weights as safetensors, so there is no model to publish")
    for name in published:
        if _matches(name, ABOUT):
            _refuse_secrets(folder / name)
    return published


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    # fnmatch's star takes slashes too, so "*.safetensors" would also take a checkpoint's weights in a subfolder.
    return any(fnmatch(name, pattern) and name.count("/") == pattern.count("/") for pattern in patterns)


def _refuse_secrets(path: Path) -> None:
    text = path.read_text(encoding="utf-8", errors="replace")
    if secret := SECRET_VALUE.search(text):
        line = text[: secret.start()].count("\n") + 1
        raise UserError(f"{path}:{line} holds what looks like a secret; take it out before it is published")


def stage(checkpoint: Path, place: Path, texts: Mapping[str, str]) -> Path:
    """Gather what of a checkpoint is published in a folder of its own, which is there when it is complete.

    Args:
        texts: file name -> text: the card, the recipe, evaluations; they replace the checkpoint's files of that name.
    """
    beside = place.with_name(f".{place.name}")
    for folder in (beside, place):
        shutil.rmtree(folder, ignore_errors=True)
    beside.mkdir(parents=True)
    for name, text in texts.items():
        (beside / name).write_text(text, encoding="utf-8")
    for name in chosen(checkpoint):
        if name not in texts:
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            link(checkpoint / name, beside / name)
    return beside.rename(place)  # last, so that a start that dies here leaves nothing that looks complete


def link(file: Path, place: Path) -> None:
    """Make a hard link, or a copy where the file system has none."""
    try:
        os.link(file, place)
    except OSError:
        shutil.copyfile(file, place)


def staged(run: Path) -> list[Path]:
    """The staged checkpoints that still wait in a run's folder, the oldest step first."""
    return sorted(path for path in (run / PUSHING).glob("step-*") if path.is_dir())
