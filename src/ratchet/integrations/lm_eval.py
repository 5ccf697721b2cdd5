"""Evaluation by lm-evaluation-harness on a recipe's rows, by its own ways of reading an answer, beside Ratchet's.

lighteval is given Ratchet's grader (``integrations.lighteval``); here the harness reads by itself, as its own tasks do
(GSM8K, AGIEval), so that the two can be compared row by row:

    <task>_strict     the answer in the form that the prompt asks for (``Task.commit``), the last one
    <task>_flexible   the last letter, or the last number, wherever it stands
    <task>_letters    the letter with the highest log-likelihood after the answer's prefix, where answers are letters

Prompts are those of ``ratchet evaluate``, rendered; answers are greedy.
"""

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ratchet.errors import UserError
from ratchet.evaluation.evaluate import rows_to_evaluate
from ratchet.evaluation.run import measure, ready
from ratchet.files import write_text
from ratchet.integrations.beside import Entry, carry_out, environment, lay_model, refuse_mixture, table, write
from ratchet.integrations.environment import Environment
from ratchet.integrations.letters import letters
from ratchet.models import ChatFormat, chat_format
from ratchet.recipe import Recipe
from ratchet.recipe.precision import compute_dtype
from ratchet.tasks.base import Row, Task

LM_EVAL = Environment(
    "lm-eval",
    "RATCHET_LM_EVAL_ENVIRONMENT",
    "about 2 GB",
    [
        ["torch==2.13.0"],
        ["transformers==5.23.0", "accelerate==1.15.0", "peft>=0.19", "lm-eval==0.4.13"],
    ],
)
KINDS = ("strict", "flexible", "letters")
MARK = "\x00"
NUMBER = r"(-?\d[\d,]*(?:\.\d+)?)"


def run(recipe: Recipe, model: str, tasks: Sequence[str], beside: bool = True) -> int:
    """Evaluate a model, print a table, and write JSON; returns the harness's exit status.

    Args:
        tasks: names as above; empty: all that the task has.
        beside: whether the model is measured in ``ratchet evaluate``'s way too, on the same rows.

    Raises:
        UserError: for a task that there is not.
    """
    refuse_mixture(recipe)
    rows = rows_to_evaluate(recipe.task, recipe.evaluation)
    chosen = _chosen(recipe.task, rows, tasks)
    interpreter = LM_EVAL.python()
    ready(recipe)
    with tempfile.TemporaryDirectory(prefix="ratchet-lm-eval-") as place:
        folder = Path(place)
        lay_model(folder / "model", recipe, model, "lm-eval")
        _lay(folder, recipe, chat_format(recipe.values, str(folder / "model")), rows, chosen)
        if code := _harness(folder, interpreter, recipe, chosen):
            return code
        cluster_of = {row["id"]: recipe.task.cluster(row) for row in rows}
        found = {name: _entries(folder, name, cluster_of) for name in chosen}
    ours = measure(recipe, model) if beside else None
    print(table("lm-eval", found, ours))
    write("lm-eval", recipe, model, found, ours)
    return 0


def _chosen(task: Task, rows: Sequence[Row], wanted: Sequence[str]) -> list[str]:
    """Names of the tasks that are evaluated: those that are wanted, or all that there are."""
    there = [f"{task.name}_{kind}" for kind in KINDS if kind in _kinds(task, rows)]
    if unknown := [name for name in wanted if name not in there]:
        raise UserError(f"--tasks: there is no task {', '.join(unknown)}; there are {', '.join(there)}")
    return list(wanted) or there


def _kinds(task: Task, rows: Sequence[Row]) -> set[str]:
    golds = [task.gold(row) for row in rows]
    if None in golds:
        raise UserError(f"{task.name} has rows without a right answer of their own, which lm-eval cannot compare with")
    if task.answers:
        return set(KINDS)
    numbers = all(re.fullmatch(NUMBER, str(gold)) for gold in golds)
    return {"strict", "flexible"} if numbers else {"strict"}


def pattern(task: Task, row: Row, kind: str) -> str:
    """The regular expression that finds an answer, for lm-eval's filter ``regex``."""
    if kind == "strict":
        before, _, after = task.commit(MARK, row).partition(MARK)
        inside = f"([{''.join(task.answers)}])" if task.answers else "(.+?)"
        ends = re.escape(after.strip()) or r"\s*$"
        return f"(?m){re.escape(before.strip())}\\s*{inside}{ends if not task.answers else ''}"
    return rf"\b([{''.join(task.answers)}])\b" if task.answers else NUMBER


def _lay(folder: Path, recipe: Recipe, chat: ChatFormat, rows: Sequence[Row], tasks: Sequence[str]) -> None:
    """The rows, and a file for each task."""
    task = recipe.task
    lines = []
    for row in rows:
        prefix, choices = letters(task, row)
        line = {"id": row["id"], "prompt": chat.prompt(task.messages(row)), "gold": task.gold(row)}
        lines.append(json.dumps({**line, "prefix": prefix, "choices": choices}, ensure_ascii=False) + "\n")
    write_text(folder / "rows.jsonl", "".join(lines))
    for name in tasks:
        config = _config(task, rows[0], name.removeprefix(f"{task.name}_"), recipe.answer_limit)
        config |= {"task": name, "dataset_path": "json", "test_split": "test"}
        config["dataset_kwargs"] = {"data_files": {"test": str(folder / "rows.jsonl")}}
        write_text(folder / f"tasks/{name}.yaml", yaml.safe_dump(config, sort_keys=False, width=1000))


def _config(task: Task, row: Row, kind: str, tokens: int) -> dict[str, Any]:
    """What is asked and how it is read, in lm-eval's words."""
    if kind == "letters":
        return {
            "output_type": "multiple_choice",
            "doc_to_text": "{{prompt}}{{prefix}}",
            "doc_to_choice": "{{choices}}",
            "doc_to_target": f"{{{{{list(task.answers)!r}.index(gold)}}}}",
            "target_delimiter": "",
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        }
    found = {"function": "regex", "regex_pattern": pattern(task, row, kind), "group_select": -1}
    return {
        "output_type": "generate_until",
        "doc_to_text": "{{prompt}}",
        "doc_to_target": "{{gold}}",
        "generation_kwargs": {"until": [], "do_sample": False, "max_gen_toks": tokens},
        "filter_list": [{"name": kind, "filter": [found, {"function": "take_first"}]}],
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }


def _harness(folder: Path, interpreter: Path, recipe: Recipe, tasks: Sequence[str]) -> int:
    """Run it; its exit status."""
    device = "cpu" if recipe.get("use_cpu") else "cuda"
    words = [str(interpreter), "-m", "lm_eval", "run", "--model", "hf", "--tasks", ",".join(tasks)]
    words += ["--model_args", f"pretrained={folder / 'model'},dtype={compute_dtype(recipe)},max_length=1000000"]
    words += ["--include_path", str(folder / "tasks"), "--output_path", str(folder / "out"), "--log_samples"]
    words += ["--batch_size", str(recipe.evaluation.batch_size), "--device", device]
    environ = environment() | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "cache")}
    return carry_out("lm-eval", tasks, words, folder, environ)


def _entries(folder: Path, name: str, cluster_of: Mapping[str, str | None]) -> list[Entry]:
    """The rows of one task, from the samples that lm-eval has written, by id."""
    (path,) = folder.glob(f"out/**/samples_{name}_*.jsonl")
    entries = []
    for sample in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        generated = "exact_match" in sample
        number = sample["doc"]["id"]
        entries.append(
            {
                "id": number,
                "correct": bool(sample["exact_match" if generated else "acc"]),
                "completion": sample["resps"][0][0] if generated else None,
                "read": sample["filtered_resps"][0] if generated else None,
                "cluster": cluster_of.get(number),
            }
        )
    return sorted(entries, key=lambda entry: str(entry["id"]))
