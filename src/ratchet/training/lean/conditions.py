"""What may be moved between passes, or left out, without changing a loss: the one place that says so.

TRL 1.16 (``GRPOTrainer._compute_loss``) divides in three ways. ``dapo``, ``cispo`` and ``vespo`` divide a sum over
tokens by the tokens of all processes' generation: any row may be in any pass. ``grpo``, ``dr_grpo``, ``luspo`` and
``sapo`` take the mean over the rows of a micro-batch: exact with a pass of any size, times its rows over those of the
micro-batch that TRL would have made. ``bnpo``, the entropy bonus, the share of tokens with the highest entropy and the
auxiliary loss of a mixture of experts take means over the tokens of one micro-batch: which rows are in it is part of
the loss, and it is left as TRL has it, but for its padding.
"""

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from accelerate.utils import DistributedType

BY_TOKENS = frozenset({"dapo", "cispo", "vespo"})
BY_ROWS = frozenset({"grpo", "dr_grpo", "luspo", "sapo"})
EXPERTS = "the auxiliary loss of the experts is that of each micro-batch"
MOVED = frozenset(
    "prompt_ids prompt_mask completion_ids completion_mask advantages old_per_token_logps ref_per_token_logps "
    "sampling_per_token_logps importance_sampling_ratio tool_mask choice_at choice_family num_items_in_batch".split()
)
"""What a batch may hold; with anything else (images) rows stay where they are."""


def has_turning_positions(config: Any) -> bool:
    """Whether a model's positions are relative, so that padding on the left changes nothing but the last bits.

    TRL passes no positions: with learned ones (GPT-2) a row's log-probabilities depend on its padding.
    """
    text = config.get_text_config()
    return any(getattr(text, name, None) for name in ("rope_parameters", "rope_theta", "rope_scaling"))


def why_targets_stay(trainer: Any) -> Iterator[str]:
    """Why rows may not be moved between the micro-batches of a built ``SFTTrainer``, a few words each; nothing where
    they may."""
    args = trainer.args
    if trainer.aux_loss_enabled:
        yield EXPERTS
    if trainer.label_smoother is not None or trainer.compute_loss_func is not None:
        yield "the loss is not TRL's own"
    if not args.average_tokens_across_devices:
        yield "average_tokens_across_devices: false divides by the tokens of each process"
    if str(getattr(args.include_num_input_tokens_seen, "value", "no")) != "no":
        yield "include_num_input_tokens_seen counts the padding of each micro-batch"
    yield from _split(trainer)


def why_rows_stay(trainer: Any) -> Iterator[str]:
    """Why rows may not be moved between the micro-batches of a built ``GRPOTrainer``, a few words each; nothing where
    they may."""
    args = trainer.args
    if trainer.loss_type not in BY_TOKENS | BY_ROWS:
        yield f"loss_type: {trainer.loss_type} is a mean over the tokens of each micro-batch"
    if trainer._entropy_bonus_enabled:
        yield "the entropy bonus is a mean over the tokens of each micro-batch"
    if trainer.top_entropy_quantile < 1.0:
        yield "top_entropy_quantile looks at the tokens of each micro-batch"
    if trainer.aux_loss_enabled:
        yield EXPERTS
    if trainer.compares_distributions:
        yield "the divergence from the teacher is computed for each micro-batch"
    accumulated, generated = args.gradient_accumulation_steps, args.steps_per_generation
    if accumulated % generated and generated % accumulated:
        yield f"steps_per_generation: {generated} and gradient_accumulation_steps: {accumulated} overlap"
    yield from _split(trainer)


def _split(trainer: Any) -> Iterator[str]:
    if getattr(trainer.accelerator, "parallelism_config", None) is not None:
        yield "the model or its sequences are split over processes"


def leaves_out(trainer: Any) -> bool:
    """Whether a row without advantage has a gradient of exactly zero: nothing but the policy's loss acts on it."""
    return trainer.beta == 0.0


def shares_prompts(trainer: Any) -> bool:
    """Whether a prompt can be computed once for several completions: its keys and values are kept, with their
    gradients.

    Recomputing activations keeps none; dropout would be the same for all of a prompt's completions; models that are
    split over processes, or attend to less than everything before a token, are not tried.
    """
    model, split = trainer.model, (DistributedType.DEEPSPEED, DistributedType.FSDP)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    takes = inspect.signature(type(base).forward).parameters.keys()
    kinds = getattr(model.config.get_text_config(), "layer_types", None) or []
    drops = any(isinstance(module, torch.nn.Dropout) and module.p for module in model.modules())
    return (
        not trainer.args.gradient_checkpointing
        and trainer.accelerator.distributed_type not in split
        and takes >= {"position_ids", "past_key_values", "use_cache", "logits_to_keep"}
        and all(kind == "full_attention" for kind in kinds)
        and not drops
        and not getattr(model.config.get_text_config(), "attention_dropout", 0.0)
    )
