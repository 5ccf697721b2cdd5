"""A recipe for prime-rl's asynchronous engine: rl.toml, the commands that start it, and a table of what could not be carried over.

The keys are those of prime-rl-configs 0.4.0 (August 2026). Unions there are told apart by ``type``, which is therefore always written; a
value that is prime-rl's default and not the recipe's is written too, so that nothing is decided silently.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.plan.checks import NOT_BIASED
from ratchet.plan.lengths import rows_of
from ratchet.recipe import Recipe
from ratchet.recipe.limits import tracker_names
from ratchet.tasks import train_split

VERSION = "0.4.0"
ENVIRONMENTS = {"aquarat": "ratchet-aquarat", "dakota": "ratchet-dakota"}
GPUS = {2: (1, 1), 8: (6, 2)}  # all -> inference, trainer

# Keys without a place there -> what happens to them.
LOST = {
    "loss_type": "prime-rl's own loss (importance ratio, masked by difference of probabilities) takes its place",
    "epsilon": "becomes dppo_mask_low and _high, which limit a difference of probabilities, not a ratio",
    "epsilon_high": "becomes dppo_mask_high, which limits a difference of probabilities, not a ratio",
    "delta": "no two-sided clip",
    "num_iterations": "each completion is trained on once",
    "steps_per_generation": "rollouts come as they are ready",
    "generation_batch_size": "rollouts come as they are ready",
    "mask_truncated_completions": "truncated completions count",
    "importance_sampling_level": "the ratio is of tokens",
    "multi_objective_aggregation": "rewards are summed, then compared",
    "activation_offloading": "trainer.model.ac_offloading is prime-rl's own",
    "seed": "only the server's and the rows' seed have a place; runs are not repeatable",
    "shuffle_dataset": "rows go in the order of their source",
    "adam_epsilon": "prime-rl's own",
    "optim": "AdamW without quantised states",
    "use_rslora": "plain LoRA scaling",
    "model_revision": "the model's main revision",
    "attn_implementation": "prime-rl's own choice",
    "push_to_hub": "prime-rl does not push; ratchet push can, from its weights",
    "eval_strategy": "becomes orchestrator.eval.interval",
    "num_generations_eval": "one greedy answer per row",
    "logging_steps": "prime-rl logs every step",
    "vllm_importance_sampling_correction": "the ratio to the sampler is always in the loss",
    "vllm_gpu_memory_utilization": "the server has its GPUs to itself: 0.9",
    "entropy_coef": "no entropy bonus",
    "top_entropy_quantile": "all tokens count",
    "sync_ref_model": "no reference model",
    "save_only_model": "checkpoints are whole",
    "metric_for_best_model": "the newest checkpoints are kept",
    "load_best_model_at_end": "the newest checkpoints are kept",
}
GROUPS_LOST = {
    "audit": "run ratchet audit on the recipe first",
    "diagnostics": "prime-rl's own metrics",
    "report": "no page about the run",
    "faults": "prime-rl's own limits",
    "checkpointing": "keep_every becomes ckpt.keep_interval; the rest is prime-rl's",
}


@dataclass
class Export:
    """What is written."""

    toml: dict[str, Any]
    rewards: str = ""
    """A Python file of rewards that the environment has not, or nothing."""
    lost: list[tuple[str, str]] = field(default_factory=list)
    """Key of the recipe, and what became of it."""


def export(recipe: Recipe, folder: Path, processes: int) -> Export:
    """The recipe in prime-rl's words.

    Args:
        folder: where it is written; paths in it are absolute, since prime-rl is started elsewhere.
        processes: of the TRL run, whose batch is kept.

    Raises:
        UserError: for what would mean something else there.
    """
    _refuse(recipe)
    get = recipe.get
    found = Export({})
    limit = get("max_completion_length")
    length = get("vllm_max_model_length") or limit + 1024
    steps = recipe.batches.steps(0, 1, get("max_steps")) if get("max_steps") > 0 else None
    if steps is None:
        rows = rows_of(recipe)
        if rows is None:
            raise UserError(
                "max_steps: prime-rl counts steps, not epochs, and the number of rows is not known here; set max_steps"
            )
        steps = recipe.batches.steps(rows, get("num_train_epochs"), -1)
    lora = bool(get("use_peft"))
    sources = _source(recipe, folder, found)
    found.toml = {
        "output_dir": str(recipe.output_dir.parent),
        "max_steps": steps,
        "seq_len": length,
        "run": {"name": recipe.output_dir.name},
        "model": {"name": recipe.values["model_name_or_path"]},
        "deployment": {"type": "single_node", **split(recipe, 8)["deployment"]},
        "weight_broadcast": {"type": "filesystem" if lora else "nccl"},
        **_checkpoints(recipe),
        "monitors": _monitors(recipe),
        "trainer": _trainer(recipe, steps, lora),
        "orchestrator": _orchestrator(recipe, sources, processes),
        "inference": {
            "vllm": {
                "dtype": "float16" if get("fp16") else "bfloat16" if recipe.values.get("bf16", True) else "float32",
                "max_model_len": length,
                "gpu_memory_utilization": 0.9,
                "tensor_parallel_size": get("vllm_tensor_parallel_size") or 1,
                "seed": get("seed"),
                **split(recipe, 8)["inference"]["vllm"],
            }
        },
    }
    _name_the_lost(recipe, found)
    return found


def split(recipe: Recipe, gpus: int) -> dict[str, Any]:
    """Who has how many GPUs of a machine with so many: an overlay of rl.toml.

    Raises:
        UserError: where the server's GPUs cannot be divided by its tensor parallelism.
    """
    infer, train = GPUS[gpus]
    parallel = recipe.get("vllm_tensor_parallel_size") or 1
    if infer % parallel:
        raise UserError(
            f"vllm_tensor_parallel_size: {parallel} does not divide the {infer} GPUs that infer of {gpus}; set 1"
        )
    return {
        "deployment": {"gpus_per_node": gpus, "num_train_gpus": train, "num_infer_gpus": infer},
        "inference": {"vllm": {"data_parallel_size": infer // parallel}},
    }


def _refuse(recipe: Recipe) -> None:
    """What has no meaning there, or another one that would spoil the run."""
    get = recipe.get
    wrong = []
    if not recipe.method.rewarded:
        raise UserError(f"{recipe.path}: prime-rl's rl engine takes GRPO recipes, this is {recipe.trainer}")
    if recipe.task.name not in ENVIRONMENTS:
        wrong.append(
            f"task: {recipe.task.name} has no environment package; environments/README.md shows how to make one"
        )
    if recipe.from_scratch is not None or recipe.values.get("model_name_or_path") == "ratchet-tiny":
        wrong.append(
            "model_name_or_path: prime-rl loads a model by its name on the Hub or its folder; this recipe makes one of its own"
        )
    if get("load_in_4bit") or get("load_in_8bit"):
        wrong.append("load_in_4bit, load_in_8bit: prime-rl trains no quantised weights")
    if get("use_cpu"):
        wrong.append("use_cpu: prime-rl needs GPUs")
    if get("fp16"):
        wrong.append("fp16: prime-rl trains in bfloat16")
    if get("beta"):
        wrong.append(
            f"beta: {get('beta')}: prime-rl has no reference model (its kl_tau weighs the distance to the sampler); set beta: 0.0"
        )
    for key, harmless in NOT_BIASED.items():
        if get(key) not in harmless:
            wrong.append(
                f"{key}: {get(key)}: prime-rl trains on samples of the untouched distribution; set {key}: {harmless[0]}"
            )
    if recipe.curriculum is not None:
        wrong.append(
            "curriculum: prime-rl's own curricula go by measured reward, not by a column; set curriculum: null"
        )
    if getattr(recipe.task, "source", None) == "generated":
        wrong.append(
            "data.source: generated rows of this recipe's making are not what the environment package would make; name a folder or a data set"
        )
    if wrong:
        raise UserError("\n".join([f"{recipe.path} cannot be carried over to prime-rl:", *wrong]))


def _checkpoints(recipe: Recipe) -> dict[str, Any]:
    get = recipe.get
    if get("save_strategy") == "no":
        return {}
    found: dict[str, Any] = {"interval": max(1, int(get("save_steps")))}
    found |= {"keep_last": get("save_total_limit")} if get("save_total_limit") else {}
    found |= {"keep_interval": recipe.checkpointing.keep_every} if recipe.checkpointing.keep_every else {}
    return {"ckpt": found}


def _monitors(recipe: Recipe) -> dict[str, Any]:
    trackers = tracker_names(recipe.get("report_to"))
    found: dict[str, Any] = {"file": {"path": "metrics.jsonl"}}
    if "wandb" in trackers:
        told = {"project": recipe.tracking.project or "ratchet", "name": recipe.output_dir.name}
        told |= {key: getattr(recipe.tracking, key) for key in ("entity", "group") if getattr(recipe.tracking, key)}
        found["wandb"] = told | ({"tags": [str(tag) for tag in recipe.tracking.tags]} if recipe.tracking.tags else {})
    return found


def _trainer(recipe: Recipe, steps: int, lora: bool) -> dict[str, Any]:
    get = recipe.get
    checkpointing = recipe.values.get("activation_checkpointing", True)
    model: dict[str, Any] = {"optimization_dtype": "float32", "reduce_dtype": "float32"}
    model |= {"ac": {"mode": "full", "freq": 1}} if checkpointing else {"ac": "None", "ac_offloading": "None"}
    if lora:
        model["lora"] = {
            "rank": get("lora_r"),
            "alpha": float(get("lora_alpha")),
            "dropout": float(get("lora_dropout")),
        }
        targets = get("lora_target_modules")
        targets = [targets] if isinstance(targets, str) else list(targets or ["q_proj", "v_proj"])
        if "all-linear" not in targets:
            model["lora"]["target_modules"] = targets
    high = get("epsilon_high") or get("epsilon")
    return {
        "model": model,
        "optim": {
            "type": "adamw",
            "lr": float(get("learning_rate")),
            "weight_decay": float(get("weight_decay")),
            "betas1": float(get("adam_beta1")),
            "betas2": float(get("adam_beta2")),
            "max_norm": float(get("max_grad_norm")),
        },
        "scheduler": _scheduler(recipe, steps),
        "loss": {
            "type": "default",
            "dppo_mask_low": float(get("epsilon")),
            "dppo_mask_high": float(high),
            "adv_tau": 1.0,
            "kl_tau": 0.0,
        },
    }


def _scheduler(recipe: Recipe, steps: int) -> dict[str, Any]:
    kind, warmup = str(recipe.get("lr_scheduler_type")), float(recipe.get("warmup_steps") or 0)
    warmup = round(warmup * steps) if warmup < 1 else round(warmup)
    if kind == "constant" or (kind == "constant_with_warmup" and warmup == 0):
        return {"type": "constant"}
    if kind == "constant_with_warmup":
        return {"type": "linear", "warmup_steps": warmup, "decay_steps": 0}
    if kind == "linear":
        return {"type": "linear", "warmup_steps": warmup, "decay_steps": max(1, steps - warmup), "min_lr": 0.0}
    if kind == "cosine":
        return {"type": "cosine", "warmup_steps": warmup, "min_lr": 0.0}
    raise UserError(
        f"lr_scheduler_type: {kind} has no counterpart in prime-rl; use constant, constant_with_warmup, linear or cosine"
    )


def _orchestrator(recipe: Recipe, sources: tuple[dict, dict], processes: int) -> dict[str, Any]:
    get, evaluation = recipe.get, recipe.evaluation
    train, held_out = sources
    batch = get("per_device_train_batch_size") * get("gradient_accumulation_steps") * processes
    if batch % get("num_generations"):
        raise UserError(
            f"{batch} completions per step are not whole groups of num_generations: {get('num_generations')}"
        )
    found: dict[str, Any] = {
        "batch_size": batch,
        "group_size": get("num_generations"),
        "max_off_policy_steps": 1,
        "algo": {"type": "grpo"},
        "train": {
            "filter_zero_advantages": False,
            "sampling": {
                "temperature": float(get("temperature")),
                "max_completion_tokens": get("max_completion_length"),
            },
            "source": [train],
        },
    }
    template = recipe.values.get("chat_template_kwargs") or {}
    if "enable_thinking" in template and "qwen3" in str(recipe.values["model_name_or_path"]).lower():
        found["renderer"] = {"name": "qwen3", "enable_thinking": bool(template["enable_thinking"])}
    if evaluation.before or evaluation.after or get("eval_strategy") != "no":
        found["eval"] = {
            "interval": max(1, int(get("eval_steps") or get("save_steps") or 100)),
            "num_examples": evaluation.max_rows or -1,
            "group_size": 1,
            "skip_first_step": not evaluation.before,
            "sampling": {"temperature": 0.0, "max_completion_tokens": recipe.answer_limit},
            "source": [held_out],
        }
    return found


def _source(recipe: Recipe, folder: Path, found: Export) -> tuple[dict, dict]:
    """The environment with its arguments, to train on and to evaluate on."""
    task = recipe.task
    source = str(task.source)
    source = (
        str(Path(source).expanduser().resolve())
        if Path(source).expanduser().exists() or source.startswith((".", "/", "~"))
        else source
    )
    common: dict[str, Any] = {"id": ENVIRONMENTS[task.name], "data_dir": source, "seed": task.seed}
    common |= {"system_prompt": task.system_prompt} if task.system_prompt else {}
    common |= {name: list(getattr(task, name)) for name in ("kinds", "difficulties") if getattr(task, name, None)}
    if getattr(task, "orthography", "riggs") != "riggs":
        common["task"] = {"orthography": task.orthography}
    train = {**common, "split": "train", "train_split": train_split(task)}
    train |= {"num_train_examples": task.max_train} if getattr(task, "max_train", None) else {}
    train["task"] = {**common.get("task", {}), "rewards": _rewards(recipe, folder, found)}
    held_out = {**common, "split": "eval", "eval_split": recipe.evaluation.split}
    return {"name": task.name, "env": {"taskset": train}}, {
        "name": f"{task.name}-{recipe.evaluation.split}",
        "env": {"taskset": held_out},
    }


def _rewards(recipe: Recipe, folder: Path, found: Export) -> dict[str, Any]:
    weights = {term.reward.name: term.weight for term in recipe.rewards}
    settings = {term.reward.name: term.parameters for term in recipe.rewards}
    chosen: dict[str, Any] = {"correctness": {"weight": float(weights.pop("correctness", 0.0))}}
    if "score" in weights:
        if recipe.task.name != "dakota":
            raise UserError("rewards.score: the environment package of this task has no partial credit")
        chosen["partial_credit"] = {"weight": float(weights.pop("score"))}
    functions = ""
    for name in ("answer_format", "overlong"):
        if name in weights:
            chosen[name] = {"fn": f"{folder.resolve() / 'rewards.py'}:{name}", "weight": float(weights.pop(name))}
            functions += _FUNCTIONS[name].format(
                limit=recipe.get("max_completion_length"), cache=settings[name].get("cache", 64)
            )
    if functions:
        found.rewards = (
            '"""Rewards of the recipe that the environment has not by itself, with their parameters; verifiers calls them with a trace."""\n'
            + functions
        )
    found.lost += [
        (f"rewards.{name}", "left out: it has no counterpart in the environment package") for name in weights
    ]
    return chosen


_FUNCTIONS = {
    "answer_format": """

async def answer_format(trace) -> float:
    return trace.metrics.get("format", 0.0)
""",
    "overlong": """

async def overlong(trace, limit: int = {limit}, cache: int = {cache}) -> float:
    return -min(1.0, max(0.0, (trace.num_output_tokens - (limit - cache)) / max(1, cache)))
""",
}


def _name_the_lost(recipe: Recipe, found: Export) -> None:
    """What stands in the recipe and means nothing, or something else, there; and TRL's defaults that differ."""
    nothing = (False, None, "none", "no")
    found.lost += [
        (key, what) for key, what in LOST.items() if key in recipe.values and recipe.values[key] not in nothing
    ]
    if recipe.get("scale_rewards") not in ("none", False):
        found.lost.append(
            (
                "scale_rewards",
                f"{recipe.get('scale_rewards')} (TRL's default is group): prime-rl never divides by the deviation, as scale_rewards: none",
            )
        )
    for key in (
        "instruction",
        "bad_rows",
        "deduplicate",
        "overlap_ngram",
        "held_out",
        "weights",
        "max_validation",
        "revision",
    ):
        given = recipe.tree.value.get("data")
        if given is not None and isinstance(given.value, dict) and key in given.value:
            found.lost.append((f"data.{key}", "the environment package's own default"))
    for name, what in GROUPS_LOST.items():
        if name in recipe.tree.value:
            found.lost.append((name, what))
    if recipe.evaluation.samples:
        found.lost.append(("evaluation.samples", "greedy answers only"))


def plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """The document as prime-rl reads it: the text "None" is null, which TOML has not."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return None if value == "None" else value
