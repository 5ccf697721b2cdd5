"""Bytes on the disk: checkpoints by retention, the model, completions, logs; and what is downloaded first."""

from ratchet.plan.job import Job
from ratchet.plan.memory import states
from ratchet.recipe import Recipe

ROW = 2500  # of a kept completion in the completions' table and the samples
LOG = 3500  # of one logged step


def disk(recipe: Recipe, job: Job, steps: int | None) -> dict[str, float]:
    """What a run writes, name -> bytes, at its largest."""
    get, shape = recipe.get, job.shape
    whole = shape.parameters * job.precision.weight_bytes
    model = (job.trainable * job.trained_bytes if job.adapter else whole) + 4e6  # with the tokenizer
    found = {"model": model}
    if recipe.from_scratch is not None:
        found["initial model"] = shape.parameters * 4.0
    if get("save_strategy") != "no":
        kept = _kept(recipe, steps)
        found["checkpoints"] = kept * (model + (not get("save_only_model")) * states(job))
    if steps:
        logged = steps / max(1.0, float(get("logging_steps") or 1))
        found["logs"] = LOG * logged
        if recipe.trainer == "grpo":
            kept_rows = recipe.diagnostics.samples * (recipe.diagnostics.mode == "on")
            kept_rows += recipe.batches.completions_per_step if get("log_completions") else 0
            found["completions"] = logged * kept_rows * ROW / 4
    return found


def _kept(recipe: Recipe, steps: int | None) -> int:
    """Checkpoints at the most: those that the limit leaves, one more while the next is written, and those that stay for ever."""
    get = recipe.get
    every = float(get("save_steps") or 500)
    if get("save_strategy") == "epoch":
        made = max(1, int(get("num_train_epochs")))
    elif steps is None:
        made = 10**6
    else:
        made = max(1, int(1 / every if every < 1 else steps // every))
    limit = get("save_total_limit")
    stay = steps // recipe.checkpointing.keep_every if recipe.checkpointing.keep_every and steps else 0
    best = 1 if get("load_best_model_at_end") or get("metric_for_best_model") else 0
    return made if limit is None and made < 10**6 else min(made, (limit or 3) + 1 + best + stay)


def download(recipe: Recipe, job: Job) -> float:
    """Bytes of the weights that come from the Hub before the first run; 0 for what is here."""
    name = recipe.values.get("model_name_or_path")
    from_hub = name is not None and "/" in name and not name.startswith((".", "/", "~", "outputs"))
    return job.shape.parameters * 2.0 if from_hub else 0.0
