"""How like an accepted answer another text is."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

MOST = 1_000  # characters that are compared


@lru_cache(maxsize=65_536)
def chrf(said: str, accepted: Sequence[str]) -> float:
    """Character n-gram F-score (Popovic, 2015, by sacrebleu; n up to 6) to the nearest of the texts, between 0 and 1.

    Beta is 1, not the usual 2: with recall worth more, writing everything would pay.

    >>> chrf("", ("suŋka",)), chrf("suŋka", ("suŋka",)), round(chrf("suŋk", ("suŋka",)), 2)
    (0.0, 1.0, 0.81)
    """
    if not said:
        return 0.0
    if said in accepted:
        return 1.0
    return _metric().sentence_score(said[:MOST], list(accepted)).score / 100


@lru_cache(maxsize=1)
def _metric() -> Any:
    from sacrebleu.metrics import CHRF  # takes a tenth of a second, and AQuA-RAT needs none

    return CHRF(beta=1)
