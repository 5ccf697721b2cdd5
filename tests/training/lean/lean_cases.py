"""What ``lean_worker`` trains: values of GRPOConfig, and what the made-up completions have beside the usual."""

CASES: dict[str, tuple[dict, frozenset]] = {
    **{
        name: ({"loss_type": name}, frozenset())
        for name in ("dapo", "grpo", "dr_grpo", "cispo", "sapo", "vespo", "bnpo")
    },
    "luspo": ({"loss_type": "luspo", "importance_sampling_level": "sequence"}, frozenset()),
    "gspo": ({"loss_type": "grpo", "importance_sampling_level": "sequence"}, frozenset({"old"})),
    "old": ({"loss_type": "grpo", "delta": 1.5}, frozenset({"old"})),
    "beta": ({"loss_type": "grpo", "beta": 0.1}, frozenset({"reference"})),
    "beta-tokens": ({"beta": 0.1, "mask_truncated_completions": True}, frozenset({"reference", "masked"})),
    "masked": ({"loss_type": "grpo"}, frozenset({"masked"})),
    "tools": ({"loss_type": "dapo"}, frozenset({"tools"})),
    "by-token": ({"loss_type": "dr_grpo"}, frozenset({"by-token"})),
    "all-alike": ({"loss_type": "dapo", "weight_decay": 0.1}, frozenset({"all-alike"})),
    "off-policy": ({"loss_type": "grpo", "off_policy_mask_threshold": 0.1}, frozenset({"old"})),
    "entropy-bonus": ({"entropy_coef": 0.01}, frozenset()),
    "high-entropy": ({"top_entropy_quantile": 0.5}, frozenset()),
    "windows": ({"gradient_accumulation_steps": 2, "steps_per_generation": 4}, frozenset()),
    "generations": ({"gradient_accumulation_steps": 4, "steps_per_generation": 2, "loss_type": "grpo"}, frozenset()),
    "overlapping": ({"gradient_accumulation_steps": 2, "steps_per_generation": 3}, frozenset({"old"})),
    "iterations": ({"num_iterations": 2, "loss_type": "grpo"}, frozenset({"old"})),
    "by-tokens": ({"loss_type": "grpo"}, frozenset({"budget"})),
    "recomputed": ({"gradient_checkpointing": True}, frozenset()),
    "adam": ({"optim": "adamw_torch", "learning_rate": 1e-3}, frozenset()),
    "lora": ({"loss_type": "grpo"}, frozenset({"lora"})),
    "sft": ({"gradient_accumulation_steps": 4}, frozenset({"sft"})),
    "sft-dft": ({"loss_type": "dft", "gradient_accumulation_steps": 1}, frozenset({"sft"})),
    "sft-lora": ({}, frozenset({"sft", "lora"})),
    "sft-by-tokens": ({"max_steps": 30}, frozenset({"sft", "budget"})),
}
