"""AQuA-RAT rows from a folder or the Hub: normalised, validated, de-duplicated, and kept apart from the test data.

Upstream: https://github.com/google-deepmind/AQuA (Ling et al., 2017, arXiv:1705.04146), Apache-2.0.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.tasks.answers.option_values import strip_label
from ratchet.tasks.base import Row
from ratchet.tasks.loading import FURTHER_ENDINGS, bad_rows_error, read_lines

HUB_DATASET = "deepmind/aqua_rat"
LETTERS = "ABCDE"
PUBLISHED = {"train": 97_467, "validation": 254, "test": 254}  # rows of the data set on the Hub
# Upstream's names first, then the usual ones.
FILES = {
    "train": ("train.json", "train.jsonl", *(f"train{ending}" for ending in FURTHER_ENDINGS)),
    "validation": (
        *("dev.json", "validation.jsonl", "validation.json", "dev.jsonl"),
        *(f"{name}{ending}" for name in ("validation", "dev") for ending in FURTHER_ENDINGS),
    ),
    "test": ("test.json", "test.jsonl", *(f"test{ending}" for ending in FURTHER_ENDINGS)),
}


def read_folder(folder: Path, split: str) -> Iterator[tuple[str, Any]]:
    """The rows of the split's file, each with its place."""
    return read_lines(file_of(folder, split))


def file_of(folder: Path, split: str) -> Path:
    """The split's file.

    Raises:
        UserError: where there is none.
    """
    if not folder.is_dir():
        raise UserError(f"data.source: the folder {folder} does not exist")
    path = next((folder / name for name in FILES[split] if (folder / name).is_file()), None)
    if path is None:
        there = ", ".join(sorted(p.name for p in folder.iterdir())) or "nothing"
        raise UserError(
            f"data.source: {folder} has no {' or '.join(FILES[split][:2])} (or .gz, .csv, .parquet) for the {split} "
            f"split (it holds {there})"
        )
    return path


def normalise(text: str) -> str:
    """NFC, mojibake repaired, and every run of blanks one space; line breaks stay.

    >>> normalise("5 Ã— 3\\t =  15\\u00a0km ")
    '5 × 3 = 15 km'
    """
    if not text.isascii():
        import ftfy  # takes long to import, and ASCII rows need none of it

        text = unicodedata.normalize("NFC", ftfy.fix_encoding(text))
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(_BLANKS.sub(" ", line).strip() for line in lines).strip()


_BLANKS = re.compile(r"[^\S\n]+")


def checked_row(place: str, row: Any) -> Row | str:
    """The normalised row, or a sentence that says what is wrong with it."""
    if isinstance(row, ValueError):
        return f"{place}: {row}"
    if not isinstance(row, dict):
        return (
            f"{place}: a row is an object with question, options, rationale, correct; this is a {type(row).__name__}"
        )
    fault = _fault(row)
    return f"{place}: {fault}" if fault else _normalised(row)


def _fault(row: dict[Any, Any]) -> str | None:
    """What is wrong with a row's columns, the first fault."""
    missing = [key for key in ("question", "options", "correct") if key not in row]
    if missing:
        there = ", ".join(map(str, row)) or "nothing"
        return f"{', '.join(missing)} missing (there is {there})"
    question, correct, rationale = row["question"], row["correct"], row.get("rationale") or ""
    if not isinstance(question, str) or not question.strip():
        return "question is empty"
    fault = _fault_of_options(row["options"])
    if fault:
        return fault
    if not isinstance(correct, str) or correct.strip().upper() not in LETTERS or len(correct.strip()) != 1:
        return f"correct must be one of A to E, it is {correct!r}"
    if not isinstance(rationale, str):
        return f"rationale must be text, it is {rationale!r}"
    return None


def _fault_of_options(options: Any) -> str | None:
    if not isinstance(options, (list, tuple)):
        return f"options must be five texts, there are {options!r}"
    if len(options) != len(LETTERS):
        return f"options must be five texts, there are {len(options)}"
    for letter, option in zip(LETTERS, options, strict=True):
        if not isinstance(option, str):
            return f'options must be five texts, and option {letter} is {option!r}; write it in quotes, as "{option}"'
    for letter, option in zip(LETTERS, options, strict=True):
        label = re.match(r"\s*\(?([A-Za-z])\s*\)", option)
        if label and label[1].upper() != letter:
            return f"options are not in the order A to E ({option!r} stands where {letter} should)"
        if not strip_label(option):
            return f"option {letter} is empty"
    return None


def _normalised(row: dict[Any, Any]) -> Row:
    texts = [normalise(strip_label(option)) for option in row["options"]]
    correct = row["correct"].strip().upper()
    gold = texts[LETTERS.index(correct)]
    return {
        "question": normalise(row["question"]),
        "options": [f"{letter}){text}" for letter, text in zip(LETTERS, texts, strict=True)],
        "rationale": normalise(row.get("rationale") or ""),
        "correct": correct,
        "ambiguous": texts.count(gold) > 1,
    }


def checked_rows(split: str, raw: Iterable[tuple[str, Any]], bad_rows: str) -> tuple[list[Row], list[str]]:
    """Validate every row; bad ones stop the run or are dropped, by file and line, as the recipe says."""
    rows, bad = [], []
    for number, (place, row) in enumerate(raw):
        result = checked_row(place, row)
        if isinstance(result, str):
            bad.append(result)
        else:
            rows.append({"id": f"{split}-{number}", **result})
    if bad and bad_rows == "stop":
        raise bad_rows_error(bad, f"{len(rows) + len(bad)} {split} rows")
    if not rows:
        kind = "good rows" if bad else "rows"
        raise UserError(f"the {split} split has no {kind}")
    notes = [f"dropped {len(bad)} bad {split} rows, the first: {bad[0]}"] if bad else []
    ambiguous = sum(row["ambiguous"] for row in rows)
    if ambiguous:
        notes.append(f"{ambiguous} {split} rows have the gold option's text twice (column ambiguous)")
    return rows, notes


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def without_duplicates(rows: list[Row]) -> list[Row]:
    """The first row of each question with the same options, letters and spaces aside."""
    seen, kept = set(), []
    for row in rows:
        options = tuple(strip_label(option).lower() for option in row["options"])
        key = (" ".join(_words(row["question"])), options)
        if key not in seen:
            seen.add(key)
            kept.append(row)
    return kept


def without_overlap(rows: list[Row], held_out: Iterable[Row], n: int) -> list[Row]:
    """Rows whose question shares no run of ``n`` words with a held-out question (shorter questions: all their words).

    n = 13 is the convention of Brown et al., 2020 (arXiv:2005.14165, appendix C).
    """
    taken = {gram for row in held_out for gram in _ngrams(row["question"], n)}
    return [row for row in rows if taken.isdisjoint(_ngrams(row["question"], n))]


def _ngrams(text: str, n: int) -> set[tuple[str, ...]]:
    words = _words(text)
    return {tuple(words[i : i + n]) for i in range(max(1, len(words) - n + 1))}
