"""How sure a figure is: Wilson intervals, the unbiased pass@k, and McNemar's paired test."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import comb, sqrt
from typing import Any

Z95 = 1.959963984540054
"""The 97.5th percentile of the standard normal distribution: 95 % of it lie within so many standard deviations."""


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
    """Wilson's score interval for a share (Wilson, 1927, J. Am. Stat. Assoc. 22).

    It solves (p - q)^2 = z^2 q (1 - q) / n for q. The textbook's p +- z sqrt(p (1 - p) / n) has width zero at p = 0
    and leaves [0, 1] near both ends; this one does neither, and covers as promised for small n (Newcombe, 1998).

    >>> print(wilson(69, 254))
    0.272 [0.221, 0.329] (n = 254)
    """
    if n == 0:
        return Share(0.0, 0.0, 1.0, 0)
    p, z2 = successes / n, Z95 * Z95
    centre = p + z2 / (2 * n)
    spread = Z95 * sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    scale = 1 + z2 / n
    low, high = (centre - spread) / scale, (centre + spread) / scale
    # At p = 0 and p = 1 one end is the share itself, which rounding may miss by the last digit.
    return Share(p, max(0.0, min(low, p)), min(1.0, max(high, p)), n)


def pass_at_k(n: int, c: int, k: int) -> float:
    """The unbiased estimator 1 - C(n - c, k) / C(n, k) of pass@k from c right ones of n samples.

    The probability that k of the n samples, drawn without replacement, hold a right one (Chen et al., 2021,
    arXiv:2107.03374). The simpler 1 - (1 - c / n)^k is biased downwards.

    >>> pass_at_k(4, 1, 1), pass_at_k(4, 1, 4)
    (0.25, 1.0)
    """
    if not 1 <= k <= n:
        raise ValueError(f"k must lie between 1 and n = {n}, it is {k}")
    return 1.0 - comb(n - c, k) / comb(n, k)


def mean_share(values: Sequence[float]) -> Share:
    """The mean of per-row values in [0, 1], with the normal interval over rows.

    Rows are the independent units: samples of one row are not, so counting them would make the interval too narrow.
    """
    n = len(values)
    if not n:
        return Share(0.0, 0.0, 1.0, 0)
    mean = sum(values) / n
    variance = sum((v - mean) ** 2 for v in values) / max(1, n - 1)
    spread = Z95 * sqrt(variance / n)
    return Share(mean, max(0.0, mean - spread), min(1.0, mean + spread), n)


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> dict[str, Any]:
    """McNemar's exact test on rows that two models answered (McNemar, 1947, Psychometrika 12; the binomial form).

    Only rows on which the two differ tell them apart. Were the models equally good, either would win each of these
    with probability 1/2; p is twice the binomial tail. Paired, it finds differences that two separate intervals hide.

    Returns:
        only_first, only_second: rows that one alone got right.
        difference: in accuracy, second minus first.
        p: two-sided.
    """
    if len(first) != len(second):
        raise ValueError(f"a paired test needs the same rows, got {len(first)} and {len(second)}")
    n = len(first)
    only_first = sum(x and not y for x, y in zip(first, second, strict=True))
    only_second = sum(y and not x for x, y in zip(first, second, strict=True))
    differing = only_first + only_second
    tail = sum(comb(differing, i) for i in range(min(only_first, only_second) + 1)) / 2**differing
    return {
        "only_first": only_first,
        "only_second": only_second,
        "difference": (only_second - only_first) / max(1, n),
        "p": min(1.0, 2 * tail),  # doubling the tail counts the middle twice
        "n": n,
    }


def powers_of_two(limit: int) -> list[int]:
    """1, 2, 4, ... up to ``limit``."""
    return [2**i for i in range(limit.bit_length()) if 2**i <= limit]
