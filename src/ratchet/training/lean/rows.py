"""Rows of GRPO's batches as tensors: gathered from all processes, chosen, cut to their own width, and put side by side
without padding on the left.

A batch is what TRL's ``GRPOTrainer`` trains on: ``prompt_ids`` and ``prompt_mask`` (B, P), padded on the left;
``completion_ids``, ``completion_mask`` and what belongs to a completion's tokens (B, C), padded on the right;
``advantages`` (B,) or (B, C); and numbers that are the same for all rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from accelerate import Accelerator

from ratchet.training.lean.passes import Row, cost, shared_cost

Batch = dict[str, Any]
PROMPT = ("prompt_ids", "prompt_mask")


def is_per_row(value: Any) -> bool:
    """Whether a value of a batch has an entry for each row."""
    return isinstance(value, torch.Tensor) and value.ndim > 0


def merged(batches: Sequence[Batch]) -> Batch:
    """Micro-batches of equal width as one batch."""
    first = batches[0]
    return {
        name: torch.cat([batch[name] for batch in batches]) if is_per_row(value) else value
        for name, value in first.items()
        if value is not None
    }


def gathered(batch: Batch, accelerator: Accelerator) -> Batch:
    """The rows of all processes, those of the first one first, at the width of the widest; every process must call
    this."""
    if accelerator.num_processes == 1:
        return batch
    everywhere = {}
    for name, value in sorted(batch.items()):
        if is_per_row(value):
            if value.ndim > 1:
                value = accelerator.pad_across_processes(value, dim=1, pad_first=name in PROMPT)
            value = accelerator.gather(value.contiguous())
        everywhere[name] = value
    return everywhere


def described(prompts: torch.Tensor, prompt_mask: torch.Tensor, completion_mask: torch.Tensor) -> list[Row]:
    """Lengths of rows, and which of them have one prompt; a completion that is masked counts as one token."""
    _, group = prompts.masked_fill(prompt_mask == 0, -1).unique(dim=0, return_inverse=True)
    columns = (prompt_mask.sum(1), completion_mask.sum(1).clamp(min=1), group)
    return [Row(*values) for values in torch.stack(columns, 1).tolist()]


def counted(batch: Mapping[str, Any]) -> torch.Tensor:
    """1 for the tokens of completions that count in the loss (B, C): neither padding nor written by a tool."""
    return batch["completion_mask"] * batch.get("tool_mask", 1)


def learns_nothing(batch: Mapping[str, Any], by_advantage: bool) -> torch.Tensor:
    """Rows (B,) that cannot have a gradient: no token of theirs counts, or (``by_advantage``) no token has an
    advantage."""
    found = counted(batch).sum(1) == 0
    if by_advantage:
        advantages = batch["advantages"]
        found |= (advantages == 0).reshape(len(advantages), -1).all(1)
    return found


def chosen(batch: Batch, rows: Sequence[int]) -> Batch:
    """Some rows of a batch, as wide as the widest of them."""
    index = torch.tensor(rows, device=batch["prompt_ids"].device)
    prompts, completions = (int(batch[name][index].sum(1).max()) for name in ("prompt_mask", "completion_mask"))
    if "choice_at" in batch:  # a masked completion keeps the place that diagnostics look at
        completions = max(completions, int(batch["choice_at"][index].max()) + 1)
    width = batch["completion_ids"].shape[1]
    found = {}
    for name, value in batch.items():
        if is_per_row(value):
            value = value[index]
            if name in PROMPT:
                value = value[:, value.shape[1] - prompts :]
            elif value.ndim > 1 and value.shape[1] == width:
                value = value[:, : max(1, completions)]
        found[name] = value
    return found


def nothing(batch: Batch) -> Batch:
    """A row of two tokens of which none counts, for a process that has no row left in a pass that others make."""
    found = {name: value[:1, -1:] if name in PROMPT else value for name, value in batch.items()}
    for name, value in batch.items():
        if is_per_row(value) and name not in PROMPT:
            found[name] = value[:1, :1] if value.ndim > 1 else value[:1]
    for name in found.keys() & {"completion_mask", "advantages", "tool_mask"}:
        found[name] = torch.zeros_like(found[name])
    if "importance_sampling_ratio" in found:
        found["importance_sampling_ratio"] = torch.ones_like(found["importance_sampling_ratio"])
    if "choice_at" in found:
        found["choice_at"] = torch.full_like(found["choice_at"], -1)
    for name in found.keys() & {"old_per_token_logps", "ref_per_token_logps", "sampling_per_token_logps"}:
        found[name] = torch.zeros_like(found[name])
    return found


def joined(batch: Mapping[str, Any], prompt: str = "prompt") -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask (B, P + C) of prompts, whose names begin with ``prompt``, and the completions behind them."""
    ids, mask = (torch.cat([batch[f"{prompt}_{kind}"], batch[f"completion_{kind}"]], 1) for kind in ("ids", "mask"))
    return ids, mask


class Aligned:
    """Rows (B, P + C) with padding on both sides, put at the left edge: as wide as the longest row, and no wider.

    Args:
        completion: C, so many of the columns are the completion's.

    Attributes:
        ids, mask: (B, W), the rows with padding on the right.
        kept: the last so many columns hold every completion.
        starts: columns (B,) in which the completions begin.
    """

    def __init__(self, ids: torch.Tensor, mask: torch.Tensor, completion: int):
        prompts = self.starts = mask[:, : ids.shape[1] - completion].sum(1)
        wanted = mask[:, ids.shape[1] - completion :].sum(1)
        width = int((prompts + wanted.clamp(min=1)).max())
        shift = ids.shape[1] - completion - prompts
        at = shift[:, None] + torch.arange(width, device=ids.device)
        inside = at < ids.shape[1]
        at = at.clamp(max=ids.shape[1] - 1)
        self.ids = ids.gather(1, at)
        self.mask = mask.gather(1, at) * inside
        first = int(prompts.min())
        self.kept = width - first
        self._at = (prompts - first)[:, None] + torch.arange(completion, device=ids.device)

    def completions(self, values: torch.Tensor) -> torch.Tensor:
        """Values of the ``kept`` last columns (B, kept) by the completions' tokens (B, C); 0 beyond the row's end."""
        found = values.gather(1, self._at.clamp(max=self.kept - 1))
        return torch.where(self._at < self.kept, found, torch.zeros_like(found))


class Shared:
    """Rows (B, P + C) of few prompts: each prompt but its last token once, and the rest of every row behind it.

    Args:
        completion: C, so many of the columns are the completion's.

    Attributes:
        prompts, prompt_mask: (U, p), padded on the left.
        of: for each row the number of its prompt (B,).
        ids: the last token of the prompt and the completion (B, 1 + c).
        mask: of prompt and rest together (B, p + 1 + c).
        positions: of the rest (B, 1 + c), and ``prompt_positions`` (U, p).
    """

    def __init__(self, ids: torch.Tensor, mask: torch.Tensor, completion: int):
        split = ids.shape[1] - completion
        self.completion, self.device = completion, ids.device
        lengths = mask[:, :split].sum(1)
        longest, rest = int(lengths.max()), max(1, int(mask[:, split:].sum(1).max()))
        shown = mask[:, split - longest : split]
        kept = ids[:, split - longest : split].masked_fill(shown == 0, -1)
        unique, self.of = kept[:, :-1].unique(dim=0, return_inverse=True)
        self.prompt_mask = (unique >= 0).to(mask.dtype)
        self.prompts = unique.clamp(min=0)
        self.prompt_positions = (self.prompt_mask.cumsum(1) - 1).clamp(min=0)
        self.ids = ids[:, split - 1 : split + rest]
        self.mask = mask[:, split - longest : split + rest]
        self.positions = (lengths - 1)[:, None] + torch.arange(1 + rest, device=ids.device)
        self.labels = self.ids.masked_fill(self.mask[:, longest - 1 :] == 0, -100)
        self.labels[:, 0] = -100

    def repeat_prompts(self, cache: Any) -> None:
        """Give every row the keys and values of its prompt.

        Row by row: an index with repeats adds up gradients in an order that differs from run to run on a CPU.
        """
        of = self.of.tolist()
        for layer in cache.layers:
            keys, values = layer.keys.unbind(0), layer.values.unbind(0)
            layer.keys, layer.values = torch.stack([keys[i] for i in of]), torch.stack([values[i] for i in of])

    @staticmethod
    def pays(ids: torch.Tensor, mask: torch.Tensor, completion: int) -> bool:
        """Whether fewer tokens are computed so than row by row."""
        split = ids.shape[1] - completion
        rows = described(ids[:, :split], mask[:, :split], mask[:, split:])
        return min(row.prompt for row in rows) > 1 and shared_cost(rows) < cost(rows, shares=False)

    def completions(self, values: torch.Tensor) -> torch.Tensor:
        """Values by the completions' tokens (B, C), 0 beyond the longest of them."""
        return torch.nn.functional.pad(values, (0, self.completion - values.shape[1]))
