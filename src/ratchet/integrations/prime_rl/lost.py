"""What stands in a recipe and means nothing, or something else, to prime-rl: the table of the export's README."""

from collections.abc import Iterator

from ratchet.recipe import Recipe

Lost = tuple[str, str]  # key of the recipe, and what became of it

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
    "chat_template_path": "the template of the model's own tokenizer",
    "merge_system": "the system's text is a turn of its own",
    "eos_token": "the model's own end tokens",
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
KEPT_OBJECTIVES = {"dr_grpo": "grpo", "max_rl": "max_rl"}
"""Objectives whose advantage prime-rl has -> the name of its algorithm."""
# Keys of the data that the environment package has options of its own for.
DATA_LOST = (
    *("instruction", "bad_rows", "deduplicate", "overlap_ngram", "held_out", "weights", "max_validation", "revision"),
)
# Values that ask for nothing, so that nothing is lost.
NOTHING = (False, None, "none", "no")


def lost_keys(recipe: Recipe) -> Iterator[Lost]:
    """What the recipe says in vain, and TRL's defaults that differ."""
    for key, what in LOST.items():
        if key in recipe.values and recipe.values[key] not in NOTHING:
            yield key, what
    yield from _scale(recipe)
    for key in DATA_LOST:
        if key in _data(recipe):
            yield f"data.{key}", "the environment package's own default"
    for name, what in GROUPS_LOST.items():
        if name in recipe.tree.value:
            yield name, what
    if recipe.objective is not None and recipe.objective.name not in KEPT_OBJECTIVES:
        yield "objective", f"{recipe.objective.name}: prime-rl's advantage (R - mean) and its own loss take its place"
    if recipe.evaluation.samples:
        yield "evaluation.samples", "greedy answers only"


def _scale(recipe: Recipe) -> Iterator[Lost]:
    scale = recipe.get("scale_rewards")
    if scale not in ("none", False):
        never = "prime-rl never divides by the deviation, as scale_rewards: none"
        yield "scale_rewards", f"{scale} (TRL's default is group): {never}"


def _data(recipe: Recipe) -> dict:
    """The data's group as the recipe writes it."""
    given = recipe.tree.value.get("data")
    return given.value if given is not None and isinstance(given.value, dict) else {}
