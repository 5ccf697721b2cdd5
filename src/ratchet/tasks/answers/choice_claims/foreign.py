"""Claims at labels of other languages, near the end of the text: "La respuesta es C", "答案：C"."""

from ratchet.tasks.answers.choice_claims.after_label import hedged
from ratchet.tasks.answers.choice_claims.claim import Claim, Passage, last_occurrences
from ratchet.tasks.answers.choice_claims.context import opens_list
from ratchet.tasks.answers.option_values import matching_option
from ratchet.tasks.answers.vocabulary import foreign, unreal

REACH = 300  # labels are looked for in this many last characters
MAX_HITS = 6  # places read per label


def claims(passage: Passage) -> list[Claim]:
    """The claims at all labels."""
    low = passage.low
    offset = max(0, len(low) - REACH)
    tail = low[offset:]
    labels = foreign.ASCII_LABELS if tail.isascii() else foreign.ANY_LABEL
    found = []
    for label in [label for label in labels if label in tail]:
        for at in last_occurrences(low, label, MAX_HITS, offset):
            claim = _claim(passage, at, at + len(label))
            if claim:
                found.append(claim)
    return found


def _claim(passage: Passage, at: int, end: int) -> Claim | None:
    match = foreign.LETTER.match(passage.text, end)
    if match:
        return _letter(passage, end, match["letter"], match.end("letter"))
    value = foreign.VALUE.match(passage.text, end)
    letter = value and matching_option(value["value"], passage.options)
    return Claim(at, value.end(), letter) if letter else None


def _letter(passage: Passage, end: int, letter: str, stop: int) -> Claim | None:
    if opens_list(passage, letter, stop) or unreal.ASKED.match(passage.text, stop):
        return None
    between = passage.low[end : stop - 1]
    if foreign.UNREAL.search(between):
        return None
    if foreign.DENIES.search(between):
        return Claim(stop - 1, stop, letter, denied=True)
    return hedged(passage.text, stop - 1, stop, letter)
