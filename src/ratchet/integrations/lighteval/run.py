"""Run lighteval on a recipe's rows with Ratchet's grader, and put its figures beside those of ``ratchet evaluate``.

lighteval caches answers by the model's path, whatever its weights are, and writes into the folder of a model whose path is absolute.
So every run gets an empty folder with a link to the model, a cache of its own, and leaves what it found in ``outputs/evaluations``.
"""

import json
import os
import subprocess
import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ratchet
from ratchet.errors import UserError
from ratchet.evaluation.evaluate import Answered, Result, rows_to_evaluate
from ratchet.evaluation.run import ELSEWHERE, measure, named, ready
from ratchet.evaluation.statistics import Share, wilson
from ratchet.files import keep_earlier, write_json, write_text
from ratchet.integrations.lighteval.venv import python
from ratchet.models import load_for_evaluation, load_tokenizer, locate
from ratchet.recipe import Recipe
from ratchet.runtime import command_line
from ratchet.tasks.base import Row

AGIEVAL = "agieval:aqua-rat"


def run(recipe: Recipe, model: str, tasks: Sequence[str], beside: bool = True) -> int:
    """Evaluate a model, print a table, and write JSON; returns lighteval's exit status.

    Args:
        tasks: lighteval's names (see ``lighteval.tasks``); empty: all of the recipe's task, and lighteval's own where the Hub answers.
        beside: whether ``ratchet evaluate``'s way is gone too, on the same rows.

    Raises:
        UserError: for a task that there is not.
    """
    rows = rows_to_evaluate(recipe.task, recipe.evaluation)
    chosen = _chosen(recipe, rows, tasks)
    interpreter = python()
    ready(recipe)
    with tempfile.TemporaryDirectory(prefix="ratchet-lighteval-") as place:
        folder = Path(place)
        _lay(folder, recipe, model, rows)
        found: dict[str, list[dict[str, Any]]] = {}
        for names in ([name for name in chosen if name != AGIEVAL], [name for name in chosen if name == AGIEVAL]):
            if names and (code := _lighteval(folder, interpreter, recipe, names)):
                return code
        for path in sorted(folder.glob("out/details/model/*/details_*.parquet")):
            found[path.name.removeprefix("details_").split("|")[0]] = _details(path)
    ours = measure(recipe, model) if beside else None
    print(table(found, ours))
    target = ELSEWHERE / named(model) / f"lighteval-{recipe.task.name}-{recipe.evaluation.split}.json"
    if note := keep_earlier(target, target.with_suffix(".jsonl")):
        print(note)
    shares = {
        name: wilson(sum(entry["correct"] for entry in entries), len(entries)).as_dict()
        for name, entries in found.items()
    }
    write_json(
        target,
        {
            "model": model,
            "command": command_line(),
            "split": recipe.evaluation.split,
            "tasks": shares,
            "ratchet": ours.as_dict() if ours else None,
        },
    )
    lines = [
        json.dumps({"task": name, **entry}, ensure_ascii=False) + "\n"
        for name, entries in found.items()
        for entry in entries
    ]
    write_text(target.with_suffix(".jsonl"), "".join(lines))
    print(f"\nwritten to {target}, every row to {target.with_suffix('.jsonl').name} beside it")
    return 0


def table(found: Mapping[str, Sequence[dict[str, Any]]], ours: Result | None) -> str:
    """Both ways side by side, with n, intervals, and on how many rows they agree."""
    if ours is None:
        return "\n".join(
            [
                "| task | lighteval |",
                "|---|---|",
                *(
                    f"| {name} | {_share([e['correct'] for e in entries])} |"
                    for name, entries in sorted(found.items())
                ),
            ]
        )
    lines = ["| task | lighteval | ratchet evaluate | same completion | same verdict |", "|---|---|---|---|---|"]
    answered = {a.id: a for a in ours.answered}
    for name, entries in sorted(found.items()):
        both: list[tuple[dict[str, Any], Answered]] = [
            (e, answered[e["id"]]) for e in entries if e["completion"] is not None and e["id"] in answered
        ]
        cells = [str(_share([e["correct"] for e in entries])), "nothing is generated", "", ""]
        if both:
            same = [e["completion"] == a.completion for e, a in both]
            verdicts = [e["correct"] == a.correct for e, a in both]
            cells[1:] = [
                str(_share([a.correct for _, a in both])),
                f"{sum(same)} of {len(both)}",
                f"{sum(verdicts)} of {len(both)}",
            ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _share(right: Sequence[bool]) -> Share:
    return wilson(sum(right), len(right))


def _chosen(recipe: Recipe, rows: Sequence[Row], wanted: Sequence[str]) -> list[str]:
    task, kinds = recipe.task, sorted({str(row["kind"]) for row in rows if row.get("kind")})
    written = [f"{task.name}_{kind}" for kind in kinds] or [task.name]
    letters = [f"{task.name}_letters"] if task.answers else []
    agieval = [AGIEVAL] if task.name == "aquarat" else []
    there = [*dict.fromkeys([task.name, *written]), *letters, *agieval]
    if unknown := [name for name in wanted if name not in there]:
        raise UserError(f"--tasks: there is no task {', '.join(unknown)}; there are {', '.join(there)}")
    if wanted:
        return list(wanted)
    if agieval and not _hub_answers():
        print(f"{AGIEVAL}, whose rows are on the Hub, is left out: the Hub cannot be reached")
        agieval = []
    return [*written, *letters, *agieval]


def _hub_answers() -> bool:
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        return False
    from huggingface_hub import constants

    try:
        with urllib.request.urlopen(f"{constants.ENDPOINT}/api/models?limit=1", timeout=5) as answer:
            return answer.status == 200
    except (OSError, ValueError):
        return False


def _lay(folder: Path, recipe: Recipe, model: str, rows: Sequence[Row]) -> None:
    """What lighteval works on: the model, the recipe, the rows, and Ratchet alone of what is installed here."""
    path = Path(locate(model))
    if path.is_dir() and (path / "config.json").is_file():
        (folder / "model").symlink_to(path.absolute())
    else:  # an adapter, or a model on the Hub
        load_for_evaluation(locate(model), recipe.get("dtype"), "cpu").save_pretrained(folder / "model")
        load_tokenizer(locate(model)).save_pretrained(folder / "model")
    (folder / "packages").mkdir()
    (folder / "packages/ratchet").symlink_to(Path(ratchet.__file__).parent.absolute())
    write_text(folder / "recipe.yaml", recipe.as_yaml())
    lines = [
        json.dumps({"id": row["id"], "row": json.dumps(row, ensure_ascii=False)}, ensure_ascii=False) + "\n"
        for row in rows
    ]
    write_text(folder / "rows/test.jsonl", "".join(lines))


def _lighteval(folder: Path, interpreter: Path, recipe: Recipe, tasks: Sequence[str]) -> int:
    """Run it; its output goes to a log, whose end is shown when it fails."""
    overrides = [["model_name_or_path", "model/"], ["from_scratch", "null"]]
    if template := recipe.values.get("chat_template_path"):
        overrides.append(
            ["chat_template_path", str(Path(template).absolute()) if Path(template).exists() else template]
        )
    asked = {"recipe": str(folder / "recipe.yaml"), "overrides": overrides, "rows": str(folder / "rows")}
    arguments = {
        "model_name": "model",
        "dtype": recipe.get("dtype"),
        "batch_size": recipe.evaluation.batch_size,
        "cache_dir": folder / "cache",
    }
    if AGIEVAL not in tasks:  # whose figures are comparable with lighteval's own settings alone
        arguments |= {"max_length": 1_000_000, "override_chat_template": False, "add_special_tokens": False}
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("RATCHET_", "PYTHON"))}
    environ |= {
        "PYTHONPATH": str(folder / "packages"),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LIGHTEVAL_RECIPE": json.dumps(asked),
    }
    environ |= {"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""} if recipe.get("use_cpu") else {}
    environ |= {"HF_HUB_OFFLINE": "1"} if AGIEVAL not in tasks else {}
    here = Path(__file__).parent
    words = [
        str(interpreter),
        str(here / "cli.py"),
        "accelerate",
        ",".join(f"{key}={value}" for key, value in arguments.items()),
    ]
    words += [
        ",".join(f"{name}|0" for name in tasks),
        "--custom-tasks",
        str(here / "tasks.py"),
        "--output-dir",
        str(folder / "out"),
        "--save-details",
    ]
    print(f"lighteval: {', '.join(tasks)}", flush=True)
    with (folder / "log.txt").open("wb") as log:
        code = subprocess.run(words, cwd=folder, env=environ, stdout=log, stderr=subprocess.STDOUT).returncode
    if code:
        print("\n".join((folder / "log.txt").read_text(encoding="utf-8", errors="replace").splitlines()[-25:]))
        print(f"lighteval failed (exit status {code}); nothing was written", flush=True)
    return code


def _details(path: Path) -> list[dict[str, Any]]:
    from pyarrow import parquet

    found = []
    for entry in parquet.read_table(path).to_pylist():
        doc, metric, response = entry["doc"], entry["metric"], entry["model_response"]
        specific = doc.get("specific") or {}
        value = next(iter(metric[name] for name in ("accuracy", "acc") if metric.get(name) is not None))
        text = response["text"][0] if response.get("text") and metric.get("answered") is not None else None
        found.append({"id": specific.get("id") or doc["id"], "correct": bool(value), "completion": text})
    return sorted(found, key=lambda entry: str(entry["id"]))
