"""Claims by a tick beside an option: "| C | ✓ |", "- [x] C"."""

from ratchet.tasks.answers.choice_claims.claim import Claim, Passage
from ratchet.tasks.answers.vocabulary import lines

REACH = 600  # ticks are looked for in this many last characters


def claims(passage: Passage) -> list[Claim]:
    """The claims at all ticks."""
    text = passage.text
    if "[x]" not in passage.low and (text.isascii() or not any(tick in text for tick in lines.TICKS)):
        return []
    ticked = lines.TICKED.finditer(text, max(0, len(text) - REACH))
    return [Claim(match.start(), match.end(), match[1] or match[2]) for match in ticked]
