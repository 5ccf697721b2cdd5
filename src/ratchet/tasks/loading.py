"""Reads rows from files of JSON lines and from the Hub, each with its place, and caps how many of them are taken."""

import ast
import codecs
import csv
import gzip
import io
import json
import logging
import random
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ratchet.errors import UserError, UserErrors
from ratchet.tasks.base import Row

SHOWN = 10  # bad rows that a message names
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield ("file:line", parsed line, or the ``ValueError`` of a line that is not JSON) from a file of rows.

    JSON lines, or one JSON array; compressed where the name ends with .gz; CSV and Parquet by their names, whose
    places are "file:row N".

    Raises:
        UserError: for a file that cannot be read as what its name says.
    """
    kind = next((ending for ending in TABLES if path.name.removesuffix(".gz").endswith(ending)), None)
    try:
        if kind is not None:
            for number, row in enumerate(TABLES[kind](path), start=1):
                yield f"{path}:row {number}", row
            return
        with _opened(path) as lines:
            first = lines.peek(4096)[:4096]
            if is_utf16(first):
                raise UserError(f"{path} is UTF-16 or binary, and no UTF-8 text; save it as UTF-8")
            if _is_array(first):
                yield from _array(path, lines.read())
                return
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield f"{path}:{number}", _parse(line)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise UserError(f"{path} cannot be read ({str(error).splitlines()[0] or type(error).__name__})") from None


def _opened(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def is_utf16(first: bytes) -> bool:
    """Whether a file that begins so is UTF-16, or no text at all."""
    return first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in first[:64]


def _is_array(first: bytes) -> bool:
    """Whether a file begins an array of objects, and no line that is a list itself."""
    start = first.removeprefix(codecs.BOM_UTF8).lstrip()
    return start.startswith(b"[") and start[1:].lstrip()[:1] in (b"{", b"]")


def _array(path: Path, text: bytes) -> Iterator[tuple[str, Any]]:
    found = _parse(text)
    if isinstance(found, ValueError):
        raise UserError(f"{path} begins as a JSON array and is none ({found})")
    for number, row in enumerate(found, start=1):
        yield f"{path}:row {number}", row


def _csv(path: Path) -> Iterator[dict[str, Any]]:
    with _opened(path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as lines:
        for row in csv.DictReader(lines):
            yield {name: _listed(value) for name, value in row.items() if name is not None}


def _listed(value: Any) -> Any:
    """A cell; one that is a list in JSON or as Python prints it is that list."""
    if not isinstance(value, str) or not (value.startswith("[") and value.endswith("]")):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return value


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as table:
        for batch in table.iter_batches():
            yield from batch.to_pylist()


TABLES: dict[str, Callable[[Path], Iterator[dict[str, Any]]]] = {".csv": _csv, ".parquet": _parquet}
"""How files are read that are no JSON, by the ends of their names."""
FURTHER_ENDINGS = (*(f"{ending}.gz" for ending in (".json", ".jsonl", ".csv")), *TABLES)
"""The ends of the names of files of rows, beside .json and .jsonl."""


def _parse(line: bytes) -> Any:
    try:
        value = json.loads(line.decode("utf-8-sig"))
        if _SURROGATE.search(line):
            # JSON may escape half of a pair, which no file and no tokenizer takes: fail here, where the line is known
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except UnicodeEncodeError:
        return ValueError("half of a surrogate pair, which is no character")
    except UnicodeDecodeError as error:
        return ValueError(f"not UTF-8 (byte {error.start})")
    except json.JSONDecodeError as error:
        return ValueError(f"not JSON: {error.msg} at character {error.pos + 1}")
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets without end
        return ValueError(f"not to be read: {str(error)[:100]}")


def read_hub(
    dataset: str, revision: str | None, split: str, instead: str, configuration: str | None = None
) -> Iterator[tuple[str, Any]]:
    """Yield ("data set:split:row", row) from a data set on the Hub.

    Args:
        instead: how to have the data without a network, for the error message.
        configuration: taken where the data set has it.

    Raises:
        UserError: when it cannot be had.
    """
    from datasets import get_dataset_config_names, load_dataset

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it warns of every single retry
    try:
        names = get_dataset_config_names(dataset, revision=revision)
        chosen = configuration if configuration in names else None
        rows = load_dataset(dataset, chosen, split=split, revision=revision)
    except Exception as error:  # the Hub's client raises dozens of kinds; all mean that the data cannot be had
        raise UserError(
            f"data.source: {dataset} could not be loaded from the Hub ({type(error).__name__}: {error}). {instead}"
        ) from None
    for number, row in enumerate(rows, start=1):
        yield f"{dataset}:{split}:{number}", dict(row)


def count_lines(path: Path) -> int:
    """Lines of a file that are not empty."""
    with path.open("rb") as lines:
        return sum(not line.isspace() for line in lines)


def at_most(count: int | None, cap: int | None) -> int | None:
    """A number of rows under a cap; None where it is not known.

    >>> at_most(10, None), at_most(10, 4), at_most(None, 4)
    (10, 4, None)
    """
    return count if count is None or cap is None else min(count, cap)


def is_folder(source: str) -> bool:
    """Whether a source is, or is written as, a folder of this machine."""
    return Path(source).expanduser().exists() or source.startswith((".", "/", "~"))


def bad_rows_error(bad: Sequence[str], of: str, count: int | None = None) -> UserErrors:
    """The first ten of the rows that are not as they should be, each a sentence, and what to do.

    Args:
        of: what they are a part of, for instance "254 train rows".
        count: how many they are, where one sentence may be about several.
    """
    shown = [*bad[:SHOWN]]
    if len(bad) > SHOWN:
        shown.append(f"... and {len(bad) - SHOWN} more")
    return UserErrors(shown, f"{count or len(bad)} of {of} are bad (data.bad_rows: drop would leave them out):")


def capped(rows: list[Row], cap: int | None, seed: int) -> list[Row]:
    """A random sample of at most ``cap`` rows, in their order."""
    if cap is None or cap >= len(rows):
        return rows
    chosen = sorted(random.Random(seed).sample(range(len(rows)), cap))
    return [rows[i] for i in chosen]
