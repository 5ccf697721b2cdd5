"""What ``ratchet audit`` does with a recipe."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from ratchet.audit.gate import audits, together
from ratchet.audit.page import page
from ratchet.errors import UserError
from ratchet.recipe import Recipe
from ratchet.tasks import load_split, train_split
from ratchet.tasks.base import Row
from ratchet.tasks.loading import capped


def run(recipe: Recipe, options: Mapping[str, str]) -> int:
    """Audit and report; returns the exit code: 1 where a finding fails that the recipe does not accept."""
    rows = _rows(recipe, options)
    if "plain" in options and "reward" not in options:
        raise UserError("--plain belongs to --reward FILE.py:FUNCTION")
    files = {key: Path(options[key]) for key in ("json", "html") if options.get(key, "-") != "-"}
    for key, path in files.items():
        _check(path, key)
    reports = audits(recipe, rows, options.get("reward"), "plain" in options)
    text = json.dumps(together([report.as_dict() for report in reports]), indent=2, ensure_ascii=False)
    print(text if options.get("json") == "-" else "\n\n".join(report.table() for report in reports))
    for key, path in files.items():
        path.write_text(f"{text}\n" if key == "json" else page(*reports), encoding="utf-8")
        print(f"written to {path}", file=sys.stderr)
    return 1 if any(report.failed for report in reports) else 0


def _rows(recipe: Recipe, options: Mapping[str, str]) -> list[Row]:
    split = options.get("split") or train_split(recipe.task)
    if split not in ("train", "validation", "test"):
        raise UserError(f"--split is train, validation or test, not {split}")
    count = options.get("rows")
    if count is not None and not (count.isdecimal() and int(count)):
        raise UserError(f"--rows takes a number of rows, not {count}")
    loaded = load_split(recipe.task, split)
    return capped(loaded.rows, int(count) if count else None, 0)


def _check(path: Path, key: str) -> None:
    """Find out before the audit, and not after it, whether a file can be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
    except OSError as error:
        raise UserError(f"--{key}: {path} cannot be written ({error.strerror})") from None
