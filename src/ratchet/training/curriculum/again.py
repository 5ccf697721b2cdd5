"""Groups of completions sampled in the place of others: batches as tensors, and the figures of several rounds as one.

A batch is what TRL's ``GRPOTrainer`` trains on (``training.lean.rows``).
"""

from collections.abc import Mapping, Sequence

import torch

from ratchet.training.lean.rows import PROMPT, Batch, is_per_row


def replaced(batch: Batch, fresh: Batch, places: Sequence[tuple[int, int]], size: int, padding: int) -> Batch:
    """A batch with groups of another one in the place of some of its own, as wide as the widest of both.

    Args:
        fresh: with the same values.
        places: (number of a group in ``batch``, of the one in ``fresh`` that takes its place).
        size: rows of a group.
        padding: the token for places without one.
    """
    rows = len(batch["prompt_ids"])
    index = torch.arange(rows).view(-1, size)
    for old, new in places:
        index[old] = rows + new * size + torch.arange(size)
    index = index.flatten().to(batch["prompt_ids"].device)
    found = {}
    for name, value in batch.items():
        if is_per_row(value):
            fill = padding if name in ("prompt_ids", "completion_ids") else 0
            value = torch.cat(_as_wide(value, fresh[name], name in PROMPT, fill))[index]
        found[name] = value
    return found


def _as_wide(one: torch.Tensor, two: torch.Tensor, left: bool, fill: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Both padded to one width, where they have one."""
    if one.ndim == 1:
        return one, two
    width = max(one.shape[1], two.shape[1])

    def padded(value: torch.Tensor) -> torch.Tensor:
        more = width - value.shape[1]
        return torch.nn.functional.pad(value, (more, 0) if left else (0, more), value=fill)

    return padded(one), padded(two)


def one_value_each(metrics: Mapping[str, list[float]], before: Mapping[str, int], rows: Sequence[int]) -> None:
    """Put one value in the place of those that several rounds of one generation have added to TRL's figures.

    Args:
        metrics: name -> values since the last log.
        before: lengths of these lists before the first round.
        rows: of each round, by which means are weighted.
    """
    for name, values in metrics.items():
        added = values[before.get(name, 0) :]
        if len(added) == len(rows) > 1:
            values[before.get(name, 0) :] = [_together(name, added, rows)]


def _together(name: str, values: Sequence[float], rows: Sequence[int]) -> float:
    best = {"min": min, "max": max}.get(name.rpartition("/")[2].partition("_")[0])
    if best is not None:
        return best(values)
    known = [(value, n) for value, n in zip(values, rows, strict=True) if value == value]
    total = sum(n for _, n in known)
    return sum(value * n for value, n in known) / total if total else float("nan")


def spreads(rewards: torch.Tensor, weights: torch.Tensor, size: int) -> list[bool | None]:
    """Of each group whether its completions' rewards differ; None where none was scored.

    Args:
        rewards: of each completion and reward function (N, F), NaN where there is none.
        weights: of the functions (F,).
        size: completions of a group.
    """
    total = (rewards * weights).nansum(1)
    scored = ~rewards.isnan().all(1)
    low = total.masked_fill(~scored, float("inf")).view(-1, size).amin(1)
    high = total.masked_fill(~scored, float("-inf")).view(-1, size).amax(1)
    return [None if most < least else most > least for least, most in zip(low.tolist(), high.tolist(), strict=True)]
