"""Files that are written whole or not at all, and Python files of the user's own."""

import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from ratchet.errors import UserError


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def import_file(path: Path, key: str) -> ModuleType:
    """Import a Python file that the user named.

    Args:
        key: under which it was named, for the error message.

    Raises:
        UserError: when there is no such file, or for whatever it raises, with the line that raised it.
    """
    if not path.is_file():
        raise UserError(f"{key}: the file {path} does not exist")
    spec = importlib.util.spec_from_file_location(f"ratchet_{key.strip('-')}_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file raises
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = getattr(error, "lineno", None) or (lines[-1] if lines else 1)
        raise UserError(f"{key}: {path}:{line}: {type(error).__name__}: {error}") from error
    return module
