"""What an answer to a Dakota row is worth: components between 0 and 1, and one score built from them.

==================  =====================================================================  ==========================
component           formula (best over the accepted answers)                               exists where
==================  =====================================================================  ==========================
exact               1 if the normalised answer is an accepted one, with or without a       always
                    closing note in parentheses
chrf                character n-gram F-score, n up to 6, beta 1 (Popovic, 2015; sacrebleu)  always
special_precision   special letters with the letter before them: shared / in the answer    the answer sought is Dakota
special_recall      the same: shared / in the accepted answer                              and has special letters
special             harmonic mean of the two                                               as above
affix               share of the affixes that stand on their own word, stem and all        the row has affixes that an
                                                                                           accepted answer satisfies
semantic            F1 over content words                                                  the answer sought is English
length              min(1, limit / length), limit = 2 x accepted length + 10 characters    always
==================  =====================================================================  ==========================

chrF has beta 1, not the usual 2: with recall worth more, writing everything would pay.

The score is 1 for an exact answer. Else it is the weighted mean of the components that exist for the row, each counted
only beyond what copying the prompt earns, or in generated rows another form of the stem: (value - copy) / (1 - copy),
and multiplied by ``length``. A component that copying already brings to 1 does not exist for the row. Reasoning before
the answer enters nothing.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from ratchet.tasks.answers.similarity import chrf
from ratchet.tasks.dakota.orthography import Orthography, normalise, special_letters, token_f1

_TRANSLATION = {"exact": 0.6, "semantic": 0.3, "chrf": 0.1}
_FORM = {"exact": 0.6, "chrf": 0.2, "special": 0.1, "affix": 0.1}
# Weights per kind of row; those of components that a row lacks are shared among the others.
WEIGHTS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "word_translation": _TRANSLATION,
        "sentence_translation": {"exact": 0.5, "semantic": 0.4, "chrf": 0.1},
        "reverse_translation": {"exact": 0.5, "chrf": 0.4, "special": 0.1},
        "morphology": {**_FORM, "semantic": 0.2},
        "affix_insertion": {"exact": 0.6, "chrf": 0.1, "special": 0.1, "affix": 0.2},
        "multi_step_morphology": {"exact": 0.6, "chrf": 0.1, "special": 0.1, "affix": 0.2},
    }
)
_NO_ACCENT = str.maketrans("áéíóú", "aeiou")  # wo- makes wópida: an affix may take the accent
PARTS = ("chrf", "special", "affix", "semantic")


def components(answer: str, row: Mapping[str, Any], orthography: Orthography = "riggs") -> dict[str, float]:
    """Every component that exists for the row, and ``length``.

    >>> row = {"answers": ["suŋkaku"], "language": "dakota", "affixes": ["-ku"]}
    >>> found = components("wicaštaku", row)
    >>> {name: round(found[name], 2) for name in ("exact", "chrf", "affix")}
    {'exact': 0.0, 'chrf': 0.14, 'affix': 0.0}
    """
    said = normalise(answer, orthography)
    accepted = [normalise(text, orthography) for text in row["answers"]]
    found = {"exact": float(bool(said) and (said in accepted or _NOTE.sub("", said) in accepted))}
    found |= _parts(said, tuple(accepted), row["language"], tuple(row.get("affixes") or ()))
    found["length"] = _length(said, accepted)
    return found


def _length(said: str, accepted: Sequence[str]) -> float:
    return min(1.0, (2 * max(map(len, accepted)) + 10) / max(1, len(said)))


# A note after the answer that offers no other one and does not disown it.
_DISOWNING = "or|not|maybe|perhaps|though|alternatively|otherwise|if|unless|but|could|should|might|may"
_NOTE = re.compile(rf"\s*\((?!(?:[^()]*\b)?(?:{_DISOWNING})\b)[^()]*\)$")


def _parts(said: str, accepted: tuple[str, ...], language: str, affixes: tuple[str, ...]) -> dict[str, float]:
    found = {"chrf": chrf(said, accepted)}
    if language == "english":
        found["semantic"] = max(token_f1(said, text) for text in accepted)
        return found
    best = _nearest(said, accepted)
    wanted, given = special_letters(best), special_letters(said)
    if wanted:
        shared = (wanted & given).total()
        found["special_precision"] = shared / max(1, given.total())
        found["special_recall"] = shared / wanted.total()
        found["special"] = 2 * shared / (wanted.total() + given.total())
    carriers = [(affix, carrier(affix, best)) for affix in affixes]
    placed = [_placed(affix, word, said) for affix, word in carriers if word]
    if placed:
        found["affix"] = sum(placed) / len(placed)
    return found


def _nearest(said: str, accepted: Sequence[str]) -> str:
    """The accepted answer that an answer is most like."""
    if len(accepted) == 1:
        return accepted[0]
    return max(accepted, key=lambda text: difflib.SequenceMatcher(None, said, text, autojunk=False).quick_ratio())


def carrier(affix: str, text: str) -> str | None:
    """The word of a normalised text that carries an affix written "wa-", "-pi" or "-ma-"; None where none does.

    >>> carrier("-ku", "dawid suŋkaku"), carrier("-pi", "suŋka")
    ('suŋkaku', None)
    """
    return next((word for word in re.split(r"[\s()/,]+", text) if _stem(affix, word)), None)


def _stem(affix: str, word: str) -> str | None:
    """The word without the affix; None where the word does not carry it, or is nothing else."""
    bare, word = normalise(affix).strip("-").translate(_NO_ACCENT), word.translate(_NO_ACCENT)
    if not bare or " " in bare or len(word) <= len(bare):
        return None
    if affix.startswith("-") and affix.endswith("-"):
        at = word.find(bare, 1)
        return word[:at] + word[at + len(bare) :] if 0 < at < len(word) - len(bare) else None
    if affix.startswith("-"):
        return word[: -len(bare)].rstrip("-") if word.endswith(bare) else None
    if affix.endswith("-"):
        return word[len(bare) :].lstrip("-") if word.startswith(bare) else None
    return None


def _placed(affix: str, word: str, said: str) -> float:
    """1 where the answer has the affix on (nearly) the stem that carries it, else 0."""
    stem = _stem(affix, word)
    for other in said.split():
        rest = _stem(affix, other)
        if rest and difflib.SequenceMatcher(None, rest, stem, autojunk=False).ratio() >= 0.8:
            return 1.0
    return 0.0


def score(
    found: Mapping[str, float],
    row: Mapping[str, Any],
    weights: Mapping[str, float],
    orthography: Orthography = "riggs",
) -> float:
    """One number between 0 and 1: see the module's description.

    Args:
        found: what ``components`` returned.
        weights: of the row's kind, from ``WEIGHTS`` or the recipe.
    """
    if found["exact"]:
        return 1.0
    copied = _copied(
        str(row.get("question", "")),
        str(row.get("form") or ""),
        tuple(row["answers"]),
        row["language"],
        tuple(row.get("affixes") or ()),
        orthography,
        tuple(row.get("rivals") or ()),
    )
    gained = {
        name: (found[name] - copied[name]) / (1 - copied[name])
        for name in PARTS
        if name in found and copied.get(name, 0.0) < 1.0
    }
    total = weights.get("exact", 0.0) + sum(weights.get(name, 0.0) for name in gained)
    if total <= 0:
        return 0.0
    earned = sum(weights.get(name, 0.0) * max(0.0, value) for name, value in gained.items())
    return found["length"] * earned / total


@lru_cache(maxsize=65_536)
def _copied(
    question: str,
    form: str,
    answers: tuple[str, ...],
    language: str,
    affixes: tuple[str, ...],
    orthography: Orthography,
    rivals: tuple[str, ...] = (),
) -> Mapping[str, float]:
    """The most that each component gives to a text copied from the prompt (a line, what follows a colon, the form).

    ``rivals``, other forms of the stem, count as copied: whoever writes one knows the stem and not what was asked.
    """
    accepted = tuple(normalise(text, orthography) for text in answers)
    found: dict[str, float] = dict.fromkeys(PARTS, 0.0)
    for text in {normalise(text, orthography) for text in [form, *copies(question), *rivals]} - {""}:
        parts = _parts(text, accepted, language, affixes)
        for name in found:
            found[name] = max(found[name], _length(text, accepted) * parts.get(name, 0.0))
    return MappingProxyType(found)


def copies(question: str) -> Sequence[str]:
    """Every line of a prompt, and what follows the colons in it."""
    lines = [line.strip() for line in question.split("\n") if line.strip()][:40]
    return [*lines, *(part.strip() for line in lines if ":" in line for part in line.split(":")[1:])]
