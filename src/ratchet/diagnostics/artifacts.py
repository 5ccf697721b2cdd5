"""What a run shows besides numbers: distributions, completions, tables and maps, as plain data."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Artifacts:
    """What has gathered since the last log and is more than a number; records and trackers take it from here."""

    histograms: dict[str, list[float]] = field(default_factory=dict)
    """Values by the figure's name."""
    samples: list[dict[str, Any]] = field(default_factory=list)
    """Sampled completions with their grades, rewards and advantages."""
    confusion: dict[str, dict[str, int]] = field(default_factory=dict)
    """Gold answer -> committed answer -> completions."""
    maps: list[dict[str, Any]] = field(default_factory=list)
    """Heat maps of attention: layer, head, tokens, weights (queries x keys)."""
    embeddings: list[list[float]] = field(default_factory=list)
    """Last hidden state of some fixed rows."""

    def state_dict(self) -> dict[str, Any]:
        """Everything, copied one level deep: later additions do not reach the copy."""
        return {name: copy.copy(value) for name, value in vars(self).items()}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> "Artifacts":
        """What ``state_dict`` copied; the copy stays usable for another restart."""
        return cls(**{name: copy.copy(value) for name, value in state.items()})
