"""A letter that stands before its label: "C is the" before "answer"."""

import re

from ratchet.tasks.answers.choice_claims.claim import Claim, Passage
from ratchet.tasks.answers.choice_claims.context import is_meant
from ratchet.tasks.answers.vocabulary import statements

LONGEST_ENDING = 12  # characters, more than any of ``statements.BEFORE_ENDS`` has
REACH = 60  # characters that a statement may have up to its label


def meant_letter_before(passage: Passage, at: int, end: int) -> re.Match | None:
    """ "C is the" directly before the label from ``at`` to ``end``, unless it is no real claim."""
    # a look at the last word is much cheaper than the search, and rules out nearly everything
    if at < 5 or not passage.low.endswith(statements.BEFORE_ENDS, max(0, at - LONGEST_ENDING), at):
        return None
    match = statements.BEFORE.search(passage.text, max(0, at - REACH), at)
    return match if match and is_meant(passage, match.start("letter"), end) else None


def claim_before(passage: Passage, match: re.Match, end: int, denied: bool) -> Claim:
    """The claim that "C is the", and a label up to ``end``, make; "B or C is the" hedges."""
    start = match.start("letter")
    listed = statements.LISTED_BEFORE.search(passage.text, max(0, start - 14), start)
    named = match["letter"] + (listed["other"] if listed else "")
    return Claim(start, end, named, denied=denied and not listed)
