"""Sampling with transformers' ``generate``, without computing what nobody reads: ``generate(custom_generate=decode)``.

Prompts that are the same are read once, and completions that have ended leave the batch. Random numbers are drawn as
``generate`` draws them, for the whole batch, so that the completions are those that it would write.
"""

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import Cache, GenerationConfig, LogitsProcessorList, PreTrainedModel, StoppingCriteriaList

KNOWN = {"attention_mask", "position_ids", "past_key_values", "use_cache", "logits_to_keep"}
"""What ``generate`` may hand on to the model."""
ROW_BY_ROW = frozenset(
    "TemperatureLogitsWarper TopKLogitsWarper TopPLogitsWarper MinPLogitsWarper MinNewTokensLengthLogitsProcessor "
    "MinLengthLogitsProcessor NoRepeatNGramLogitsProcessor".split()
)
"""Processors of logits that look at each row alone; others may remember the batch, and then all of it stays."""
WORTHWHILE = 0.8
"""Rows leave the batch when at most this share of them is still being written: their keys and values are copied."""


def decode(
    model: "PreTrainedModel",
    input_ids: torch.Tensor,
    logits_processor: "LogitsProcessorList",
    stopping_criteria: "StoppingCriteriaList",
    generation_config: "GenerationConfig",
    **model_kwargs: Any,
) -> torch.Tensor:
    """Write a completion of each prompt, as ``generate`` calls a decoding method.

    Where processes hold a model together, and for models whose cache is no list of keys and values, transformers' own
    method is called.

    Args:
        input_ids: prompts (B, P), padded on the left.

    Returns:
        Prompts with completions (B, P + C), padded on the right.
    """
    cache = model_kwargs.get("past_key_values")
    pad = generation_config._pad_token_tensor
    together = _is_held_together(model)
    if together or pad is None or model_kwargs.keys() - KNOWN or not _can_be_cut(cache):
        return type(model)._sample(
            model,
            input_ids,
            logits_processor=logits_processor,
            stopping_criteria=stopping_criteria,
            generation_config=generation_config,
            synced_gpus=together,
            **model_kwargs,
        )
    batch = _Batch(model, input_ids, model_kwargs)
    pad = int(pad)
    shrinks = all(type(processor).__name__ in ROW_BY_ROW for processor in logits_processor)
    written = torch.full((len(input_ids), 0), pad, dtype=input_ids.dtype, device=input_ids.device)
    logits = batch.read_prompts()
    while True:
        scores = logits_processor(batch.ids, logits.to(torch.float32))
        tokens = _drawn(scores, batch.rows, len(input_ids)) if generation_config.do_sample else scores.argmax(-1)
        tokens = torch.where(batch.ended, pad, tokens)
        written = torch.nn.functional.pad(written, (0, 1), value=pad)
        written[batch.rows, -1] = tokens
        batch.ids = torch.cat([batch.ids, tokens[:, None]], 1)
        batch.ended |= stopping_criteria(batch.ids, None)
        if batch.ended.all():
            return torch.cat([input_ids, written], 1)
        if shrinks:
            batch.drop_ended()
        logits = batch.read_tokens()


class _Batch:
    """The rows that are still being written.

    Attributes:
        rows: their numbers in the whole batch (b,), ``ids``: what they consist of so far, and ``ended``: which of them
            are finished and have not left yet.
    """

    def __init__(self, model: "PreTrainedModel", ids: torch.Tensor, given: dict[str, Any]):
        self.model, self.ids = model, ids
        self.rows = torch.arange(len(ids), device=ids.device)
        self.ended = torch.zeros(len(ids), dtype=torch.bool, device=ids.device)
        self.cache: Cache = given["past_key_values"]
        self.mask, self.positions = given.get("attention_mask"), given.get("position_ids")
        self.keeps = {"logits_to_keep": 1} if "logits_to_keep" in given else {}

    def read_prompts(self) -> torch.Tensor:
        """Read every prompt, each that is there several times once; logits (b, vocabulary) of the next token."""
        shown = self.ids if self.mask is None else self.ids.masked_fill(self.mask == 0, -1)
        _, of = shown.unique(dim=0, return_inverse=True)
        if int(of.max()) + 1 == len(of):
            return self._forward(self.ids, self.mask, self.positions)
        first = torch.full((int(of.max()) + 1,), len(of), device=of.device)
        first = first.scatter_reduce(0, of, self.rows, "amin")
        logits = self._forward(
            self.ids[first],
            None if self.mask is None else self.mask[first],
            None if self.positions is None else self.positions[first],
        )
        self.cache.batch_select_indices(of)
        return logits[of]

    def read_tokens(self) -> torch.Tensor:
        """Read the newest token of every row."""
        if self.mask is not None:
            self.mask = torch.nn.functional.pad(self.mask, (0, 1), value=1)
        if self.positions is not None:
            self.positions = self.positions[:, -1:] + 1
        return self._forward(self.ids[:, -1:], self.mask, self.positions)

    def drop_ended(self) -> None:
        """Let rows that are finished leave, where that is worth a copy of the others."""
        left = ~self.ended
        if int(left.sum()) > WORTHWHILE * len(left):
            return
        index = left.nonzero()[:, 0]
        self.cache.batch_select_indices(index)
        self.rows, self.ids, self.ended = self.rows[index], self.ids[index], self.ended[index]
        self.mask = None if self.mask is None else self.mask[index]
        self.positions = None if self.positions is None else self.positions[index]

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor | None, positions: torch.Tensor | None) -> torch.Tensor:
        more = {} if positions is None else {"position_ids": positions}
        outputs = self.model(
            input_ids=ids, attention_mask=mask, past_key_values=self.cache, use_cache=True, **more, **self.keeps
        )
        return outputs.logits[:, -1]


def _is_held_together(model: "PreTrainedModel") -> bool:
    """Whether processes must all go through the model as often as the one with the longest completion.

    ``generate`` knows, and does not tell a decoding method that is not its own.
    """
    from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled
    from transformers.integrations.fsdp import is_fsdp_managed_module

    alone = not torch.distributed.is_initialized() or torch.distributed.get_world_size() == 1
    return not alone and (is_deepspeed_zero3_enabled() or is_fsdp_managed_module(model))


def _can_be_cut(cache: Any) -> bool:
    """Whether rows can be taken out of a cache: it is a list of keys and values, as those of most models."""
    from transformers.cache_utils import DynamicLayer

    layers = getattr(cache, "layers", None)
    classes = {type(layer) for layer in layers or []} | {getattr(cache, "layer_class_to_replicate", None)} - {None}
    return cache is not None and bool(classes) and all(issubclass(cls, DynamicLayer) for cls in classes)


def _drawn(scores: torch.Tensor, rows: torch.Tensor, batch: int) -> torch.Tensor:
    """Tokens (b,) drawn by the softmax of scores (b, vocabulary) of some ``rows`` of a batch.

    ``torch.multinomial`` draws one exponential number for each entry and takes the largest ratio; drawn here for the
    whole batch, so that each row gets the numbers that it would get beside all others.
    """
    drawn = torch.empty((batch, scores.shape[1]), dtype=scores.dtype, device=scores.device).exponential_(1)
    return (scores.softmax(-1) / drawn[rows]).argmax(-1)
