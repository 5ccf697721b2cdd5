"""The life-cycle that ``sft`` and ``grpo`` share: check, prepare, build, train, save, measure, report.

Everything that can be known to be wrong is found before the model is loaded; what a run leaves behind in its
``output_dir`` is

    recipe.yaml     the resolved recipe, which can be run as it is
    checkpoint-*/   as TRL saves them
    *.safetensors   the final model with its tokenizer, README.md (the model card) and trainer_state.json
    result.json     accuracy before and after, with intervals and baselines
    run.json        command, commit, data, versions, hardware
    diagnostics/    everything that was logged (see ``record.records``)
    report.html     the page about the run, and report.md
"""

import math
import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet.checkpoints.resume import LATEST, Start, ask, choose, leave_later_behind
from ratchet.errors import Stopped, UserError
from ratchet.files import FULL, alone, lock_of
from ratchet.hub.fetch import last_checkpoint
from ratchet.recipe import Recipe
from ratchet.runtime import check_device, quiet
from ratchet.training.faults import Fault, Faults
from ratchet.training.out_of_memory import advice, is_out_of_memory
from ratchet.training.watchdog import Watchdog

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
    """``training.dataset.Prepared``."""
    alarms: Any
    """``training.callbacks.alarms.AlarmCallback``."""
    start: Start
    """What the run goes on from."""
    faults: Faults
    """What goes wrong without ending it."""


def run(
    recipe: Recipe, make_arguments: Callable, build: BuildTrainer, resume: str = LATEST, anyway: bool = False
) -> dict[str, Any]:
    """Carry out a recipe; returns what ``result.json`` holds.

    Args:
        resume: what it goes on from, and ``anyway``: although something changed (see ``checkpoints.resume``).
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "MASTER_ADDR" not in os.environ:
        raise UserError(
            "the environment variable WORLD_SIZE is set, but no launcher is at work; start with accelerate launch, or unset it"
        )
    began = time.perf_counter()
    folder, main = recipe.output_dir, os.environ.get("RANK", "0") == "0"
    # Two runs on one output folder would mix: the second one is refused, before it touches anything.
    lock = alone(lock_of(folder), f"output_dir: {folder}", "--output_dir") if main else nullcontext()
    with lock:
        try:
            start = choose(recipe, resume, anyway, download=last_checkpoint) if main else Start()
            if start.finished is not None and recipe.processes == 1:
                return _nothing_to_do(recipe, start.finished)
            quiet()
            check_device(recipe)
            return _run(recipe, make_arguments, build, start, began)
        except UserError:
            if main:
                shutil.rmtree(staging(recipe), ignore_errors=True)
            raise
        except (RuntimeError, MemoryError) as error:
            if "probability tensor contains" in str(error):
                raise UserError(
                    f"the model's probabilities are no finite numbers, so nothing can be sampled: its weights are broken, or learning_rate "
                    f"{recipe.get('learning_rate')} was too high. Go back with --resume STEP (scripts/checkpoints.py list {folder}), or take another model"
                ) from None
            if not is_out_of_memory(error):
                raise
            if not main:  # the only one to know, perhaps
                print(f"process {os.environ['RANK']}: {advice(recipe, error)}", file=sys.stderr, flush=True)
            raise UserError(advice(recipe, error)) from None
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise Stopped(
                f"no space left while writing to {folder}; free some, and the same command goes on from the newest checkpoint"
            ) from None


def _run(recipe: Recipe, make_arguments: Callable, build: BuildTrainer, start: Start, began: float) -> dict[str, Any]:
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    if os.environ.get("RANK", "0") == "0" and start.finished is None:
        begin(recipe)
        if recipe.from_scratch and not _built(recipe, start):
            _build_from_scratch(
                recipe
            )  # before TRL's arguments switch ZeRO-3 on, under which one process cannot build
    arguments, model_arguments = make_arguments(recipe)
    state = PartialState()
    start = broadcast_object_list([start])[0]
    if start.finished is not None:
        return _nothing_to_do(recipe, start.finished)
    prepared = prepare(recipe, arguments, model_arguments, start)
    if state.is_main_process:
        print(plan(prepared), flush=True)
    trainer = build(prepared)
    attach(trainer, prepared, began)
    heartbeat = trainer.heartbeat = Watchdog(recipe.faults.hang_timeout, trainer.faults.folder, trainer.accelerator)
    if trainer.server is not None:
        trainer.server.beat = heartbeat.beat
    if trainer.judges is not None:
        trainer.judges.beat = heartbeat.beat
    try:
        with trainer.stopping.listening(), heartbeat.watching(trainer.model):
            trainer.train(resume_from_checkpoint=None if start.checkpoint is None else str(start.checkpoint.path))
            trained = trainer.keeper.earlier + time.perf_counter() - began
            trainer.save_model()
            trainer.save_state()
            if recipe.evaluation.after and not _measured_as_saved(trainer):
                trainer.evaluate()
            return finish(trainer, prepared, trained)
    except (Fault, Stopped) as error:  # known to all processes
        if isinstance(error, Fault):
            trainer.keeper.take_back()
        trainer.watching.close()
        error.say()
        trainer.accelerator.wait_for_everyone()  # a launcher ends the others as soon as one has left, whatever they have still to say
        trainer.end()
        raise
    finally:
        if trainer.judges is not None:
            trainer.judges.close()


def _nothing_to_do(recipe: Recipe, result: dict[str, Any]) -> dict[str, Any]:
    if os.environ.get("RANK", "0") == "0":
        accuracy = (result.get("after") or {}).get("accuracy")
        reached = "" if accuracy is None else f", accuracy {accuracy:.3f}"
        print(
            f"{recipe.output_dir}: this run is finished ({result.get('steps')} steps{reached}); --resume never runs it anew, and moves this one aside"
        )
    return result


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
        raise UserError(
            f"output_dir: {recipe.output_dir} cannot be written ({error.strerror}); name another with --output_dir"
        ) from None


def settle(recipe: Recipe, start: Start, sha256: str) -> None:
    """Turn the staging folder into the output folder; an earlier run there is moved aside, never written over.

    Args:
        sha256: of the training rows.

    Raises:
        UserError: where the run goes on from a checkpoint of other rows.
    """
    folder, prepared = recipe.output_dir, staging(recipe)
    if start.then and start.then.get("data") != sha256:
        ask(start, ["data    the training rows are others"])
    if start.inside(folder):
        start.notes += leave_later_behind(folder, start.checkpoint)
    elif folder.exists() and any(folder.iterdir()):
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


def _built(recipe: Recipe, start: Start) -> bool:
    """Whether the model from a configuration is there already: the run goes on with it."""
    return start.inside(recipe.output_dir) and (recipe.output_dir / SCRATCH).is_dir()


def prepare(recipe: Recipe, arguments: Any, model_arguments: Any, start: Start) -> Run:
    """Model folder, tokenizer and data, each checked before the next; the weights are not loaded yet."""
    from ratchet.models import check_template, load_tokenizer, locate
    from ratchet.models.load import position_limit
    from ratchet.training.callbacks.alarms import AlarmCallback
    from ratchet.training.dataset import prepare as prepare_data

    here = recipe.output_dir if _built(recipe, start) else staging(recipe)
    path = str(here / SCRATCH) if recipe.from_scratch else locate(recipe.values["model_name_or_path"])
    revision = recipe.get("model_revision")
    tokenizer = load_tokenizer(
        path, revision, bool(recipe.values.get("trust_remote_code")), recipe.values.get("chat_template_path")
    )
    if recipe.trainer == "sft" and recipe.values.get("eos_token"):
        tokenizer.eos_token = recipe.values["eos_token"]
    check_template(tokenizer)
    limit = _token_limit(recipe, position_limit(path, revision))
    data = prepare_data(recipe, tokenizer, limit, staging(recipe), lambda sha256: settle(recipe, start, sha256))
    if recipe.from_scratch:
        path = str(recipe.output_dir / SCRATCH)
    faults = Faults(recipe.faults, recipe.output_dir)
    return Run(recipe, arguments, model_arguments, path, tokenizer, data, AlarmCallback(recipe.task), start, faults)


def _build_from_scratch(recipe: Recipe) -> None:
    from ratchet.models.from_scratch import save_from_scratch
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
    lines = [
        f"{recipe.path}: {recipe.trainer} of {recipe.values.get('model_name_or_path') or 'a new model'} on {recipe.task.label}"
    ]
    lines += [f"  data        {note}" for note in prepared.data.notes]
    lines += [f"  audit       {prepared.data.audit}"] if prepared.data.audit else []
    if recipe.trainer == "grpo":
        lines.append(
            f"  each step   {sizes.prompts_per_step} prompts x {sizes.num_generations} completions = {sizes.completions_per_step}, "
            f"on {sizes.processes} process{'es' if sizes.processes > 1 else ''}"
        )
    else:
        lines.append(
            f"  each step   {sizes.completions_per_step} rows on {sizes.processes} process{'es' if sizes.processes > 1 else ''}"
        )
    lines.append(f"  steps       {steps}, over {rows} training rows")
    lines.append(f"  output      {recipe.output_dir}")
    lines += [f"  note        {note}" for note in prepared.start.notes]
    if prepared.start.checkpoint is not None:
        lines.append(
            f"  goes on     after step {prepared.start.checkpoint.step}, from {prepared.start.checkpoint.path}"
        )
    return "\n".join(lines)


def attach(trainer: Any, prepared: Run, began: float) -> None:
    """Ratchet's checkpoints, evaluation and progress line in the place of TRL's."""
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    from ratchet.evaluation.evaluate import evaluate, rows_to_evaluate
    from ratchet.hub.uploads import Uploads
    from ratchet.inference.local import generator
    from ratchet.launch.checkpoint_evaluations import evaluations_of
    from ratchet.training.callbacks.checkpointing import CheckpointManager
    from ratchet.training.callbacks.monitoring import observe
    from ratchet.training.callbacks.progress import ProgressLine
    from ratchet.training.callbacks.stopping import Stopping

    recipe = prepared.recipe
    settings, task = recipe.evaluation, recipe.task
    trainer.results = []
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    trainer.faults = prepared.faults
    trainer.keeper = CheckpointManager(trainer, prepared, began)
    if recipe.get("push_to_hub") and trainer.accelerator.is_main_process:
        trainer.uploads = Uploads(recipe)
    trainer.evaluations = evaluations_of(recipe, trainer.uploads) if trainer.accelerator.is_main_process else None
    trainer.stopping = Stopping(recipe.checkpointing.grace, trainer.accelerator)
    trainer.args.eval_on_start = recipe.evaluation.before and prepared.start.checkpoint is None
    for callback in (trainer.keeper, trainer.stopping):
        trainer.add_callback(callback)
    trainer.add_callback(ProgressLine())
    trainer.add_callback(prepared.alarms)
    observe(trainer, prepared)
    if not (settings.before or settings.after or recipe.get("eval_strategy") != "no"):
        return
    rows = rows_to_evaluate(task, settings)
    name = str(recipe.output_dir)

    def measure(model: Any) -> Any:
        generate = generator(model, prepared.tokenizer, recipe.values.get("chat_template_kwargs"), "evaluating")
        return evaluate(task, rows, settings, recipe.answer_limit, generate, name, trainer.judges)

    trainer.measure = measure


def finish(trainer: Any, prepared: Run, seconds: float) -> dict[str, Any]:
    """Write result.json and the model card, and print the summary, on the main process."""
    from ratchet.evaluation.outcome import outcome
    from ratchet.files import write_json, write_text
    from ratchet.hub.card import model_card
    from ratchet.hub.uploads import push_finished
    from ratchet.reporting.page.write import write
    from ratchet.runtime import attempt
    from ratchet.training.summary import summary

    trainer.watching.close()
    result = outcome(trainer.results, prepared.recipe, trainer.state.global_step, seconds)
    result["alarms"] = prepared.alarms.watch.raised
    folder = Path(prepared.recipe.output_dir)
    if trainer.accelerator.is_main_process:
        write_text(folder / "README.md", model_card(prepared.recipe, folder, result))
        write_json(folder / "result.json", result)
        page = attempt("the report", lambda: write(folder)) if prepared.recipe.report.mode == "on" else None
        print(summary(trainer.results, prepared.recipe, result, page), flush=True)
    recipe = prepared.recipe  # nothing is computed any more, and evaluations and uploads may take long
    pushing = recipe.faults.upload_wait if recipe.get("push_to_hub") else 0.0
    with trainer.heartbeat.resting(pushing if recipe.publish.evaluate == "off" else math.inf):
        if trainer.evaluations is not None:
            trainer.evaluations.close()
        if trainer.uploads is not None:
            push_finished(trainer, folder)
        trainer.keeper.tidy()
        trainer.accelerator.wait_for_everyone()
    trainer.end()
    return result
