"""What makes a letter that was found no claim: an example, a condition, a question, a list, a variable."""

from ratchet.tasks.answers.choice_claims.claim import Passage
from ratchet.tasks.answers.option_values import is_own_value
from ratchet.tasks.answers.vocabulary import letters, unreal

BEFORE = 50  # characters before a label that may make it unreal
CONDITION = 90  # characters before a label in which "would" has its condition


def is_meant(passage: Passage, label: int, after: int) -> bool:
    """Whether a claim is real: not part of an example, a condition, a question, or somebody else's words.

    Args:
        label: where the claim begins.
        after: where it ends.
    """
    if label and (_is_unreal(passage.low, label) or _is_imagined(passage.low, label, after)):
        return False
    return not unreal.ASKED.match(passage.text, after)


def _is_unreal(low: str, label: int) -> bool:
    window = low[max(0, label - BEFORE) : label]
    window = window[max(window.rfind("\n"), window.rfind(". ")) + 1 :]
    return bool(window.strip(" *_#>-") and unreal.UNREAL.search(window))


def _is_imagined(low: str, label: int, after: int) -> bool:
    if "would" not in low[max(0, label - 8) : after]:
        return False
    return unreal.IMAGINED.search(low, max(0, label - CONDITION), after) is not None


def opens_list(passage: Passage, letter: str, stop: int) -> bool:
    """Whether a letter is the first label of a list: "A) 7 B) 24"."""
    following = letters.NEXT_LABEL.match(passage.text, stop)
    return bool(following) and ord(following["next"]) == ord(letter) + 1 and following.group()[0] != "."


def is_variable(passage: Passage, letter: str, stop: int) -> bool:
    """Whether a letter is the name of a quantity: "C = 84", where 84 is not the value of option C."""
    equals = letters.EQUALS.match(passage.text, stop)
    return bool(equals) and not is_own_value(equals["value"], letter, passage.options)
