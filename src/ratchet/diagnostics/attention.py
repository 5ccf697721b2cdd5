"""Where attention goes: entropy by layer, heat maps, and the last hidden state, from one pass of a few fixed rows.

The pass uses an attention function of its own, registered with transformers: it computes the weights of the last
queries and leaves the output to PyTorch's ``scaled_dot_product_attention``, so nothing but a few rows of weights is
kept.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask

NAME = "ratchet_probe"
MAP_SIZE = 64  # queries and keys of a heat map at most, the last ones


class CannotProbe(Exception):
    """This model's attention cannot be watched; the message says why."""


@dataclass
class Seen:
    """What one pass saw."""

    entropy: dict[int, torch.Tensor] = field(default_factory=dict)
    """Layer -> mean entropy over rows, heads and queries, in nats (a scalar tensor)."""
    maps: dict[tuple[int, int], torch.Tensor] = field(default_factory=dict)
    """(layer, head) -> weights of the first row, (queries, keys)."""
    hidden: torch.Tensor | None = None
    """Last hidden state at each row's last token, (rows, hidden)."""


class _Probe:
    """What the registered function writes to while a pass is under way.

    transformers calls the function by its registered name and hands it no state of ours, so the state is global.
    """

    seen: Seen | None = None
    queries = 1
    wanted: Sequence[tuple[int, int]] = ()


def _attention(module, query, key, value, attention_mask, dropout=0.0, scaling=None, **kwargs):
    """(batch, heads, queries, dim) as transformers passes them; see ``AttentionInterface``."""
    if getattr(module, "sinks", None) is not None or kwargs.get("s_aux") is not None:
        raise CannotProbe("its attention has sinks, which take a share that no key gets")
    soft_cap = kwargs.get("softcap")
    if _Probe.seen is not None:
        _record(_Probe.seen, module, query, key, attention_mask, scaling, soft_cap)
    if soft_cap is not None:  # PyTorch's function knows no soft-cap (Gemma 2)
        weights = _weights(module, query, key, attention_mask, scaling, soft_cap, query.shape[2])
        return (weights @ _repeated(value, query)).transpose(1, 2).contiguous(), None
    return sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout=0.0, scaling=scaling, is_causal=False
    )


def _record(seen: Seen, module, query, key, mask, scaling, soft_cap) -> None:
    """Note a layer's entropy, and the weights of the heads that are wanted as heat maps."""
    layer = module.layer_idx
    seen.entropy[layer] = entropy(_weights(module, query, key, mask, scaling, soft_cap, _Probe.queries)).mean()
    heads = [head for wanted, head in _Probe.wanted if wanted == layer and head < query.shape[1]]
    if heads:
        rows = _weights(module, query[:1], key[:1], mask[:1], scaling, soft_cap, MAP_SIZE)
        for head in heads:
            seen.maps[layer, head] = rows[0, head].float().cpu()


def _repeated(states: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """Keys or values with as many heads as the queries have (grouped-query attention)."""
    return states.repeat_interleave(query.shape[1] // states.shape[1], dim=1)


def _weights(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    mask: torch.Tensor,
    scaling: float | None,
    soft_cap: float | None,
    last: int,
) -> torch.Tensor:
    """Attention weights of the last queries: (batch, heads, last, keys)."""
    query = query[:, :, -last:]
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    scores = query @ _repeated(key, query).transpose(2, 3) * scale
    if soft_cap is not None:
        scores = soft_cap * torch.tanh(scores / soft_cap)
    scores = scores + mask[:, :, -last:, : key.shape[2]]
    return torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)


def entropy(weights: torch.Tensor) -> torch.Tensor:
    """Entropy of each query's weights over the keys, in nats: (..., keys) to (...)."""
    weights = weights.float()
    return torch.special.entr(weights).sum(-1)


AttentionInterface.register(NAME, _attention)
AttentionMaskInterface.register(NAME, eager_mask)


@contextmanager
def _switched(model: Any) -> Iterator[None]:
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


@torch.no_grad()
def look(model: Any, inputs: dict[str, torch.Tensor], queries: int, wanted: Sequence[tuple[int, int]]) -> Seen:
    """Run the rows through the model and watch.

    Args:
        model: a causal language model, not wrapped.
        inputs: ``input_ids`` and ``attention_mask``, (rows, tokens), padded on the left.
        queries: how many last queries of each row count; no row may be shorter.
        wanted: (layer, head) pairs whose weights are kept as heat maps.

    Raises:
        CannotProbe: when this model's attention cannot be watched.
    """
    seen, training = Seen(), model.training

    def keep(module: Any, given: Any, output: Any) -> None:
        if getattr(output, "last_hidden_state", None) is not None:
            seen.hidden = output.last_hidden_state[:, -1].float()

    hook = model.base_model.register_forward_hook(keep)
    _Probe.seen, _Probe.queries, _Probe.wanted = seen, queries, wanted
    try:
        with _switched(model):
            model.eval()
            # Rows are padded on the left; a row's first token has position 0 all the same.
            positions = (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)
            # The whole model, not its base: under FSDP only the root gathers all weights.
            model(**inputs, position_ids=positions, use_cache=False, logits_to_keep=1)
    finally:
        _Probe.seen = None
        hook.remove()
        model.train(training)
    if seen.hidden is None:
        raise CannotProbe("this model does not show its last hidden state")
    if not seen.entropy:
        raise CannotProbe("its attention does not go through transformers' attention interface")
    return seen
