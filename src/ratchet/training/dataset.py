"""Rows to what TRL trains on: prepared once on the main process, read from disk by all."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accelerate import PartialState
from datasets import Dataset, disable_progress_bars, load_from_disk

from ratchet.audit.gate import gate
from ratchet.errors import UserError
from ratchet.models import PlainText
from ratchet.recipe import Recipe
from ratchet.recipe.batches import too_few_rows
from ratchet.rewards import validate_task
from ratchet.tasks import load_split, train_split
from ratchet.tasks.base import RESERVED_COLUMNS, Row
from ratchet.training.nodes import first_in


@dataclass
class Prepared:
    """The training data of a run."""

    train: Dataset
    first: bool
    """Whether this process makes and moves what is in the output folder (``first_in``)."""
    notes: list[str] = field(default_factory=list)
    """What was done to the rows, a sentence each (main process only)."""
    sha256: str = ""
    """Over the rows, in order (main process only); the same rows give the same one on any machine."""
    audit: str = ""
    """What the audit of the rewards came to (main process only)."""


def prepare(
    recipe: Recipe, tokenizer: Any, limit: int | None, staging: Path, settle: Callable[[str], None]
) -> Prepared:
    """Load, check and shape the training rows on the main process; every process then reads the same files.

    Args:
        limit: longest prompt (GRPO) or prompt and target together (SFT), in tokens; longer rows are dropped.
        staging: where the main process writes them first.
        settle: called on the main process with the rows' SHA-256 when all is right; moves ``staging`` into the output folder.
    """
    state, folder = PartialState(), recipe.output_dir / "data"
    disable_progress_bars()
    notes, sha256, audited = [], "", ""
    if state.is_main_process:
        notes, sha256, audited = _write(recipe, tokenizer, limit, staging / "data")
        settle(sha256)
    state.wait_for_everyone()
    first = first_in(recipe.output_dir)
    if first and not state.is_main_process:  # a node that does not share the output folder
        _write(recipe, tokenizer, limit, folder)
    state.wait_for_everyone()
    return Prepared(load_from_disk(str(folder)), first, notes, sha256, audited)


def _write(recipe: Recipe, tokenizer: Any, limit: int | None, folder: Path) -> tuple[list[str], str, str]:
    task = recipe.task
    print(f"preparing the {train_split(task)} rows of {task.name}", flush=True)
    split = load_split(task)
    notes, audited = list(split.notes), ""
    validate_task(task, recipe.rewards, split.rows)
    plain = PlainText(tokenizer)
    if recipe.trainer == "grpo":
        rows = [{**_columns(row), "prompt": plain(task.messages(row))} for row in split.rows]
    else:
        rows = [
            {
                "prompt": plain(task.messages(row)),
                "completion": plain([{"role": "assistant", "content": task.target(row)}]),
            }
            for row in split.rows
        ]
    if plain.count:
        notes.append(
            f"{plain.count} texts spell one of the tokenizer's special tokens; an invisible character in it keeps them text"
        )
    kept = [
        row
        for row, length in zip(rows, _lengths(rows, tokenizer, recipe), strict=True)
        if limit is None or length <= limit
    ]
    if len(kept) < len(rows):
        notes.append(
            f"dropped {len(rows) - len(kept)} of {len(rows)} training rows that are longer than {limit} tokens"
        )
    too_few = too_few_rows(recipe.batches, len(kept))
    if too_few:
        raise UserError("\n".join([*notes, too_few]))
    if recipe.curriculum is not None:
        _check_curriculum(recipe, kept)
    if recipe.trainer == "grpo":
        audited = gate(recipe, split.rows, folder.parent)
    Dataset.from_list(kept).save_to_disk(str(folder))
    return notes, hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest(), audited


def _check_curriculum(recipe: Recipe, rows: Sequence[Row]) -> None:
    from ratchet.training.callbacks.curriculum import stage_pools

    column = recipe.curriculum.column
    if column not in rows[0]:
        raise UserError(
            f"curriculum.column: the rows of {recipe.task.name} have no column {column}; they have {', '.join(rows[0])}"
        )
    stage_pools(recipe.curriculum, [row[column] for row in rows], recipe.batches.prompts_per_generation)


def _columns(row: Row) -> Row:
    taken = RESERVED_COLUMNS & set(row)
    if taken:
        raise UserError(
            f"the task's rows have columns that TRL fills itself: {', '.join(sorted(taken))}; name them otherwise"
        )
    return row


def _lengths(rows: Sequence[Row], tokenizer: Any, recipe: Recipe) -> list[int]:
    arguments = recipe.values.get("chat_template_kwargs") or {}
    texts = []
    for row in rows:
        if "completion" in row:
            texts.append(tokenizer.apply_chat_template(row["prompt"] + row["completion"], tokenize=False, **arguments))
        else:
            texts.append(
                tokenizer.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True, **arguments)
            )
    return [len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]] if texts else []
