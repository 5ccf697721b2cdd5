"""Rows from files of JSON lines and from the Hub, each with the place it comes from."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ratchet.errors import UserError


def read_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield ("file:line", parsed line, or the ``ValueError`` of a line that is not JSON) from a file of JSON lines."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield f"{path}:{number}", _parse(line)


def _parse(line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return ValueError(f"not UTF-8 (byte {error.start})")
    except json.JSONDecodeError as error:
        return ValueError(f"not JSON: {error.msg} at character {error.pos + 1}")


def read_hub(dataset: str, revision: str | None, split: str, instead: str, configuration: str | None = None) -> Iterator[tuple[str, Any]]:
    """Yield ("data set:split:row", row) from a data set on the Hub.

    Args:
        instead: how to have the data without a network, for the error message.
        configuration: taken where the data set has it.

    Raises:
        UserError: when it cannot be had, for whatever reason.
    """
    from datasets import get_dataset_config_names, load_dataset

    try:
        names = get_dataset_config_names(dataset, revision=revision)
        rows = load_dataset(dataset, configuration if configuration in names else None, split=split, revision=revision)
    except Exception as error:  # the Hub's client raises dozens of kinds; all mean that the data cannot be had
        raise UserError(f"data.source: {dataset} could not be loaded from the Hub ({type(error).__name__}: {error}). {instead}") from None
    for number, row in enumerate(rows, start=1):
        yield f"{dataset}:{split}:{number}", dict(row)
