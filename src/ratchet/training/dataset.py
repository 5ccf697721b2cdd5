"""Rows to what TRL trains on: written once by the main process, read from disk by all."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow
from accelerate import PartialState
from datasets import Dataset, disable_progress_bars, load_from_disk

from ratchet.audit.gate import gate
from ratchet.errors import UserError
from ratchet.models import ChatFormat
from ratchet.models.template_check import Sample, check_template
from ratchet.recipe import Recipe
from ratchet.recipe.batches import too_few_rows
from ratchet.recipe.groups import Curriculum
from ratchet.rewards import check_messages, raised, validate_task
from ratchet.tasks import load_split, train_split
from ratchet.tasks.base import Row
from ratchet.tasks.loading import read_lines
from ratchet.training.curriculum.sampler import PLACE, STAGE, stage_pools
from ratchet.training.distillation.context import check_context, context_of
from ratchet.training.nodes import check_shared

SAMPLES = 64
"""Rows on which a chat template is checked."""


@dataclass(frozen=True)
class Written:
    """What became of the rows on the way to the disk; known to the process that wrote them."""

    notes: list[str] = field(default_factory=list)
    """What was done to the rows, a sentence each."""
    sha256: str = ""
    """Over the rows, in order; the same rows give the same one on any machine."""
    audit: str = ""
    """What the audit of the rewards came to."""


@dataclass(frozen=True)
class Prepared(Written):
    """The training data of a run."""

    train: Dataset = None


def write_rows(recipe: Recipe, chat: ChatFormat, limit: int | None, folder: Path) -> Written:
    """Load, check, shape and audit the training rows, and write them to a folder.

    Args:
        limit: tokens that a row may have (``Method.token_limit``); longer rows are dropped, and counted.

    Raises:
        UserError: for rows that cannot be trained on, or rewards that can be won without knowing anything.
    """
    disable_progress_bars()
    task = recipe.task
    print(f"preparing the {train_split(task)} rows of {task.name}", flush=True)
    split = load_split(task)
    notes = list(split.notes)
    if recipe.curriculum is not None and recipe.curriculum.measured:
        split.rows, said = _between(split.rows, recipe.curriculum)
        notes.append(said)
    validate_task(task, recipe.rewards, split.rows)
    rows = [shaped(recipe, row, chat) for row in split.rows]
    if chat.plain.count:
        notes.append(
            f"{chat.plain.count} texts spell one of the tokenizer's special tokens; an invisible character in it "
            "keeps them text"
        )
    notes += check_template(chat, _samples(recipe, split.rows))
    if recipe.distillation is not None and (context := context_of(recipe.distillation.context)) is not None:
        notes += check_context(context, task, split.rows, chat, limit, SAMPLES)
    kept = _short_enough(rows, chat, limit)
    if len(kept) < len(rows):
        dropped = len(rows) - len(kept)
        notes.append(f"dropped {dropped} of {len(rows)} training rows that are longer than {limit} tokens")
    too_few = too_few_rows(recipe.batches, len(kept))
    if too_few:
        raise UserError("\n".join([*notes, too_few]))
    if recipe.curriculum is not None:
        kept = [{**row, PLACE: place} for place, row in enumerate(kept)]
    if recipe.curriculum is not None and recipe.curriculum.stages:
        stages = [row[STAGE] for row in kept]
        stage_pools(recipe.curriculum, stages, recipe.batches.prompts_per_generation)
    audited = gate(recipe, split.rows, folder.parent) if recipe.method.audited and recipe.learns_from_rewards else ""
    return Written(notes, _saved(kept, folder), audited)


def _between(rows: Sequence[Row], settings: Curriculum) -> tuple[list[Row], str]:
    """The rows whose measured share right is as wished, and what was done.

    Raises:
        UserError: where the file is not there, holds something else, or leaves no rows.
    """
    path = Path(settings.measured).expanduser()
    if not path.is_file():
        raise UserError(f"curriculum.measured: there is no file {path}; ratchet sample writes difficulty.jsonl")
    shares = {}
    for place, entry in read_lines(path):
        if not isinstance(entry, dict) or not isinstance(entry.get("share_right"), (int, float)):
            raise UserError(f"curriculum.measured: {place} has no id and share_right, as difficulty.jsonl has them")
        shares[entry.get("id")] = entry["share_right"]
    kept = [row for row in rows if settings.hardest <= shares.get(row["id"], math.nan) <= settings.easiest]
    unknown = sum(row["id"] not in shares for row in rows)
    if not kept:
        raise UserError(
            f"curriculum.measured: none of {len(rows)} rows is right in {settings.hardest:g} to {settings.easiest:g} "
            f"of its samples; {unknown} were not measured"
        )
    return kept, (
        f"kept {len(kept)} of {len(rows)} rows, right in {settings.hardest:g} to {settings.easiest:g} of their "
        f"samples; {unknown} were not measured"
    )


def read_rows(recipe: Recipe, chat: ChatFormat, limit: int | None, written: Written) -> Prepared:
    """The rows that the main process wrote. Every process must call this.

    Raises:
        UserError: where a node does not see them.
    """
    disable_progress_bars()
    PartialState().wait_for_everyone()
    check_shared(recipe.output_dir)
    return Prepared(written.notes, written.sha256, written.audit, load_from_disk(str(recipe.output_dir / "data")))


def _samples(recipe: Recipe, rows: Sequence[Row]) -> list[Sample]:
    """Rows from the whole split, on which the chat template is checked."""
    chosen = rows[:: max(1, len(rows) // SAMPLES)]
    target = recipe.task.target if recipe.method.imitates else lambda row: None
    return [Sample(row["id"], recipe.task.messages(row), target(row)) for row in chosen]


def shaped(recipe: Recipe, row: Row, chat: ChatFormat) -> Row:
    """A row as TRL is given it, with the stage of the curriculum that it belongs to."""
    try:
        check_messages(recipe.task, row)
        shaped = recipe.method.row(recipe.task, row, chat.messages)
    except UserError:
        raise
    except Exception as error:  # the user's own code may raise anything, and return anything
        raise raised(f"{recipe.task.name}: the prompt or the target", row, error) from error
    if recipe.method.imitates and chat.arguments:  # SFTTrainer takes them with each row, GRPOTrainer for all
        shaped["chat_template_kwargs"] = dict(chat.arguments)
    if recipe.curriculum is None or not recipe.curriculum.stages:
        return shaped
    column = recipe.curriculum.column
    if column not in row:
        raise UserError(
            f"curriculum.column: the rows of {recipe.task.name} have no column {column}; row {row['id']} has "
            f"{', '.join(map(str, row))}"
        )
    return {**shaped, STAGE: str(row[column])}


def _saved(rows: list[Row], folder: Path) -> str:
    """Write the rows, and read them back as training will; returns the checksum of what was read.

    Raises:
        UserError: for a row that a table does not give back as it is.
    """
    try:
        Dataset.from_list(rows).save_to_disk(str(folder))
    except (pyarrow.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise UserError(f"the prompts cannot be written to the training data: {error}") from error
    digest = hashlib.sha256()
    for row, found in zip(rows, load_from_disk(str(folder)), strict=True):
        if found != row:
            raise UserError(
                f"a prompt does not come back from the training data as it is: {_first_change(row, found)}; "
                'give every message a "role" and a "content", and nothing else'
            )
        digest.update(json.dumps(found, sort_keys=True).encode())
    return digest.hexdigest()


def _first_change(row: Row, found: Row) -> str:
    column = next(name for name in row if row[name] != found[name])
    return f"{row[column]!r:.120} is read as {found[column]!r:.120}"


def _short_enough(rows: Sequence[Row], chat: ChatFormat, limit: int | None) -> list[Row]:
    if limit is None:
        return list(rows)
    texts = [_rendered(row, chat) for row in rows]
    encoded = chat.tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
    return [row for row, ids in zip(rows, encoded, strict=True) if len(ids) <= limit]


def _rendered(row: Row, chat: ChatFormat) -> str:
    """Prompt and target of a row that has a target, else the prompt as a completion follows it."""
    if "completion" in row:
        return chat.answered(row["prompt"], row["completion"][0]["content"])
    return chat.prompt(row["prompt"])
