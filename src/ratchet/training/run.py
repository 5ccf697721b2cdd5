"""The life-cycle that ``sft`` and ``grpo`` share: check, prepare, build, train, save, measure, report.

Everything that can be known to be wrong is found before the model is loaded; what a run leaves behind in its
``output_dir`` is

    recipe.yaml     the resolved recipe, which can be run as it is
    checkpoint-*/   as TRL saves them
    *.safetensors   the final model with its tokenizer, README.md (the model card) and trainer_state.json
    result.json     accuracy before and after, with intervals and baselines
    run.json        command, commit, data, versions, hardware
    diagnostics/    everything that was logged (see ``diagnostics.records``)
    report.html     the page about the run, and report.md
"""

import errno
import os
import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.files import alone
from ratchet.recipe import Recipe
from ratchet.runtime import check_device, quiet

SCRATCH = "initial_model"  # the folder of a model built from a configuration

BuildTrainer = Callable[["Run"], Any]


@dataclass
class Run:
    """What a run has gathered when its trainer is built."""

    recipe: Recipe
    arguments: Any
    """TRL's configuration object."""
    model_arguments: Any
    """TRL's ``ModelConfig``."""
    model_path: str
    tokenizer: Any
    data: Any
    """``training.data.Prepared``."""
    alarms: Any
    """``training.watch.Alarms``."""


def run(recipe: Recipe, make_arguments: Callable[[Recipe], tuple[Any, Any]], build: BuildTrainer) -> dict[str, Any]:
    """Carry out a recipe; returns what ``result.json`` holds."""
    quiet()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "MASTER_ADDR" not in os.environ:
        raise UserError("the environment variable WORLD_SIZE is set, but no launcher is at work; start with accelerate launch, or unset it")
    started = time.perf_counter()
    check_device(recipe)
    folder, main = recipe.output_dir, os.environ.get("RANK", "0") == "0"
    # Two runs on one output folder would mix: the second one is refused, before it touches anything.
    lock = alone(folder.with_name(f".{folder.name}.lock"), f"output_dir: {folder}", "--output_dir") if main else nullcontext()
    with lock:
        try:
            return _run(recipe, make_arguments, build, started)
        except UserError:
            if main:
                shutil.rmtree(staging(recipe), ignore_errors=True)
            raise
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise UserError(f"no space left on the device while writing to {folder}; checkpoints that are whole stay as they are") from None


def _run(recipe: Recipe, make_arguments: Callable, build: BuildTrainer, started: float) -> dict[str, Any]:
    from accelerate import PartialState

    if os.environ.get("RANK", "0") == "0":
        begin(recipe)
        if recipe.from_scratch:
            _build_from_scratch(recipe)  # before TRL's arguments switch ZeRO-3 on, under which one process cannot build
    arguments, model_arguments = make_arguments(recipe)
    state = PartialState()
    state.wait_for_everyone()
    prepared = prepare(recipe, arguments, model_arguments)
    if state.is_main_process:
        print(plan(prepared), flush=True)
    trainer = build(prepared)
    attach(trainer, prepared)
    trainer.train(resume_from_checkpoint=resumes_from(recipe))
    trained = time.perf_counter() - started
    trainer.save_model()
    trainer.save_state()
    if recipe.evaluation.after and not _measured_as_saved(trainer):
        trainer.evaluate()
    return finish(trainer, prepared, trained)


def _measured_as_saved(trainer: Any) -> bool:
    """Whether the last evaluation was of the weights that are there now: not of a last step after which the best one was loaded."""
    step = trainer.state.global_step
    best = trainer.state.best_global_step if trainer.args.load_best_model_at_end else None
    return bool(trainer.results) and trainer.results[-1][0] == step and best in (None, step)


def staging(recipe: Recipe) -> Path:
    """Where a run is prepared, beside its output folder, until everything is known to be right."""
    return recipe.output_dir.with_name(f".{recipe.output_dir.name}.preparing")


def begin(recipe: Recipe) -> None:
    """Make an empty staging folder; the output folder stays as it is."""
    if recipe.output_dir.exists() and not recipe.output_dir.is_dir():
        raise UserError(f"output_dir: {recipe.output_dir} is a file; name a folder with --output_dir")
    try:
        shutil.rmtree(staging(recipe), ignore_errors=True)
        staging(recipe).mkdir(parents=True)
    except OSError as error:
        raise UserError(f"output_dir: {recipe.output_dir} cannot be written ({error.strerror}); name another with --output_dir") from None


def settle(recipe: Recipe) -> None:
    """Turn the staging folder into the output folder; an earlier run there is moved aside, never written over."""
    folder, prepared = recipe.output_dir, staging(recipe)
    if folder.exists() and not resumes_from(recipe) and any(folder.iterdir()):
        aside = next(p for i in range(1, 10_000) if not (p := folder.with_name(f"{folder.name}.old-{i}")).exists())
        folder.rename(aside)
        print(f"{folder} holds an earlier run; moved it to {aside}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").unlink(missing_ok=True)  # of a run that is gone on with: it is not finished any more
    for item in prepared.iterdir():
        shutil.rmtree(folder / item.name, ignore_errors=True)
        item.rename(folder / item.name)
    prepared.rmdir()
    (folder / "recipe.yaml").write_text(recipe.as_yaml(), encoding="utf-8")


def resumes_from(recipe: Recipe) -> Any:
    """The checkpoint that a run goes on from: a folder, True for the newest, or None."""
    value = recipe.values.get("resume_from_checkpoint")
    return {"true": True, "false": None}.get(str(value).lower(), value) if value is not None else None


def prepare(recipe: Recipe, arguments: Any, model_arguments: Any) -> Run:
    """Model folder, tokenizer and data, each checked before the next; the weights are not loaded yet."""
    from ratchet.models import check_template, load_tokenizer, locate
    from ratchet.models.load import position_limit
    from ratchet.training.data import prepare as prepare_data
    from ratchet.training.watch import Alarms

    path = str(staging(recipe) / SCRATCH) if recipe.from_scratch else locate(recipe.values["model_name_or_path"])
    revision = recipe.get("model_revision")
    tokenizer = load_tokenizer(path, revision, bool(recipe.values.get("trust_remote_code")), recipe.values.get("chat_template_path"))
    if recipe.trainer == "sft" and recipe.values.get("eos_token"):
        tokenizer.eos_token = recipe.values["eos_token"]
    check_template(tokenizer)
    data = prepare_data(recipe, tokenizer, _token_limit(recipe, position_limit(path, revision)), staging(recipe), settle)
    if recipe.from_scratch:
        path = str(recipe.output_dir / SCRATCH)
    return Run(recipe, arguments, model_arguments, path, tokenizer, data, Alarms(recipe.task))


def _build_from_scratch(recipe: Recipe) -> None:
    from ratchet.models.scratch import save_from_scratch
    from ratchet.tasks import load_split

    task = recipe.task
    rows = load_split(task).rows
    texts = ("\n".join([*(m["content"] for m in task.messages(row)), task.target(row)]) for row in rows)
    save_from_scratch(vars(recipe.from_scratch), texts, staging(recipe) / SCRATCH)


def _token_limit(recipe: Recipe, positions: int | None) -> int | None:
    if recipe.trainer == "sft":
        limits = [n for n in (recipe.get("max_length"), positions) if n]
        return min(limits) if limits else None
    whole = [n for n in (recipe.values.get("vllm_max_model_length"), positions) if n]
    if not whole:
        return None
    left = min(whole) - recipe.get("max_completion_length")
    if left < 1:
        raise UserError(
            f"max_completion_length: {recipe.get('max_completion_length')} leaves no room for a prompt in the {min(whole)} tokens the model can read"
        )
    return left


def plan(prepared: Run) -> str:
    """What is about to happen, in numbers."""
    recipe, sizes = prepared.recipe, prepared.recipe.batches
    rows = len(prepared.data.train)
    steps = sizes.steps(rows, recipe.get("num_train_epochs"), recipe.get("max_steps"))
    lines = [f"{recipe.path}: {recipe.trainer} of {recipe.values.get('model_name_or_path') or 'a new model'} on {recipe.task.label}"]
    lines += [f"  data        {note}" for note in prepared.data.notes]
    lines += [f"  audit       {prepared.data.audit}"] if prepared.data.audit else []
    if recipe.trainer == "grpo":
        lines.append(
            f"  each step   {sizes.prompts_per_step} prompts x {sizes.num_generations} completions = {sizes.completions_per_step}, "
            f"on {sizes.processes} process{'es' if sizes.processes > 1 else ''}"
        )
    else:
        lines.append(f"  each step   {sizes.completions_per_step} rows on {sizes.processes} process{'es' if sizes.processes > 1 else ''}")
    lines.append(f"  steps       {steps}, over {rows} training rows")
    lines.append(f"  output      {recipe.output_dir}")
    return "\n".join(lines)


def attach(trainer: Any, prepared: Run) -> None:
    """Ratchet's evaluation and progress line in the place of TRL's."""
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    from ratchet.evaluation.evaluate import evaluate, rows_to_evaluate
    from ratchet.evaluation.generate import generator
    from ratchet.training.observing import observe
    from ratchet.training.progress import ProgressLine

    recipe = prepared.recipe
    settings, task = recipe.evaluation, recipe.task
    trainer.results = []
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(ProgressLine())
    trainer.add_callback(prepared.alarms)
    observe(trainer, prepared)
    if not (settings.before or settings.after or recipe.get("eval_strategy") != "no"):
        return
    rows = rows_to_evaluate(task, settings)
    name = str(recipe.output_dir)

    def measure(model: Any) -> Any:
        generate = generator(model, prepared.tokenizer, recipe.values.get("chat_template_kwargs"), "evaluating")
        return evaluate(task, rows, settings, recipe.answer_limit, generate, name)

    trainer.measure = measure


def finish(trainer: Any, prepared: Run, seconds: float) -> dict[str, Any]:
    """Write result.json and the model card, and print the summary, on the main process."""
    from ratchet.files import write_json
    from ratchet.hub import write_model_card
    from ratchet.report.command import write
    from ratchet.runtime import attempt
    from ratchet.training.summary import outcome, summary

    trainer.watching.close()
    result = outcome(trainer.results, prepared.recipe, trainer.state.global_step, seconds)
    result["alarms"] = prepared.alarms.watch.raised
    if trainer.accelerator.is_main_process:
        folder = Path(prepared.recipe.output_dir)
        write_model_card(folder, prepared.recipe, result, prepared.data.train[0]["prompt"][-1]["content"])
        write_json(folder / "result.json", result)
        page = attempt("the report", lambda: write(folder)) if prepared.recipe.report.mode == "on" else None
        print(summary(trainer.results, prepared.recipe, result, page), flush=True)
    trainer.accelerator.wait_for_everyone()
    trainer.end()
    return result
