"""Re-implementations of two published rewards, from their published formulas, to be audited. Not for training.

Neither is the original code. ``docs/audit.md`` shows what the audit finds.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

# The leftmost of "answer:" or "answer-" with a letter, and any letter that stands alone; case does not count.
_LETTER = re.compile(r"answer\s*[:\-]\s*([A-E])\b|\b([A-E])\b", re.IGNORECASE)


def nanochat_aquarat(completions: Sequence[str], correct: Sequence[str], **columns: Any) -> list[float]:
    """nanochatAquaRat's environment: 1.0 for the right letter and 0.1 for any letter, taken leftmost.

    >>> nanochat_aquarat(["Answer: C", "It is a long way.\\nAnswer: C", "no letter"], ["C", "C", "C"])
    [1.1, 0.1, 0.0]
    """
    rewards = []
    for text, gold in zip(completions, correct, strict=True):
        found = _LETTER.search(text)
        letter = (found[1] or found[2]).upper() if found else None
        rewards.append(round(1.0 * (letter == gold) + 0.1 * (letter is not None), 6))
    return rewards


nanochat_aquarat.range = (0.0, 1.1)


def dakota_additive(
    completions: Sequence[str], answer: Sequence[str], required_affixes: Sequence[Sequence[str]], **columns: Any
) -> list[float]:
    """Dakota1890's additive composite: 0.4 exact + 0.2 letters + 0.15 pattern + 0.1 affixes + 0.15 length.

    Letters is the F1 of the two bags of characters; affixes is 1 where the row lists none; length is 1 up to three
    times the gold answer's words, so also for nothing; pattern is read from a field that the published rows do not
    have.

    >>> dakota_additive(["suŋkaku", ""], ["suŋkaku", "suŋkaku"], [["-ku"], []])
    [0.85, 0.25]
    """
    rewards = []
    for text, gold, affixes in zip(completions, answer, required_affixes, strict=True):
        said, wanted = " ".join(text.lower().split()), " ".join(gold.lower().split())
        exact = float(said == wanted)
        shared = (Counter(said) & Counter(wanted)).total()
        letters = 2 * shared / (len(said) + len(wanted)) if shared else 0.0
        present = [affix.strip("-").lower() in said for affix in affixes]
        affix = sum(present) / len(present) if present else 1.0
        ratio = len(said.split()) / max(1, len(wanted.split()))
        length = 1.0 if ratio <= 3 else max(0.1, 3 / ratio)
        pattern = 0.0
        rewards.append(round(0.4 * exact + 0.2 * letters + 0.15 * pattern + 0.1 * affix + 0.15 * length, 6))
    return rewards


dakota_additive.range = (0.0, 1.0)
