"""Metrics of the library ``evaluate`` that need no network.

The library loads its own metrics as code from the Hub; these are defined here on its base class.

>>> exact_match(["B", None], ["B", "C"])
0.5
"""

from collections.abc import Sequence
from typing import Any

import evaluate
from datasets import Features, Value
from sacrebleu.metrics import CHRF

_FEATURES = Features({"predictions": Value("string"), "references": Value("string")})


class ExactMatch(evaluate.Metric):
    """The share of predictions that are their reference to the letter."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(description=self.__doc__, citation="", features=_FEATURES)

    def _compute(self, predictions: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
        pairs = list(zip(predictions, references, strict=True))
        return {"score": sum(prediction == reference for prediction, reference in pairs) / len(pairs)}


class ChrF(evaluate.Metric):
    """Character n-gram F-score of a corpus (Popovic, 2015, chrF with beta 2), by sacrebleu; between 0 and 1 here."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(description=self.__doc__, citation="", features=_FEATURES)

    def _compute(self, predictions: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
        return {"score": CHRF().corpus_score(list(predictions), [list(references)]).score / 100}


def exact_match(answers: Sequence[str | None], golds: Sequence[str]) -> float:
    """``ExactMatch`` of committed answers; none counts as an empty one."""
    return _score(ExactMatch, answers, golds)


def chrf(answers: Sequence[str | None], golds: Sequence[str]) -> float:
    """``ChrF`` of committed answers; none counts as an empty one."""
    return _score(ChrF, answers, golds)


def _score(metric: type[evaluate.Metric], answers: Sequence[str | None], golds: Sequence[str]) -> float:
    predictions = [answer or "" for answer in answers]
    # In memory: otherwise the library writes both lists into a cache folder, under a lock that processes wait for.
    result = metric(keep_in_memory=True).compute(predictions=predictions, references=list(golds))
    return float(result["score"])
