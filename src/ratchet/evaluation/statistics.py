"""How sure a figure is: Wilson intervals, the unbiased pass@k, and McNemar's paired test."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import comb, sqrt
from typing import Any

Z95 = 1.959963984540054


@dataclass(frozen=True)
class Share:
    """A share of n with its 95 % interval."""

    accuracy: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.accuracy:.3f} [{self.low:.3f}, {self.high:.3f}] (n = {self.n})"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def wilson(successes: int, n: int) -> Share:
    """Wilson's score interval for a share (Wilson, 1927), which stays inside [0, 1] and holds for small n.

    >>> print(wilson(69, 254))
    0.272 [0.221, 0.329] (n = 254)
    """
    if n == 0:
        return Share(0.0, 0.0, 1.0, 0)
    p, z2 = successes / n, Z95 * Z95
    centre, spread = p + z2 / (2 * n), Z95 * sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    low, high = (centre - spread) / (1 + z2 / n), (centre + spread) / (1 + z2 / n)
    return Share(p, max(0.0, min(low, p)), min(1.0, max(high, p)), n)


def pass_at_k(n: int, c: int, k: int) -> float:
    """The unbiased estimator 1 - C(n - c, k) / C(n, k) from c right ones of n samples (Chen et al., 2021, arXiv:2107.03374).

    >>> pass_at_k(4, 1, 1), pass_at_k(4, 1, 4)
    (0.25, 1.0)
    """
    if not 1 <= k <= n:
        raise ValueError(f"k must lie between 1 and n = {n}, it is {k}")
    return 1.0 - comb(n - c, k) / comb(n, k)


def mean_share(values: Sequence[float]) -> Share:
    """The mean of per-row values in [0, 1], with the normal interval over rows (rows are the independent units)."""
    n = len(values)
    mean = sum(values) / n if n else 0.0
    spread = Z95 * sqrt(sum((v - mean) ** 2 for v in values) / max(1, n - 1) / n) if n else 1.0
    return Share(mean, max(0.0, mean - spread), min(1.0, mean + spread), n)


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> dict[str, Any]:
    """McNemar's exact test on rows that two models answered (McNemar, 1947; the binomial form).

    Returns:
        only_first, only_second: rows that one alone got right; difference: in accuracy, second minus first; p: two-sided.
    """
    if len(first) != len(second):
        raise ValueError(f"a paired test needs the same rows, got {len(first)} and {len(second)}")
    b = sum(x and not y for x, y in zip(first, second, strict=True))
    c = sum(y and not x for x, y in zip(first, second, strict=True))
    m = b + c
    p = min(1.0, 2 * sum(comb(m, i) for i in range(min(b, c) + 1)) / 2**m) if m else 1.0
    return {"only_first": b, "only_second": c, "difference": (c - b) / max(1, len(first)), "p": p, "n": len(first)}


def powers_of_two(limit: int) -> list[int]:
    """1, 2, 4, ... up to ``limit``."""
    return [2**i for i in range(limit.bit_length()) if 2**i <= limit]
