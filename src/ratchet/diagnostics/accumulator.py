"""What was seen between two logs on this process, and how that of all processes becomes one."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate.utils import gather_object


@dataclass
class Gathered:
    """What all processes saw between two logs."""

    values: dict[str, list[float]] = field(default_factory=dict)
    """Every value of a figure that has a distribution."""
    sums: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Total and count of a figure of which only the mean is wanted."""
    ranks: list[dict[str, float]] = field(default_factory=list)
    """What each process says of itself: seconds by phase, memory."""
    objects: list[Any] = field(default_factory=list)
    """Anything else that each process sends."""


class MetricAccumulator:
    """Collects tensors without waiting for the device; they are read at the next log."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._values: dict[str, list[tuple[torch.Tensor, torch.Tensor | None]]] = defaultdict(list)
        self._sums: dict[str, list[Any]] = {}

    def state_dict(self) -> dict[str, Any]:
        """What was collected, copied."""
        return {
            "values": {name: list(parts) for name, parts in self._values.items()},
            "sums": {name: list(known) for name, known in self._sums.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume with what ``state_dict`` copied."""
        self._clear()
        self._values.update({name: list(parts) for name, parts in state["values"].items()})
        self._sums.update({name: list(known) for name, known in state["sums"].items()})

    def add(self, name: str, values: torch.Tensor, kept: torch.Tensor | None = None) -> None:
        """Take values (n,), all of them or those that the mask ``kept`` (n,) marks."""
        # Masking here would make the host wait for the device; the mask is applied when the values are read.
        self._values[name].append((values.detach(), kept))

    def add_sum(self, name: str, total: torch.Tensor | float, count: torch.Tensor | float) -> None:
        """Take a total and what it is the total of."""
        known = self._sums.setdefault(name, [0.0, 0.0])
        known[0], known[1] = known[0] + total, known[1] + count

    def close(self, rank: Mapping[str, float], extra: Any, processes: int) -> Gathered:
        """Gather over processes, every one of which must call this, and start again from nothing."""
        values = {name: [v for part in parts for v in _listed(*part)] for name, parts in self._values.items()}
        sums = {name: (float(total), float(count)) for name, (total, count) in self._sums.items()}
        own = (values, sums, dict(rank), extra)
        self._clear()
        gathered = Gathered()
        for payload in gather_object([own]) if processes > 1 else [own]:
            _merge(gathered, *payload)
        return gathered


def _merge(gathered: Gathered, values: dict[str, list[float]], sums: dict, rank: dict[str, float], extra: Any) -> None:
    for name, part in values.items():
        gathered.values.setdefault(name, []).extend(part)
    for name, (total, count) in sums.items():
        known = gathered.sums.get(name, (0.0, 0.0))
        gathered.sums[name] = (known[0] + total, known[1] + count)
    gathered.ranks.append(rank)
    gathered.objects.append(extra)


def _listed(values: torch.Tensor, kept: torch.Tensor | None) -> list[float]:
    values = values.double().cpu()
    return (values if kept is None else values[kept.cpu()]).tolist()
