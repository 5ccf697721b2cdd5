"""Bytes on the disk: checkpoints by retention, the model, completions, logs; and what is downloaded first."""

from ratchet.plan.job import Job
from ratchet.plan.memory import states
from ratchet.recipe import Recipe

UNKNOWN = 10**6  # checkpoints, where the number of steps is not known
UNLIMITED = 3  # that are counted where there is no limit, and no number of steps either
TRL_SAVE_STEPS = 500
ROW = 2500  # of a kept completion in the completions' table and the samples
COMPRESSED = 4  # the table is compressed to about a quarter
LOG = 3500  # of one logged step


def disk(recipe: Recipe, job: Job, steps: int | None) -> dict[str, float]:
    """What a run writes, name -> bytes, at its largest."""
    get, shape = recipe.get, job.shape
    whole = shape.parameters * job.precision.weight_bytes
    model = (job.trainable * job.trained_bytes if job.adapter else whole) + 4e6  # with the tokenizer
    written = {"model": model}
    if recipe.from_scratch is not None:
        written["initial model"] = shape.parameters * 4.0
    if get("save_strategy") != "no":
        optimiser = 0 if get("save_only_model") else states(job)
        written["checkpoints"] = _kept(recipe, steps) * (model + optimiser)
    if steps:
        logged = steps / max(1.0, float(get("logging_steps") or 1))
        written["logs"] = LOG * logged
        if recipe.method.samples:
            written["completions"] = logged * _kept_rows(recipe) * ROW / COMPRESSED
    return written


def _kept_rows(recipe: Recipe) -> int:
    """Completions that are kept of each logged step."""
    samples = recipe.diagnostics.samples if recipe.diagnostics.mode == "on" else 0
    table = recipe.batches.completions_per_step if recipe.get("log_completions") else 0
    return samples + table


def _kept(recipe: Recipe, steps: int | None) -> int:
    """Checkpoints at the most: what the limit leaves, one more while the next is written, those that stay forever."""
    get, limit, keep_every = recipe.get, recipe.get("save_total_limit"), recipe.checkpointing.keep_every
    made = _made(recipe, steps)
    if limit is None and made < UNKNOWN:
        return made
    stay = steps // keep_every if keep_every and steps else 0
    best = 1 if get("load_best_model_at_end") or get("metric_for_best_model") else 0
    return min(made, (limit or UNLIMITED) + 1 + best + stay)


def _made(recipe: Recipe, steps: int | None) -> int:
    """Checkpoints that a run writes, those that are rotated away among them."""
    get = recipe.get
    every = float(get("save_steps") or TRL_SAVE_STEPS)
    if get("save_strategy") == "epoch":
        return max(1, int(get("num_train_epochs")))
    if steps is None:
        return UNKNOWN
    return max(1, int(1 / every if every < 1 else steps // every))  # below 1 it is a share of the steps


def download(recipe: Recipe, job: Job) -> float:
    """Bytes of the weights that come from the Hub before the first run; 0 for what is here."""
    name = recipe.values.get("model_name_or_path")
    from_hub = name is not None and "/" in name and not name.startswith((".", "/", "~", "outputs"))
    return job.shape.parameters * 2.0 if from_hub else 0.0
