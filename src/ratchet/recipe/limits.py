"""What the types of TRL's fields do not say: retired keys, choices, ranges, and keys that must not hold a secret."""

import re
from typing import Any

# key -> what to write instead
RETIRED = {
    "warmup_ratio": "warmup_steps with a fraction (warmup_steps: 0.1 is a tenth of all steps)",
    "max_prompt_length": (
        "nothing: TRL no longer truncates prompts; rows over the budget are dropped when the data is prepared "
        "(max_length in SFT; vllm_max_model_length, or the model's own limit, less max_completion_length in GRPO)"
    ),
    "torch_dtype": "dtype",
    "overwrite_output_dir": (
        "nothing: a stopped run resumes in its output_dir; --resume never restarts and moves the earlier run aside"
    ),
    "max_seq_length": "max_length",
    "use_liger_kernel": "model_init_kwargs: {use_kernels: true}",
    "use_liger_loss": "nothing: TRL's fused head is always on",
    "gradient_checkpointing": "activation_checkpointing",
    "gradient_checkpointing_kwargs": "activation_checkpointing_kwargs",
    "evaluation_strategy": "eval_strategy",
    "logging_dir": "the environment variable TENSORBOARD_LOGGING_DIR",
    "per_gpu_train_batch_size": "per_device_train_batch_size",
    "per_gpu_eval_batch_size": "per_device_eval_batch_size",
    "tokenizer": "model_name_or_path (the tokenizer is the model's)",
    "tokenizer_name_or_path": "model_name_or_path (the tokenizer is the model's)",
    "no_cuda": "use_cpu",
    "push_to_hub_model_id": "hub_model_id",
    "push_to_hub_token": "the environment variable HF_TOKEN",
    "push_to_hub_organization": "hub_model_id: organisation/name",
    "group_by_length": "train_sampling_strategy: group_by_length",
    "wandb_log_unique_prompts": "log_unique_prompts",
    "use_vllm_server": "use_vllm: true with vllm_mode: server",
    "vllm_device": "nothing: vllm_mode: colocate shares the training GPUs",
    "vllm_dtype": "dtype",
    "vllm_importance_sampling_cap": "vllm_importance_sampling_clip_max",
    "use_transformers_paged": "use_transformers_continuous_batching",
    "dataset_name": "data: {source: ...}",
    "dataset_config": "data: {source: ...}",
    "dataset_train_split": "data: {train_split: ...}",
    "dataset_test_split": "evaluation: {split: ...}",
    "reward_funcs": "rewards: {name: {weight: ...}}",
    "reward_weights": "rewards: {name: {weight: ...}}",
    "attn_impl": "attn_implementation",
    "lora_rank": "lora_r",
    "seed_data": "data_seed",
    "project": "tracking: {project: ...}",
    "num_epochs": "num_train_epochs",
    "epochs": "num_train_epochs",
    "batch_size": "per_device_train_batch_size",
    "lr": "learning_rate",
    "save_safetensors": "nothing: weights are always saved as safetensors",
    "tp_size": "an accelerate configuration",
}
# Fields that TRL still has, but only to warn: they are retired for a recipe too.
DEPRECATED_FIELDS = frozenset(
    {
        "gradient_checkpointing",
        "gradient_checkpointing_kwargs",
        "use_liger_kernel",
        "use_transformers_paged",
        "vllm_importance_sampling_cap",
        "reward_weights",
        "warmup_ratio",
        "project",  # TRL's own, for Trackio alone
    }
)
# Fields that a script fills itself, or that say the same as one of Ratchet's groups.
NOT_IN_RECIPES = {
    "resume_from_checkpoint": "a run resumes by itself; --resume on the command line names a step or a folder",
    "ignore_data_skip": "a resumed run would see rows twice",
    "enable_jit_checkpoint": "SIGTERM always saves (checkpointing: {grace: ...})",
    "hub_token": "secrets do not belong in a recipe; set the environment variable HF_TOKEN",
    "local_rank": "the launcher sets it",
    "do_train": "the script decides it",
    "do_eval": "use evaluation: and eval_strategy",
    "do_predict": "the script decides it",
    "pad_token": "the tokenizer has its own",
    "dataset_text_field": "the task gives the text",
    "dataset_kwargs": "the task gives the data",
    "label_names": "the trainer knows them",
    "remove_unused_columns": "rewards need all columns",
}

CHOICES: dict[str, dict[str, tuple[Any, ...]]] = {
    "grpo": {
        "loss_type": ("grpo", "dapo", "dr_grpo", "bnpo", "cispo", "sapo", "luspo", "vespo"),
        "scale_rewards": ("group", "batch", "none", True, False),
        "importance_sampling_level": ("token", "sequence"),
        "vllm_mode": ("colocate", "server"),
        "vllm_model_impl": ("vllm", "transformers"),
        "multi_objective_aggregation": ("sum_then_normalize", "normalize_then_sum"),
        "vllm_importance_sampling_mode": ("token_truncate", "token_mask", "sequence_truncate", "sequence_mask"),
    },
    "sft": {"loss_type": ("nll", "dft"), "packing_strategy": ("bfd", "bfd_split", "wrapped")},
}

TRACKERS = tuple(
    "none all wandb trackio tensorboard mlflow comet_ml clearml swanlab dvclive neptune azure_ml codecarbon "
    "dagshub flyte kubeflow".split()
)
POSITIVE = frozenset(
    "learning_rate per_device_train_batch_size per_device_eval_batch_size gradient_accumulation_steps "
    "num_train_epochs max_completion_length max_length temperature lora_r lora_alpha steps_per_generation "
    "generation_batch_size num_iterations adam_epsilon vllm_gpu_memory_utilization vllm_max_model_length "
    "vllm_tensor_parallel_size save_total_limit logging_steps save_steps eval_steps max_new_tokens vocab_size "
    "repetition_penalty epsilon batch_size max_rows rows every queries window max_train max_validation "
    "max_test train validation test keep_every reward_timeout max_bad_steps hang_timeout server_timeout "
    "tokens_per_micro_batch temperature_to temperature_steps".split()
)
NOT_NEGATIVE = frozenset(
    "beta weight_decay warmup_steps max_grad_norm lora_dropout min_p entropy_coef samples show overlap_ngram "
    "price_per_hour grace wait_for_space reward_workers server_wait upload_wait "
    "rest_solved rest_hopeless resample adv_tau teacher_tau student_tau measure".split()
)
AT_MOST_ONE = frozenset(
    "top_p min_p lora_dropout vllm_gpu_memory_utilization adam_beta1 adam_beta2 guess_share wrong_share "
    "lookup_share careless_share margin follow hack hack_correct gold faulty_rows max_skipped".split()
)
WHOLE_OR_SHARE = frozenset("save_steps eval_steps logging_steps warmup_steps".split())

SECRET_KEY = re.compile(r"(?:^|_)(?:token|secret|password|passwd|api_?key|access_key|credential)s?$", re.IGNORECASE)
NOT_SECRET_KEYS = frozenset({"eos_token", "pad_token", "bos_token", "unk_token", "include_num_input_tokens_seen"})
SECRET_VALUE = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{20,}|gh[po]_[A-Za-z0-9]{30,}|github_pat_\w{30,}"
    r"|glpat-[\w-]{20,}|xox[bp]-[\w-]{20,}|A[KS]IA[0-9A-Z]{16}"
    r"|AIza[\w-]{30,}|[0-9a-f]{40})\b|://[^/\s:@]+:[^/\s@]+@|\bBearer\s+\S{16,}"
)


def out_of_range(key: str, value: Any) -> str | None:
    """What is wrong with a number of the right type, if anything."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if key in POSITIVE and value <= 0:
        return "must be greater than 0"
    if key in NOT_NEGATIVE and value < 0:
        return "must not be negative"
    if key in AT_MOST_ONE and not 0 <= value <= 1:
        return "must lie between 0 and 1"
    if key in WHOLE_OR_SHARE and value > 1 and value != int(value):
        return "must be a whole number of steps, or a share below 1"
    if key == "max_steps" and value < 1 and value != -1:
        return "must be at least 1, or -1 for as many as num_train_epochs takes"
    if key == "num_generations" and value < 2:
        return "must be at least 2: GRPO compares completions of one prompt with each other"
    return None


def tracker_names(report_to: Any) -> list[Any]:
    """``report_to`` as a list, however it is written.

    >>> tracker_names("wandb"), tracker_names(["wandb"]), tracker_names(None)
    (['wandb'], ['wandb'], [])
    """
    return [report_to] if isinstance(report_to, str) else list(report_to or [])
