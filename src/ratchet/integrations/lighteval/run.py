"""Run lighteval on a recipe's rows with Ratchet's grader, and put its figures beside those of ``ratchet evaluate``.

lighteval caches answers by the model's path, not by its weights, and writes into the folder of a model whose path is
absolute. So every run gets an empty folder with a link to the model and a cache of its own, and leaves its results in
``outputs/evaluations``.
"""

import json
import os
import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ratchet
from ratchet.errors import UserError
from ratchet.evaluation.evaluate import rows_to_evaluate
from ratchet.evaluation.run import measure, ready
from ratchet.files import write_text
from ratchet.integrations.beside import Entry, carry_out, environment, lay_model, refuse_mixture, table, write
from ratchet.integrations.lighteval.venv import python
from ratchet.models.load import template_file
from ratchet.recipe import Recipe
from ratchet.recipe.precision import compute_dtype
from ratchet.tasks import packing
from ratchet.tasks.base import Row

AGIEVAL = "agieval:aqua-rat"


def run(recipe: Recipe, model: str, tasks: Sequence[str], beside: bool = True) -> int:
    """Evaluate a model, print a table, and write JSON; returns lighteval's exit status.

    Args:
        tasks: lighteval's names (see ``lighteval.tasks``); empty: all of the recipe's task, and lighteval's own where
            the Hub answers.
        beside: whether the model is measured in ``ratchet evaluate``'s way too, on the same rows.

    Raises:
        UserError: for a task that there is not.
    """
    refuse_mixture(recipe)
    rows = rows_to_evaluate(recipe.task, recipe.evaluation)
    chosen = _chosen(recipe, rows, tasks)
    interpreter = python()
    ready(recipe)
    with tempfile.TemporaryDirectory(prefix="ratchet-lighteval-") as place:
        folder = Path(place)
        _lay(folder, recipe, model, rows)
        ours_alone = [name for name in chosen if name != AGIEVAL]
        theirs = [name for name in chosen if name == AGIEVAL]
        for names in (ours_alone, theirs):  # which need different model arguments
            if names and (code := _lighteval(folder, interpreter, recipe, names)):
                return code
        found = _all_details(folder, {row["id"]: recipe.task.cluster(row) for row in rows})
    ours = measure(recipe, model) if beside else None
    print(table("lighteval", found, ours))
    write("lighteval", recipe, model, found, ours)
    return 0


def _all_details(folder: Path, cluster_of: Mapping[str, str | None]) -> dict[str, list[Entry]]:
    """Every row of every task, from the files that lighteval has written.

    Args:
        cluster_of: of our rows, by id; lighteval's own rows have none.
    """
    paths = sorted(folder.glob("out/details/model/*/details_*.parquet"))
    found = {path.name.removeprefix("details_").split("|")[0]: _details(path) for path in paths}
    for entries in found.values():
        for entry in entries:
            entry["cluster"] = cluster_of.get(entry["id"])
    return found


def _chosen(recipe: Recipe, rows: Sequence[Row], wanted: Sequence[str]) -> list[str]:
    """The names of the tasks that are evaluated: those that are wanted, or all that there are."""
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
    lay_model(folder / "model", recipe, model, "lighteval")
    (folder / "packages").mkdir()
    (folder / "packages/ratchet").symlink_to(Path(ratchet.__file__).parent.absolute())
    write_text(folder / "recipe.yaml", recipe.as_yaml())
    lines = []
    for row in rows:  # as text inside: Arrow would give all rows the same columns
        lines.append(json.dumps({"id": row["id"], packing.COLUMN: packing.pack(row)}, ensure_ascii=False) + "\n")
    write_text(folder / "rows/test.jsonl", "".join(lines))


def _lighteval(folder: Path, interpreter: Path, recipe: Recipe, tasks: Sequence[str]) -> int:
    """Run lighteval; its exit status."""
    here = Path(__file__).parent
    model = ",".join(f"{key}={value}" for key, value in _model_arguments(folder, recipe, tasks).items())
    words = [
        *(str(interpreter), str(here / "cli.py"), "accelerate", model, ",".join(f"{name}|0" for name in tasks)),
        *("--custom-tasks", str(here / "tasks.py")),
        *("--output-dir", str(folder / "out"), "--save-details"),
    ]
    environ = _environ(folder, recipe, tasks)
    return carry_out("lighteval", tasks, words, folder, environ)


def _model_arguments(folder: Path, recipe: Recipe, tasks: Sequence[str]) -> dict[str, Any]:
    arguments = {
        "model_name": "model",
        "dtype": compute_dtype(recipe),
        "batch_size": recipe.evaluation.batch_size,
        "cache_dir": folder / "cache",
    }
    if AGIEVAL in tasks:  # whose figures are comparable with others' under lighteval's own settings alone
        return arguments
    # Ratchet's prompts are rendered already, and are to reach the model whole.
    return arguments | {"max_length": 1_000_000, "override_chat_template": False, "add_special_tokens": False}


def _environ(folder: Path, recipe: Recipe, tasks: Sequence[str]) -> dict[str, str]:
    """The environment of lighteval's process: this one's, without what would reach into its Python or its recipe."""
    overrides = [["model_name_or_path", "model/"], ["from_scratch", "null"]]
    if template := recipe.values.get("chat_template_path"):
        file = template_file(template) or (Path(template) if Path(template).exists() else None)
        overrides.append(["chat_template_path", str(file.absolute()) if file else template])
    asked = {"recipe": str(folder / "recipe.yaml"), "overrides": overrides, "rows": str(folder / "rows")}
    environ = environment() | {
        "PYTHONPATH": str(folder / "packages"),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LIGHTEVAL_RECIPE": json.dumps(asked),
    }
    if recipe.get("use_cpu"):
        environ |= {"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""}
    if AGIEVAL not in tasks:  # only its rows are on the Hub
        environ["HF_HUB_OFFLINE"] = "1"
    return environ


def _details(path: Path) -> list[Entry]:
    """The rows of one task, from lighteval's file of details, by id."""
    from pyarrow import parquet

    entries = [_entry(detail) for detail in parquet.read_table(path).to_pylist()]
    return sorted(entries, key=lambda entry: str(entry["id"]))


def _entry(detail: Mapping[str, Any]) -> Entry:
    doc, metric, response = detail["doc"], detail["metric"], detail["model_response"]
    specific = doc.get("specific") or {}
    correct = metric["accuracy"] if metric.get("accuracy") is not None else metric["acc"]  # lighteval's own name
    was_generated = response.get("text") and metric.get("answered") is not None
    completion = response["text"][0] if was_generated else None
    return {"id": specific.get("id") or doc["id"], "correct": bool(correct), "completion": completion}
