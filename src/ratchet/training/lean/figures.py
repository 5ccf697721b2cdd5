"""What lean steps saved, and TRL's own figures as they would be over one large batch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

ROW_MEANS = frozenset({"vespo/phi_seq_mean"})
"""TRL's figures that are means over rows; others are means over tokens, unless ratios are taken by sequence."""
OF_ALL = ("clip_ratio/", "cispo_clip_ratio")
"""TRL's figures that are 0 for a row without advantage, so that rows that are left out count too."""


@dataclass(frozen=True)
class Size:
    """Rows and tokens that count in a loss, over all processes."""

    rows: float = 0.0
    tokens: float = 0.0

    def __add__(self, other: "Size") -> "Size":
        return Size(self.rows + other.rows, self.tokens + other.tokens)


COUNTERS = frozenset({"num_tokens"})
"""TRL's figures that are counters, and not of a pass."""


class WindowMeans:
    """TRL's figures of the passes of one optimiser step, as one value each.

    TRL takes a mean, minimum or maximum over each micro-batch and then the mean over micro-batches, which weighs a
    token of a small one more than a token of a large one.

    Args:
        by_sequence: ratios are taken by sequence (``importance_sampling_level: sequence``).
    """

    def __init__(self, by_sequence: bool):
        self.by_sequence = by_sequence
        self._taken: list[tuple[dict[str, float], Size, int]] = []

    def take(self, metrics: dict[str, list[float]], before: Mapping[str, int], size: Size, empty: int) -> None:
        """Take what a pass has added to TRL's lists off them.

        Args:
            before: lengths of the lists before the pass.
            size: what of the pass counts, and ``empty``: its rows that do not exist, over all processes.
        """
        found = {}
        for name, values in metrics.items():
            if len(values) > before.get(name, 0) and name not in COUNTERS:
                found[name] = values.pop()
        for name in found:
            if not metrics[name]:  # TRL would log it as None, should nothing come of this step
                del metrics[name]
        self._taken.append((found, size, empty))

    def close(self, metrics: Mapping[str, list[float]], left_out: Size) -> None:
        """End the step: every figure gets its one value; none where no pass had anything that counts."""
        taken, self._taken = self._taken, []
        for name in {name for found, _, _ in taken for name in found}:
            value = self._value(name, [each for each in taken if name in each[0]], left_out)
            if value is not None:
                metrics[name].append(value)

    def _value(self, name: str, taken: list[tuple[dict[str, float], Size, int]], left_out: Size) -> float | None:
        of_all = name.startswith(OF_ALL)
        values = [found[name] for found, size, _ in taken if size.tokens and found[name] == found[name]]
        for end, best in (("_min", min), ("_max", max)):
            if name.endswith(end):
                zeros = [0.0] if of_all and left_out.rows else []
                return best([*values, *zeros], default=None)
        by_row = name in ROW_MEANS or (self.by_sequence and of_all)
        total = count = 0.0
        for found, size, empty in taken:
            if by_row:  # a row that does not exist has a ratio of 1, and is in TRL's mean
                total += found[name] * (size.rows + empty) - (empty if name in ROW_MEANS else 0.0)
                count += size.rows
            elif size.tokens:
                total += found[name] * size.tokens
                count += size.tokens
        if of_all:
            count += left_out.rows if by_row else left_out.tokens
        return total / count if count else None


@dataclass
class Saved:
    """Tokens and rows since the last log, over all processes."""

    steps: int = 0
    padded: float = 0.0
    computed: float = 0.0
    needed: float = 0.0
    rows: float = 0.0
    left_out: float = 0.0
    passes: float = 0.0
    imbalance: float = 0.0
    largest: float = 0.0

    def take(self, padded: float, computed: list[int], needed: int, rows: int, left_out: int, passes: int) -> None:
        """Take one optimiser step.

        Args:
            padded: tokens that TRL would have computed, over all processes.
            computed: tokens that each process computed, padding included.
            needed: tokens of the rows that were computed, each with its prompt.
            rows: all rows, and ``left_out``: those without a gradient.
            passes: through the model, on each process.
        """
        self.steps += 1
        self.padded += padded
        self.computed += sum(computed)
        self.needed += needed
        self.rows += rows
        self.left_out += left_out
        self.passes += passes
        mean = sum(computed) / len(computed)
        self.imbalance += max(computed) / mean - 1 if mean else 0.0

    def figures(self) -> dict[str, float]:
        """For the log; begins anew."""
        if not self.steps:
            return {}
        found = {
            "lean/computed_share": self.computed / self.padded,
            "lean/rows_left_out": self.left_out / self.rows,
            "lean/passes": self.passes / self.steps,
            "lean/imbalance": self.imbalance / self.steps,
            "lean/largest_pass": self.largest,
        }
        if self.needed:
            found["lean/computed_over_needed"] = self.computed / self.needed
        self.load_state_dict(asdict(Saved(largest=self.largest)))
        return found

    def state_dict(self) -> dict[str, Any]:
        """The sums."""
        return asdict(self)

    def load_state_dict(self, found: Mapping[str, Any]) -> None:
        """Put them back."""
        for name, value in found.items():
            setattr(self, name, value)
