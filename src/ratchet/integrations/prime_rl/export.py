"""A recipe for prime-rl's asynchronous engine: rl.toml, its commands, and what could not be carried over.

The keys are those of prime-rl-configs 0.4.0 (August 2026). Unions there are told apart by ``type``, which is therefore
always written; a value that is prime-rl's default and not the recipe's is written too, so that nothing is decided
silently.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.integrations.prime_rl.environment import Sources, rewards_of, sources_of
from ratchet.integrations.prime_rl.lost import KEPT_OBJECTIVES, Lost, lost_keys
from ratchet.integrations.prime_rl.refusals import refuse
from ratchet.plan.lengths import rows_of
from ratchet.recipe import Recipe
from ratchet.recipe.limits import tracker_names

VERSION = "0.4.0"
GPUS = {2: (1, 1), 8: (6, 2)}  # all -> inference, trainer
PROMPT = 1024  # tokens of a prompt, where the recipe does not limit the whole sequence


@dataclass
class Export:
    """What is written."""

    toml: dict[str, Any]
    rewards: str = ""
    """Text of a Python file of rewards that the environment has not, or nothing."""
    lost: list[Lost] = field(default_factory=list)


def export(recipe: Recipe, folder: Path, processes: int) -> Export:
    """The recipe in prime-rl's words.

    Args:
        folder: where it is written; paths in it are absolute, since prime-rl is started elsewhere.
        processes: of the TRL run, whose batch is kept.

    Raises:
        UserError: for what would mean something else there.
    """
    refuse(recipe)
    steps = _steps(recipe)
    rewards = rewards_of(recipe, folder)
    length = recipe.get("vllm_max_model_length") or recipe.get("max_completion_length") + PROMPT
    division = split(recipe, max(GPUS))
    # NCCL broadcasts whole weights; adapters go through files.
    broadcast = "filesystem" if recipe.get("use_peft") else "nccl"
    toml = {
        "output_dir": str(recipe.output_dir.parent),
        "max_steps": steps,
        "seq_len": length,
        "run": {"name": recipe.output_dir.name},
        "model": {"name": recipe.values["model_name_or_path"]},
        "deployment": {"type": "single_node", **division["deployment"]},
        "weight_broadcast": {"type": broadcast},
        **_checkpoints(recipe),
        "monitors": _monitors(recipe),
        "trainer": _trainer(recipe, steps),
        "orchestrator": _orchestrator(recipe, sources_of(recipe, rewards), processes),
        "inference": {"vllm": {**_vllm(recipe, length), **division["inference"]["vllm"]}},
    }
    return Export(toml, rewards.file, [*rewards.lost, *lost_keys(recipe)])


def _steps(recipe: Recipe) -> int:
    """prime-rl counts steps, not epochs."""
    get, batches = recipe.get, recipe.batches
    if get("max_steps") > 0:
        return batches.steps(0, 1, get("max_steps"))
    rows = rows_of(recipe)
    if rows is None:
        raise UserError(
            "max_steps: prime-rl counts steps, not epochs, and the number of rows is not known here; set max_steps"
        )
    return batches.steps(rows, get("num_train_epochs"), -1)


def _vllm(recipe: Recipe, length: int) -> dict[str, Any]:
    get = recipe.get
    return {
        "dtype": "bfloat16" if recipe.values.get("bf16", True) else "float32",
        "max_model_len": length,
        "gpu_memory_utilization": 0.9,
        "tensor_parallel_size": get("vllm_tensor_parallel_size") or 1,
        "seed": get("seed"),
    }


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


def _checkpoints(recipe: Recipe) -> dict[str, Any]:
    get, keep_every = recipe.get, recipe.checkpointing.keep_every
    if get("save_strategy") == "no":
        return {}
    settings: dict[str, Any] = {"interval": max(1, int(get("save_steps")))}
    if get("save_total_limit"):
        settings["keep_last"] = get("save_total_limit")
    if keep_every:
        settings["keep_interval"] = keep_every
    return {"ckpt": settings}


def _monitors(recipe: Recipe) -> dict[str, Any]:
    tracking = recipe.tracking
    monitors: dict[str, Any] = {"file": {"path": "metrics.jsonl"}}
    if "wandb" not in tracker_names(recipe.get("report_to")):
        return monitors
    wandb: dict[str, Any] = {"project": tracking.project or "ratchet", "name": recipe.output_dir.name}
    for key in ("entity", "group"):
        if getattr(tracking, key):
            wandb[key] = getattr(tracking, key)
    if tracking.tags:
        wandb["tags"] = [str(tag) for tag in tracking.tags]
    return {**monitors, "wandb": wandb}


def _trainer(recipe: Recipe, steps: int) -> dict[str, Any]:
    get = recipe.get
    return {
        "model": _model(recipe),
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
            # Not a clip of the ratio, as in TRL, but the nearest: a limit of the difference of probabilities.
            "dppo_mask_low": float(get("epsilon")),
            "dppo_mask_high": float(get("epsilon_high") or get("epsilon")),
            "adv_tau": 1.0,
            "kl_tau": 0.0,
        },
    }


def _model(recipe: Recipe) -> dict[str, Any]:
    model: dict[str, Any] = {"optimization_dtype": "float32", "reduce_dtype": "float32"}
    if recipe.values.get("activation_checkpointing", True):
        model["ac"] = {"mode": "full", "freq": 1}
    else:
        model |= {"ac": "None", "ac_offloading": "None"}  # TOML has no null: prime-rl reads this text as one
    if recipe.get("use_peft"):
        model["lora"] = _lora(recipe)
    return model


def _lora(recipe: Recipe) -> dict[str, Any]:
    get = recipe.get
    lora = {"rank": get("lora_r"), "alpha": float(get("lora_alpha")), "dropout": float(get("lora_dropout"))}
    targets = get("lora_target_modules")
    targets = [targets] if isinstance(targets, str) else list(targets or ["q_proj", "v_proj"])  # peft's default
    return lora if "all-linear" in targets else {**lora, "target_modules": targets}


def _scheduler(recipe: Recipe, steps: int) -> dict[str, Any]:
    kind, warmup = str(recipe.get("lr_scheduler_type")), float(recipe.get("warmup_steps") or 0)
    warmup = round(warmup * steps) if warmup < 1 else round(warmup)  # below 1 it is a share of the steps
    if kind == "constant" or (kind == "constant_with_warmup" and warmup == 0):
        return {"type": "constant"}
    if kind == "constant_with_warmup":
        return {"type": "linear", "warmup_steps": warmup, "decay_steps": 0}
    if kind == "linear":
        return {"type": "linear", "warmup_steps": warmup, "decay_steps": max(1, steps - warmup), "min_lr": 0.0}
    if kind == "cosine":
        return {"type": "cosine", "warmup_steps": warmup, "min_lr": 0.0}
    raise UserError(
        f"lr_scheduler_type: {kind} has no counterpart in prime-rl; "
        "use constant, constant_with_warmup, linear or cosine"
    )


def _orchestrator(recipe: Recipe, sources: Sources, processes: int) -> dict[str, Any]:
    get, group = recipe.get, recipe.get("num_generations")
    batch = get("per_device_train_batch_size") * get("gradient_accumulation_steps") * processes
    if batch % group:
        raise UserError(f"{batch} completions per step are not whole groups of num_generations: {group}")
    sampling = {"temperature": float(get("temperature")), "max_completion_tokens": get("max_completion_length")}
    orchestrator: dict[str, Any] = {
        "batch_size": batch,
        "group_size": group,
        "max_off_policy_steps": 1,  # the nearest to TRL's own
        "algo": {"type": KEPT_OBJECTIVES.get(recipe.objective.name, "grpo") if recipe.objective else "grpo"},
        "train": {"filter_zero_advantages": False, "sampling": sampling, "source": [sources.train]},
    }
    return {**orchestrator, **_renderer(recipe), **_evaluation(recipe, sources)}


def _renderer(recipe: Recipe) -> dict[str, Any]:
    template = recipe.values.get("chat_template_kwargs") or {}
    if "enable_thinking" not in template or "qwen3" not in str(recipe.values["model_name_or_path"]).lower():
        return {}
    return {"renderer": {"name": "qwen3", "enable_thinking": bool(template["enable_thinking"])}}


def _evaluation(recipe: Recipe, sources: Sources) -> dict[str, Any]:
    get, evaluation = recipe.get, recipe.evaluation
    if not (evaluation.before or evaluation.after or get("eval_strategy") != "no"):
        return {}
    return {
        "eval": {
            "interval": max(1, int(get("eval_steps") or get("save_steps") or 100)),
            "num_examples": evaluation.max_rows or -1,
            "group_size": 1,
            "skip_first_step": not evaluation.before,
            "sampling": {"temperature": 0.0, "max_completion_tokens": recipe.answer_limit},
            "source": [sources.held_out],
        }
    }


def plain(value: Any) -> Any:
    """A document as prime-rl reads it: the text "None" is null, which TOML has not."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return None if value == "None" else value
