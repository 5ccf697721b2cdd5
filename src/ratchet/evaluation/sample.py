"""Graded samples of a model as rows: for rejection sampling, expert iteration, and to know how hard each prompt is.

A folder holds ``samples.jsonl`` (all of them), ``rows.jsonl`` (those that are kept, as ``task: dataset`` reads them),
``difficulty.jsonl`` (the share right of each prompt, as ``curriculum.measured`` reads it) and ``summary.json``. All is
drawn in chunks of rows, each a file of its own, so that the same command goes on where it was stopped.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ratchet.errors import UserError
from ratchet.evaluation.run import generator_here, generator_there, ready
from ratchet.evaluation.statistics import Share, clusters, passes_at_k
from ratchet.files import read_json, write_json, write_text
from ratchet.inference.completion import Generator, Sampling
from ratchet.inference.openai_server import Server, with_model
from ratchet.recipe import Recipe
from ratchet.rewards import REWARDS, RewardTerm
from ratchet.rewards.scoring import ScoringRequest, surely, weighted
from ratchet.runtime import main_process
from ratchet.tasks import load_split
from ratchet.tasks.base import Row
from ratchet.tasks.loading import capped

CHUNK = 64  # rows
Kept = Literal["right", "best", "all"]


@dataclass(frozen=True)
class Wanted:
    """Which samples become rows."""

    keep: Kept = "right"
    """Those that are right, the best rewarded of each prompt, or all."""
    per_prompt: int | None = None
    """At most so many of a prompt, the best rewarded and then the shortest."""
    longest: int | None = None
    """Tokens that one may have."""
    hardest: float = 0.0
    """Lowest share right of a prompt."""
    easiest: float = 1.0
    """Highest share right of a prompt."""


def run(
    recipe: Recipe, split: str, count: int | None, wanted: Wanted, folder: Path, server: Server | None = None
) -> None:
    """What ``ratchet sample`` does: draw samples of the recipe's model, or of a server's, and say what came of it."""
    rows = capped(load_split(recipe.task, split).rows, count, recipe.evaluation.seed)
    if server is None:
        ready(recipe)
        name = recipe.values.get("model_name_or_path") or str(recipe.output_dir)
        generate = generator_here(recipe, name, rows, f"sampling {Path(name).name}")
    else:
        server = with_model(server)
        name, generate = server.model, generator_there(recipe, server, folder / "answers.jsonl")
    summary = sample(recipe, generate, name, split, rows, wanted, folder)
    if summary is not None:
        print(table(summary, folder))


def sample(
    recipe: Recipe, generate: Generator, name: str, split: str, rows: Sequence[Row], wanted: Wanted, folder: Path
) -> dict[str, Any] | None:
    """Draw ``evaluation.samples`` completions of every row, grade and reward them, and write the folder.

    Args:
        name: of the model, for the reader and against mixing two.
        split: that the rows are of.

    Returns:
        The summary; None on all processes but the first.

    Raises:
        UserError: where the folder holds samples that were drawn in another way, or the grader fails.
    """
    settings, task = recipe.evaluation, recipe.task
    drawn = {
        "model": name,
        "task": task.label,
        "split": split,
        "rows": len(rows),
        "samples": settings.samples,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "max_new_tokens": recipe.answer_limit,
        "seed": settings.seed,
    }
    _check_same(folder, drawn)
    parts = folder / "parts"
    for number, start in enumerate(range(0, len(rows), CHUNK)):
        part = parts / f"{number:05}.jsonl"
        if not part.is_file():
            chosen = rows[start : start + CHUNK]
            entries = _drawn(recipe, generate, chosen, settings.seed + number)
            if main_process():
                parts.mkdir(parents=True, exist_ok=True)
                write_text(part, _lines(entries))
                print(f"{min(start + CHUNK, len(rows))} of {len(rows)} rows sampled", flush=True)
    if not main_process():
        return None
    entries = [
        json.loads(line) for part in sorted(parts.glob("*.jsonl")) for line in part.read_text("utf-8").splitlines()
    ]
    return _finished(folder, entries, drawn, wanted, {row["id"]: task.cluster(row) for row in rows})


def _lines(entries: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)


def _check_same(folder: Path, drawn: dict[str, Any]) -> None:
    file = folder / "drawn.json"
    before = read_json(file)
    if before is None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(file, drawn)
    elif before != json.loads(json.dumps(drawn)):
        other = [f"{key} {before.get(key)}, now {value}" for key, value in drawn.items() if before.get(key) != value]
        raise UserError(f"{folder} holds samples drawn otherwise ({', '.join(other)}); name another with --output")


def _drawn(recipe: Recipe, generate: Generator, rows: Sequence[Row], seed: int) -> list[dict[str, Any]]:
    """An entry for each sample of some rows."""
    settings, task = recipe.evaluation, recipe.task
    sampling = Sampling(
        recipe.answer_limit, settings.temperature, settings.top_p, settings.samples, settings.batch_size, seed
    )
    conversations = [task.messages(row) for row in rows]
    completions, _ = generate(conversations, sampling)
    terms = recipe.rewards or [RewardTerm(REWARDS["correctness"])]
    found = []
    for row, messages, of_row in zip(rows, conversations, completions, strict=True):
        for number, completion in enumerate(of_row):
            request = ScoringRequest(completion.text, row, completion.tokens, recipe.completion_limit)
            scored = surely(task, terms, request)
            found.append(
                {
                    "id": row["id"],
                    "number": number,
                    "prompt": messages,
                    "text": completion.text,
                    "tokens": completion.tokens,
                    "truncated": completion.truncated,
                    "correct": scored.grade.correct,
                    "answer": scored.grade.answer,
                    "reward": weighted(terms, scored),
                }
            )
    return found


def _finished(
    folder: Path, entries: list[dict[str, Any]], drawn: dict[str, Any], wanted: Wanted, groups: dict[str, str | None]
) -> dict[str, Any]:
    prompts: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        prompts.setdefault(entry["id"], []).append(entry)
    shares = {name: sum(entry["correct"] for entry in of) / len(of) for name, of in prompts.items()}
    kept = [row for name, of in prompts.items() for row in _kept(of, shares[name], wanted)]
    of_rows = clusters((name, groups.get(name)) for name in prompts)
    right = [sum(entry["correct"] for entry in of) for of in prompts.values()]
    summary = {
        **drawn,
        "kept": len(kept),
        "wanted": asdict(wanted),
        "never_right": sum(share == 0 for share in shares.values()),
        "always_right": sum(share == 1 for share in shares.values()),
        "pass_at_k": passes_at_k(right, drawn["samples"], of_rows),
    }
    lines = {
        "samples": entries,
        "rows": kept,
        "difficulty": [{"id": name, "share_right": share, "n": len(prompts[name])} for name, share in shares.items()],
    }
    for name, of in lines.items():
        write_text(folder / f"{name}.jsonl", _lines(of))
    write_json(folder / "summary.json", summary)
    return summary


def _kept(of_prompt: Sequence[dict[str, Any]], share: float, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """The rows that a prompt's samples become: each text once."""
    if not wanted.hardest <= share <= wanted.easiest:
        return
    fitting = [entry for entry in of_prompt if wanted.longest is None or entry["tokens"] <= wanted.longest]
    fitting = [entry for entry in fitting if not entry["truncated"] and entry["text"].strip()]
    if wanted.keep == "right":
        fitting = [entry for entry in fitting if entry["correct"]]
    once = {entry["text"]: entry for entry in reversed(fitting)}.values()
    ordered = sorted(once, key=lambda entry: (-entry["reward"], entry["tokens"], entry["number"]))
    most = 1 if wanted.keep == "best" and wanted.per_prompt is None else wanted.per_prompt
    for entry in ordered[:most]:
        yield {
            "id": f"{entry['id']}#{entry['number']}",
            "prompt": entry["prompt"],
            "completion": [{"role": "assistant", "content": entry["text"]}],
            "reward": entry["reward"],
            "correct": entry["correct"],
            "share_right": share,
        }


def table(summary: dict[str, Any], folder: Path) -> str:
    """The outcome for a person."""
    count = summary["rows"] * summary["samples"]
    lines = [f"{summary['model']} on {summary['rows']} {summary['split']} rows of {summary['task']}"]
    lines += [f"  pass@{k:<5} {Share.of(share)}" for k, share in summary["pass_at_k"].items()]
    lines += [
        f"  prompts    {summary['never_right']} never right, {summary['always_right']} always",
        f"  kept       {summary['kept']} of {count} samples ({_words(summary['wanted'])})",
        f"\nwritten to {folder}: rows.jsonl for task: dataset, difficulty.jsonl for curriculum.measured",
    ]
    return "\n".join(lines)


def _words(wanted: dict[str, Any]) -> str:
    said = [{"right": "right ones", "best": "the best of each prompt", "all": "all"}[wanted["keep"]], "each text once"]
    if wanted["per_prompt"]:
        said.append(f"at most {wanted['per_prompt']} of a prompt")
    if wanted["longest"]:
        said.append(f"at most {wanted['longest']} tokens")
    if (wanted["hardest"], wanted["easiest"]) != (0.0, 1.0):
        said.append(f"prompts right in {wanted['hardest']:g} to {wanted['easiest']:g}")
    return ", ".join(said)
