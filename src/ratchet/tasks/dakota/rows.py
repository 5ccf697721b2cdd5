"""Dakota rows: read from a folder or the Hub, cleaned, split so that nothing alike stands on both sides, and prepared.

``prepare`` writes a folder that can be looked at and shared: a file of JSON lines per split, report.md (what was
dropped and why), and manifest.json (sources, counts, and a SHA-256 of every file, checked when it is read again).
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.files import write_json
from ratchet.tasks.base import SPLITS, Row
from ratchet.tasks.dakota.cleaning import Cleaning, clean
from ratchet.tasks.dakota.orthography import normalise, skeleton
from ratchet.tasks.loading import bad_rows_error, is_folder, read_hub, read_lines

MANIFEST = "manifest.json"
_WHERE = (
    "The published tasks are in the repository HarleyCoops/Dakota1890 on GitHub "
    "(dakota_rl_training/datasets/grammar_tasks_*.jsonl); "
    "name their folder: --data.source FOLDER, or take --data.source generated"
)


def source_files(folder: Path) -> list[Path]:
    """The files of published tasks in a folder: by difficulty where they are split so, else the complete one.

    Raises:
        UserError: when there are none.
    """
    if not folder.is_dir():
        raise UserError(f"data.source: the folder {folder} does not exist. {_WHERE}")
    by_level = [folder / f"grammar_tasks_{level}.jsonl" for level in ("easy", "medium", "hard", "advanced")]
    files = [path for path in by_level if path.exists()]
    # the complete file holds the rows of the others again; of several, the newest by name
    files = files or sorted(folder.glob("grammar_tasks_complete*.jsonl"))[-1:]
    files = files or sorted(folder.glob("grammar_tasks*.jsonl"))
    if not files:
        there = ", ".join(sorted(path.name for path in folder.iterdir())[:12]) or "nothing"
        raise UserError(
            f"data.source: {folder} has no grammar_tasks_*.jsonl and no {MANIFEST} of prepared rows "
            f"(it holds {there}). {_WHERE}"
        )
    return files


def cleaned(source: str, revision: str | None, bad_rows: str) -> Cleaning:
    """The published rows, cleaned.

    Raises:
        UserError: for lines that are no rows, unless ``bad_rows`` is "drop"; and where nothing usable is left.
    """
    found = clean(published(source, revision))
    if found.broken and bad_rows == "stop":
        raise bad_rows_error(found.broken, f"{found.read} rows")
    if not any(row["checkable"] for row in found.rows):
        raise UserError("\n".join([f"data.source: {source} has no usable row", *found.notes()]))
    return found


def published(source: str, revision: str | None) -> Iterator[tuple[str, Any]]:
    """Published rows of a folder or a data set on the Hub, with their places."""
    if _is_folder(source):
        for path in source_files(Path(source).expanduser()):
            yield from read_lines(path)
    elif source.count("/") == 1:
        for place, row in read_hub(source, revision, "train", _WHERE):
            info = row.get("info")
            yield place, {**row, "info": json.loads(info)} if isinstance(info, str) else row
    else:
        raise UserError(
            f"data.source: {source} is neither a folder here, "
            f'nor a data set on the Hub (owner/name), nor "generated". {_WHERE}'
        )


def _is_folder(source: str) -> bool:
    return is_folder(source) or source.count("/") > 1


def split_rows(rows: list[Row], share: float, seed: int) -> dict[str, list[Row]]:
    """Train, validation and test rows; rows that hang together by rule, question, form or answer stay together.

    Rows hang together when they come from one grammar rule, ask one question, ask about one form (also typed in
    another spelling), or have one answer of several words. Small groups are drawn for test and validation, each up to
    ``share`` of the rows; a group larger than half of that goes to train. Rows without an answer that can be checked
    are trained on or not used.
    """
    groups = _groups(rows)
    # by checksum: the order depends on the seed and on what the group holds, not on where its rows stand in the files
    order = sorted(groups, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
    parts: dict[str, list[Row]] = {name: [] for name in SPLITS}
    room = share * sum(row["checkable"] for row in rows)
    for name in order:
        checkable = [row for row in groups[name] if row["checkable"]]
        held = _split_with_room(parts, len(checkable), room)
        if held:
            parts[held] += checkable
        else:
            parts["train"] += groups[name]
    places = {id(row): at for at, row in enumerate(rows)}
    return {name: sorted(part, key=lambda row: places[id(row)]) for name, part in parts.items()}


def _split_with_room(parts: dict[str, list[Row]], count: int, room: float) -> str | None:
    """The held-out split that takes a group of ``count`` rows, or None."""
    if not count or count > room / 2:
        return None
    return next((split for split in ("test", "validation") if len(parts[split]) + count <= room), None)


def _groups(rows: list[Row]) -> dict[str, list[Row]]:
    """Connected components over shared rule, question, form and answer (union-find)."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    keys = [_keys(row) for row in rows]
    for first, *others in keys:
        for other in others:
            parent[root(other)] = root(first)
    groups: dict[str, list[Row]] = {}
    for row, (first, *_) in zip(rows, keys, strict=True):
        groups.setdefault(root(first), []).append(row)
    return {min(row["id"] for row in group): group for group in groups.values()}


def _keys(row: Row) -> list[str]:
    found = [f"question {normalise(row['question'], 'modern')}"]
    if row["rule"]:
        found.append(f"rule {row['rule']}")
    if skeleton(row["form"]):
        found.append(f"form {skeleton(row['form'])}")
    if len(row["answers"][0].split()) > 1:  # two forms with one meaning are often one form, written in two ways
        found.append(f"answer {skeleton(row['answers'][0])}")
    return found


def prepare(source: str, revision: str | None, bad_rows: str, share: float, seed: int, folder: Path) -> list[str]:
    """Clean and split the published rows of ``source`` and write them into ``folder``; says what became of them."""
    cleaning = cleaned(source, revision, bad_rows)
    parts = split_rows(cleaning.rows, share, seed)
    notes = cleaning.notes()
    left = len(cleaning.rows) - sum(map(len, parts.values()))
    if left:
        notes.append(f"left out {left}: no answer that can be checked, and they hang together with held-out rows")
    folder.mkdir(parents=True, exist_ok=True)
    manifest: dict[str, Any] = {
        "source": _described_source(source),
        "revision": revision,
        "held_out": share,
        "seed": seed,
        "read": cleaning.read,
        "dropped": dict(cleaning.dropped),
        "files": {},
    }
    for name, rows in parts.items():
        path = folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        manifest["files"][path.name] = _described(path) | {
            "rows": len(rows),
            "checkable": sum(row["checkable"] for row in rows),
        }
    (folder / "report.md").write_text(_report(cleaning, parts, notes), encoding="utf-8")
    write_json(folder / MANIFEST, manifest)
    return notes


def _described_source(source: str) -> str | list[dict[str, str]]:
    """The name of a data set on the Hub, or the files of a folder."""
    if not _is_folder(source):
        return source
    return [_described(path) for path in source_files(Path(source).expanduser())]


def _described(path: Path) -> dict[str, str]:
    return {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def read_prepared(folder: Path, split: str) -> list[Row]:
    """The rows of a prepared split, as they were written.

    Raises:
        UserError: when a file is missing or was changed since.
    """
    try:
        entry = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"][f"{split}.jsonl"]
        path = folder / f"{split}.jsonl"
        if _described(path)["sha256"] != entry["sha256"]:
            raise UserError(
                f"data.source: {path} is not what {folder / MANIFEST} says (its SHA-256 differs); prepare it again"
            )
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"data.source: {folder} is no whole folder of prepared rows ({type(error).__name__}: {error}); "
            "prepare it again"
        ) from None
    return [row for _, row in read_lines(path)]


def _report(cleaning: Cleaning, parts: dict[str, list[Row]], notes: list[str]) -> str:
    lines = ["# What became of the published Dakota rows", "", *(f"- {note}" for note in notes), "", "## Splits", ""]
    lines += ["| split | rows | checkable | by kind | by difficulty |", "|---|---|---|---|---|"]
    for name, rows in parts.items():
        checkable = sum(row["checkable"] for row in rows)
        lines.append(
            f"| {name} | {len(rows)} | {checkable} | {_counts(rows, 'kind')} | {_counts(rows, 'difficulty')} |"
        )
    lines += [
        "",
        "No rule, question, form, or answer of several words stands in two splits.",
        "",
        "## Rows that are for SFT only",
        "",
    ]
    why = Counter((row["kind"], row["why_unchecked"]) for row in parts["train"] if not row["checkable"])
    lines += [f"- {count} {kind}: {reason}" for (kind, reason), count in why.most_common()] or ["- none"]
    lines += ["", "## Dropped rows, up to three for each reason", ""]
    for reason, count in cleaning.dropped.most_common():
        examples = [example.replace("`", "'") for example in cleaning.examples[reason]]
        lines += [f"### {reason} ({count})", "", *(f"- `{example}`" for example in examples), ""]
    return "\n".join(lines)


def _counts(rows: Iterable[Row], column: str) -> str:
    counts = Counter(row[column] for row in rows).most_common()
    return ", ".join(f"{value} {count}" for value, count in counts)
