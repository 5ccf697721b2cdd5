"""Rows of a file, a folder, a function or a data set on the Hub, and the splits that they are in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.files import function_in, place_of
from ratchet.tasks.base import SPLITS
from ratchet.tasks.loading import FURTHER_ENDINGS, is_folder, read_hub, read_lines

NAMES = {"train": ("train",), "validation": ("validation", "valid", "dev", "eval"), "test": ("test",)}
ENDINGS = (".jsonl", ".json", *FURTHER_ENDINGS)
PLACED = Iterator[tuple[str, Any]]


def places(source: str, revision: str | None, configuration: str | None) -> dict[str, PLACED]:
    """Split -> its rows, each with its place, read as they are asked for; a single file is "train" alone.

    Raises:
        UserError: where there is no such file or folder, it holds no rows, or the Hub cannot be reached.
    """
    if is_function(source):
        return _of_function(source)
    path = Path(source).expanduser()
    if path.is_file():
        return {"train": read_lines(path)}
    if path.is_dir():
        return _of_folder(path)
    if is_folder(source) or source.count("/") != 1 or source.endswith(ENDINGS):
        raise UserError(f"data.source: there is no file and no folder {source}")
    return _of_hub(source, revision, configuration)


def is_function(source: str) -> bool:
    """Whether rows are made by a function, "file.py:function"."""
    return ".py:" in source


def _of_function(source: str) -> dict[str, PLACED]:
    made = function_in(source, "data.source")
    found: dict[str, PLACED] = {}
    for split in SPLITS:
        try:
            rows = made(split)
            rows = None if rows is None else [*rows]
        except Exception as error:  # the user's own code may raise anything
            raise UserError(
                f'data.source: {source}("{split}") raised {type(error).__name__}: {error}{place_of(error)}'
            ) from None
        if rows is not None:
            found[split] = ((f"{source}:{split}:{number}", row) for number, row in enumerate(rows, start=1))
    if "train" not in found:
        raise UserError(f'data.source: {source}("train") returns no rows')
    return found


def _of_folder(folder: Path) -> dict[str, PLACED]:
    if (folder / "dataset_dict.json").is_file() or (folder / "dataset_info.json").is_file():
        return _of_arrow(folder)
    found: dict[str, PLACED] = {}
    for split, names in NAMES.items():
        files = (folder / f"{name}{ending}" for name in names for ending in ENDINGS)
        file = next((file for file in files if file.is_file()), None)
        if file is not None:
            found[split] = read_lines(file)
    if "train" not in found:
        there = ", ".join(sorted(one.name for one in folder.iterdir())) or "nothing"
        raise UserError(
            f"data.source: {folder} has no train.jsonl (or .json, .csv, .parquet, .gz); it holds {there}. "
            "A single file can be named itself"
        )
    return found


def _of_arrow(folder: Path) -> dict[str, PLACED]:
    from datasets import DatasetDict, load_from_disk

    loaded = load_from_disk(str(folder))
    parts = dict(loaded) if isinstance(loaded, DatasetDict) else {"train": loaded}
    return {split: _numbered(folder, parts[name]) for split, name in _named(parts).items()}


def _numbered(folder: Path, rows: Any) -> PLACED:
    return ((f"{folder}:row {number}", dict(row)) for number, row in enumerate(rows, start=1))


def _of_hub(name: str, revision: str | None, configuration: str | None) -> dict[str, PLACED]:
    from datasets import get_dataset_split_names

    instead = "Without a network, name a file or a folder: --data.source FILE"
    try:
        splits = get_dataset_split_names(name, configuration, revision=revision)
    except Exception as error:  # the Hub's client raises dozens of kinds; all mean that the data cannot be had
        said = " ".join(str(error).split())[:200]
        raise UserError(f"data.source: {name} could not be read from the Hub ({said}). {instead}") from None
    return {split: read_hub(name, revision, there, instead, configuration) for split, there in _named(splits).items()}


def _named(names: Any) -> dict[str, str]:
    found = {split: next((one for one in usual if one in names), None) for split, usual in NAMES.items()}
    if found["train"] is None:
        raise UserError(f"data.source: it has no split train; it has {', '.join(map(str, names))}")
    return {split: name for split, name in found.items() if name is not None}
