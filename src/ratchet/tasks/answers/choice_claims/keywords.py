"""Claims at English keywords: "Answer: C", "C is correct", "I choose C", "so option C", "B wins"."""

from collections.abc import Callable

from ratchet.tasks.answers.choice_claims.after_label import (
    claim_after,
    is_announced,
    letter_after,
    read_after,
    value_after,
)
from ratchet.tasks.answers.choice_claims.before_label import claim_before, meant_letter_before
from ratchet.tasks.answers.choice_claims.claim import Claim, Passage, last_occurrences
from ratchet.tasks.answers.choice_claims.context import is_meant
from ratchet.tasks.answers.vocabulary import letters, statements

MAX_HITS = 8  # places read per keyword, the last ones of the text

Decision = Callable[[Passage, int, int], Claim | None]
"""Looks at the keyword between two positions and decides what it claims."""


def claims(passage: Passage) -> list[Claim]:
    """The claims at all keywords."""
    low = passage.low
    found = []
    for gate in [gate for gate in BY_GATE if gate in low]:
        for word, decide in BY_GATE[gate]:
            for at in last_occurrences(low, word, MAX_HITS):
                claim = decide(passage, at, at + len(word))
                if claim:
                    found.append(claim)
    return found


def stated_answer(passage: Passage, at: int, end: int) -> Claim | None:
    """ "Answer: C", "the answer is 42", "C is the answer"."""
    low = passage.low
    if low[end : end + 1].isalpha():
        if low[end] != "s":  # "answers" is a label too, "answered" is none
            return None
        end += 1
    before = meant_letter_before(passage, at, end)
    if before:
        return claim_before(passage, before, end, bool(before["deny"]))
    claim, settled = read_after(passage, at, end)
    return claim if settled or not is_meant(passage, at, end) else value_after(passage, end)


def called_correct(passage: Passage, at: int, end: int) -> Claim | None:
    """ "the correct one is C", "C is correct", "C is incorrect"."""
    low = passage.low
    if low[end : end + 1].isalpha():
        return None
    negated = at >= 2 and low.startswith("in", at - 2)
    wrong = negated or low.startswith("wrong", at)
    before = meant_letter_before(passage, at - 2 * negated, end)
    if before:
        return claim_before(passage, before, end, wrong or bool(before["deny"]))
    if wrong or not is_announced(passage, end):
        return None
    return claim_after(passage, at, end)


def chosen_option(passage: Passage, at: int, end: int) -> Claim | None:
    """ "Option C is correct", "Choice: C", "... so option C"; not "Option A gives 12"."""
    low = passage.low
    if low.endswith(("right ", "correct ", "best ", "only ", "final "), 0, at):
        before = meant_letter_before(passage, at, end)
        if before:
            return claim_before(passage, before, end, bool(before["deny"]))
    found = letter_after(passage, end + low.startswith("s", end)).match
    if not found or not _is_chosen(passage, at, end, found.end("letter")):
        return None
    return claim_after(passage, at, end)


def _is_chosen(passage: Passage, at: int, end: int, after: int) -> bool:
    """Whether the words around "option C" choose it; alone, they only speak about it."""
    if is_announced(passage, end):
        return True
    if statements.LOOKS_RIGHT.match(passage.low, after) or letters.DENIED_LATER.match(passage.low, after):
        return True
    before = passage.low[max(0, at - 45) : at]
    if passage.text[after : after + 1] != ":" and statements.LEADS_TO.search(before):
        return True
    return bool(statements.LINE_END.match(passage.text, after) and not statements.EXPLORES.search(before))


def chosen_by_verb(passage: Passage, at: int, end: int) -> Claim | None:
    """ "I choose C", "IMO C", "Ans. C"."""
    text, low = passage.text, passage.low
    inside_a_word = at and (text[at - 1].isalnum() or text[at - 1] == "'")
    if inside_a_word or low.startswith("answ", at):
        return None
    before = meant_letter_before(passage, at, end)
    if before:
        return claim_before(passage, before, end, bool(before["deny"]))
    stop = statements.VERB_ENDING.match(low, end).end()
    if low[stop : stop + 1].isalpha():
        return None
    claim, settled = read_after(passage, at, stop)
    # "wait, a train": after most of these words a lower-case letter is an article
    if claim and text[claim.start].islower() and not low.startswith(("ans", "cho", "pick", "sel"), at):
        return None
    return value_after(passage, stop) if not settled and low.startswith("ans", at) else claim


def winner(passage: Passage, at: int, end: int) -> Claim | None:
    """ "B wins", "so C it is"."""
    match = statements.WINS.search(passage.text, max(0, at - 20), at)
    if not match or passage.low[end : end + 1].isalpha():
        return None
    goes_on = passage.text[end : end + 2].strip(" .!").isalnum()  # "it is 42"
    return None if goes_on else Claim(match.start("letter"), end, match["letter"])


def announced(passage: Passage, at: int, end: int) -> Claim | None:
    """ "Final: C", "Verdict: C": words that are a label only with a colon."""
    return claim_after(passage, at, end) if is_announced(passage, end) else None


DECISIONS: dict[Decision, tuple[str, ...]] = {
    stated_answer: ("answer",),
    called_correct: ("correct", "wrong"),
    chosen_option: ("option", "choice", "alternative", "letter"),
    chosen_by_verb: (
        *("ans", "imo", "choos", "chose", "pick", "select"),
        *("go with", "going with", "leaving", "leaves", "making"),
        # words of correction, after which the letter stands at once: "wait, C"
        *("meant", "make that", "scratch that", "correction", "sorry", "actually", "wait"),
        *("stays", "remains", "stick"),
    ),
    winner: ("wins", "it is"),
    announced: ("final", "verdict", "conclusion", "solution", "result", "response"),
}
# What several keywords share is looked for first: one search instead of up to six.
SHARED = ("ans", "ct", "cho", "final", "with", "leav", "mak")


def _by_gate(decisions: dict[Decision, tuple[str, ...]]) -> dict[str, list[tuple[str, Decision]]]:
    """Text to look for first -> the keywords that hold it, with what is decided there."""
    gates: dict[str, list[tuple[str, Decision]]] = {}
    for decide, words in decisions.items():
        for word in words:
            gate = next((part for part in SHARED if part in word), word)
            gates.setdefault(gate, []).append((word, decide))
    return gates


BY_GATE = _by_gate(DECISIONS)
