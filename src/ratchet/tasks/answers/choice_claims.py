"""What each letter of a passage claims: asserted, denied, set beside another, or only spoken of."""

import re
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from ratchet.tasks.answers.choice_passage import Mention, Passage, Span
from ratchet.tasks.answers.vocabulary import assertions as says
from ratchet.tasks.answers.vocabulary import doubts, foreign
from ratchet.tasks.answers.vocabulary.withdrawals import CORRECTS_ELSEWHERE

BEFORE, AFTER = 90, 100  # characters of its sentence that are read before and after a letter
HEDGE_REST = 70  # characters after a letter within which a second one may be brought in
FOREIGN_BEFORE, FOREIGN_AFTER = 60, 44  # as above, where sentences are read by their labels alone
FOREIGN_GAP = 34  # characters between such a label and its letter
DENIED_LABEL = 20  # characters before a label's end in which it may be denied
POINTING = 250  # characters after an option within which "this is correct" judges it

_LABEL = re.compile(r"\s{0,3}[).:\]—–]|\s{1,3}-\s")
_NAMES_LETTERS = re.compile(r"\b[a-j]\b")
_SENTENCE_OF_ITS_OWN = re.compile(r"[).\] ]*(?:[A-Z\n]|\Z)")


class Rank(IntEnum):
    """How strongly something is said."""

    LEAD = 1
    """Words that lead to a letter: "so C", "I'd go with C"."""
    STATED = 2
    """"The answer is C", "C is correct", a line that is a letter."""
    MARKED = 3
    r"""``\\boxed{C}``, ``<answer>C</answer>``, a ticked line."""
    FORM = 4
    """"Answer: C": what prompts ask for."""


class Claim(NamedTuple):
    """One place where the text says something about the answer."""

    start: int
    end: int
    letters: str
    """One letter, or several where the text hedges between them."""
    rank: Rank
    denied: bool = False
    beside: bool = False
    """Whether the letter is offered beside the one that stands: "Also acceptable: C"."""


class Context(NamedTuple):
    """A letter, and what of its sentence is read."""

    mention: Mention
    before: Mention | None
    following: Mention | None
    span: Span
    """The sentence."""
    left: str
    right: str
    whole: str


def claims(passage: Passage) -> Iterator[Claim]:
    """The claims that letters make in their sentences."""
    letters = passage.mentions
    for i, mention in enumerate(letters):
        found = _context(passage, mention, letters[i - 1] if i else None, letters[i + 1] if letters[i + 1 :] else None)
        claim = _claim(passage, found)
        if claim:
            yield claim if claim.denied or claim.beside else _hedged(passage, claim)
    yield from _pointed_back(passage)


def _context(passage: Passage, mention: Mention, before: Mention | None, following: Mention | None) -> Context:
    low, at, span = passage.low, mention.at, passage.sentence(mention.at)
    left = low[max(span.start, at - BEFORE) : at]
    right = low[at + 1 : min(span.end, at + AFTER)]
    return Context(mention, before, following, span, left, right, low[span.start : span.end])


def _claim(passage: Passage, found: Context) -> Claim | None:
    at, letter = found.mention
    asked = passage.asks(found.span)
    if _is_beside(passage, found):
        return _made(found, Rank.FORM, beside=True)
    begins = max(0, passage.low.rfind("\n", 0, at), at - 70)
    opens_list = passage.opens_list(found.mention, found.following)
    if not asked and not opens_list and says.FORM.search(passage.low[begins:at]):
        return _made(found, Rank.FORM)
    if asked and says.AGREED.match(passage.low, found.span.end):  # "Is it C? Yes."
        return _made(found, Rank.STATED)
    label = says.LABELLED.search(found.left)
    if label:
        return _labelled(passage, found, label.start(), asked or opens_list)
    judged = _judged(passage, found, asked)
    if judged is not None:
        return judged or None
    claim = _foreign(passage, found)
    if claim:
        return claim
    if _is_denied(found, doubts.CLAUSE.split(found.left)[-1]):
        return _made(found, Rank.LEAD, denied=True)
    changed = says.CHANGED_TO.search(found.left) and not doubts.CONDITION.search(found.whole)
    if not changed and (asked or _is_unreal(found)):
        return None
    if letter != "I" and says.BARE_LABEL.search(found.left) and says.LINE_ENDS.match(found.right):
        return _made(found, Rank.STATED)
    if not opens_list and _is_led_to(passage, found):
        return _made(found, Rank.LEAD)
    return _first_word(passage, found)


def _made(found: Context, rank: Rank, denied: bool = False, beside: bool = False) -> Claim:
    return Claim(found.mention.at, found.mention.at + 1, found.mention.letter, rank, denied, beside)


def _is_beside(passage: Passage, found: Context) -> bool:
    """Whether the letter is offered as a second answer."""
    at = found.mention.at
    begins = max(0, passage.low.rfind("\n", 0, at), at - 50)
    if doubts.BESIDE_BEFORE.search(passage.low[begins:at]) or doubts.IF_WRONG.search(found.left):
        return True
    return found.before is not None and bool(doubts.BESIDE_AFTER.match(found.right))


def _labelled(passage: Passage, found: Context, label: int, spoken_of: bool) -> Claim | None:
    """ "The answer is C", "the answer is not C", "if the answer was C"."""
    wrong = doubts.WRONG.match(found.right) and doubts.PLAINLY_WRONG.match(found.right)
    if wrong or _is_denied(found, found.left[label:]):
        return _made(found, Rank.STATED, denied=True)
    if spoken_of or _is_unreal(found, label):
        return None
    closes = says.CLOSES.match(found.right) or says.RIGHT.match(found.right) or says.EXPLAINED.match(found.right)
    if closes or passage.has_own_text(*found.mention):
        return _made(found, Rank.STATED)
    return None


def _judged(passage: Passage, found: Context, asked: bool) -> Claim | bool | None:
    """ "C is correct", "C is too small"; False where a verdict is not meant, None where there is none."""
    wrong, right = doubts.WRONG.match(found.right), says.RIGHT.match(found.right)
    plainly = right and says.PLAINLY_RIGHT.search(right.group())
    if passage.has_own_text(*found.mention) and not passage.texts[ord(found.mention.letter) - 65][:1].isdigit():
        wrong = None  # "D) Cannot be determined" is no verdict on D
    if wrong and not (plainly and not doubts.NEGATED.search(wrong.group())):
        return _made(found, Rank.LEAD, denied=True)
    if not right:
        return None
    if _is_denied(found, doubts.CLAUSE.split(found.left)[-1]):
        return _made(found, Rank.LEAD, denied=True)
    supposed = asked or _is_unreal(found) or doubts.CONDITION_AFTER.match(found.right)
    if supposed or not says.PLAIN_BEFORE.search(found.left[-24:]):
        return False
    listed = passage.begins(found.mention.at) and passage.is_listed(found.mention)
    return _made(found, Rank.LEAD if listed else Rank.STATED)


def _is_denied(found: Context, clause: str) -> bool:
    denied = doubts.DENIED.search(clause) or doubts.ANY_OF.search(found.left)
    return bool(denied) and not doubts.NOT_BUT.search(found.left)


def _is_unreal(found: Context, label: int | None = None) -> bool:
    """Whether the clause supposes, reports, or speaks of something else than the answer.

    Args:
        label: where in ``left`` the label begins, before which the whole claim may be denied.
    """
    if doubts.MEANT_ANYWAY.search(found.whole):
        return False
    at = found.mention.at - found.span.start
    if doubts.SUPPOSED.search(doubts.OWN_CLAUSE.split(found.whole[:at])[-1]):
        return True
    if label is not None and doubts.SPOKEN_OF.search(found.whole[: max(0, at - len(found.left) + label)]):
        return True
    near = found.whole[max(0, at - 60) : at + 60]
    return bool(doubts.WOULD.search(near) and doubts.CONDITION.search(found.whole))


def _is_led_to(passage: Passage, found: Context) -> bool:
    """Whether words lead to the letter, which closes its clause."""
    if doubts.EXPLORES.search(found.left) or not found.left.strip():
        return False
    closes = says.CLOSES.match(found.right)
    if says.LEADS.search(found.left) and (closes or passage.has_own_text(*found.mention)):
        return True
    if says.NAMED.search(found.left) and says.ENDS.match(found.right):
        return True
    if closes and CORRECTS_ELSEWHERE.search(found.left):
        return True
    alone = not any(m and found.span.start <= m.at < found.span.end for m in (found.before, found.following))
    return alone and bool(says.IN_BRACKETS.search(found.left) and says.BRACKET_ENDS.match(found.right))


def _first_word(passage: Passage, found: Context) -> Claim | None:
    """A letter that is a line or a sentence of its own, or begins one, and is not one of a list."""
    at, letter = found.mention
    flat, line = passage.flat, passage.line(at)
    if not passage.begins(at) or passage.opens_list(found.mention, found.following) or flat[at].islower():
        return None
    if found.before and passage.opens_list(found.before, found.mention):
        return None
    if flat[line.start : line.end].strip(" ()[]{}.:_-#>'!,=\t✅✓✔☑").upper() == letter:
        return None if "[ ]" in flat[line.start : at] else _made(found, Rank.STATED)
    if passage.is_listed(found.mention) or passage.asks(found.span):
        return None
    first = passage.opens and not flat[: found.span.start].strip()
    own = passage.has_own_text(at, letter)
    if first and (says.AFTERTHOUGHT.match(found.right) or (own and found.right.startswith(", "))):
        return _made(found, Rank.STATED)
    if not _LABEL.match(flat, at + 1) or not (own or first or _SENTENCE_OF_ITS_OWN.match(flat, at + 1)):
        return None
    return _made(found, Rank.STATED if first else Rank.LEAD)


def _foreign(passage: Passage, found: Context) -> Claim | None:
    """A letter that closes its sentence after a label of another language, with nothing between that denies it."""
    at, letter = found.mention
    labels = foreign.ASCII_LABELS if found.whole.isascii() else foreign.ANY_LABEL
    left, right = found.left[-FOREIGN_BEFORE:], found.right[:FOREIGN_AFTER]
    label = max((left.rfind(word) + len(word) for word in labels if word in left), default=None)
    if label is None:
        return None
    between = found.before is not None and found.before.at >= at - len(left) + label
    if between and not foreign.BUT.search(passage.low[found.before.at : at]):
        return None
    begun = max((m.end() for m in foreign.CLAUSE.finditer(left, 0, label)), default=0)
    near = left[max(begun, label - DENIED_LABEL) :]
    if foreign.DENIES_LATER.search(right) or (foreign.DENIES.search(near) and not foreign.BUT.search(left)):
        return _made(found, Rank.STATED, denied=True)
    if passage.asks(found.span) or foreign.UNREAL.search(left[begun:]):
        return None
    if foreign.CONDITION.search(passage.low[max(found.span.start, at - 80) : at]):
        return None
    names = left[:label].endswith(foreign.OPTIONS)
    announced = ":" in left[label:]
    other = foreign.HEDGES.match(right)
    if other and other["other"].upper() != letter:
        both = letter + other["other"].upper()
        several = foreign.HEDGES.match(right, other.end()) is not None  # "Les réponses A, B et D ne conviennent pas"
        return None if (names or several) and not announced else Claim(at, at + 1 + other.end(), both, Rank.STATED)
    near_label = len(left) - label <= FOREIGN_GAP
    own = passage.has_own_text(at, letter)
    closes = announced or own or foreign.CLOSES.match(right) or (not names and foreign.EXPLAINS.match(right))
    if not (near_label and closes):
        return None
    begins = (
        not passage.low[max(0, passage.low.rfind("\n", 0, at)) : at - len(left) + label].strip(" \n*>#-").count(" ")
    )
    return _made(found, Rank.FORM if announced and begins else Rank.STATED)


def _hedged(passage: Passage, claim: Claim) -> Claim:
    """The claim with the letters that stand beside its own: "A or C", "A (or possibly C)"."""
    low, end, letters = passage.low, claim.end, claim.letters
    own = passage.texts[ord(letters) - 65] if len(letters) == 1 else ""
    if _NAMES_LETTERS.search(own) and low[end:].lstrip(" ,:)(").startswith(own):
        return claim  # "E, B and C" where that is what E says
    other = doubts.BESIDE.match(low, end)
    while other and _stands_beside(passage, end, other.start("other")):
        end, letter = other.end("other"), passage.flat[other.start("other")]
        letters += letter if letter not in letters else ""
        other = doubts.BESIDE.match(low, end)
    stop = min(passage.sentence(claim.end - 1).end, end + HEDGE_REST)
    rest = low[end:stop].partition("\n")[0]
    if doubts.ALSO.search(rest) and not doubts.NOT_ALSO.search(rest):
        beside = next((m for m in passage.mentions if end <= m.at < end + len(rest) and m.letter not in letters), None)
        if beside and not doubts.WRONG.match(low[beside.at + 1 : beside.at + 60]):
            letters += beside.letter
    return claim._replace(letters=letters, end=end)


def _stands_beside(passage: Passage, end: int, at: int) -> bool:
    """Whether the letter at ``at`` is offered with the one that ends at ``end``, and begins no new statement."""
    between, after = passage.low[end:at], passage.low[at + 1 : at + 60].partition("\n")[0]
    letter = passage.flat[at]
    if not letter.isupper() or ord(letter) - 65 >= len(passage.options) or not between.strip() or "\n" in between:
        return False
    if letter == "A" and after[:1] == " " and after[1:2].isalpha() and not says.LETTER_A.match(after):
        return False
    if letter == "I" and after[:1] == " ":
        return False
    if doubts.WRONG.match(after) and "or" not in between.split():
        return False
    starts = between.strip() in ".,;—–-:" and after[:1] == " " and after[1:2].isalpha()
    return not starts or after.split()[0] in ("is", "are", "too", "also", "works", "and", "or")


def _pointed_back(passage: Passage) -> Iterator[Claim]:
    """ "B) 3 + 4 = 7. This is correct."."""
    for match in says.POINTS_BACK.finditer(passage.low):
        prior = [m for m in passage.mentions if match.start() - POINTING < m.at < match.start()]
        if not prior or not passage.begins(prior[-1].at):
            continue
        if passage.sentence(prior[-1].at).end <= match.start():
            yield Claim(match.start(), match.end(), prior[-1].letter, Rank.LEAD)
