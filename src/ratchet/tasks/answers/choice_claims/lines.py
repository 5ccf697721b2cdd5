"""Claims by lines that are an answer themselves: a letter alone in the first line, or in the last lines."""

from ratchet.tasks.answers.choice_claims.claim import Claim, Passage
from ratchet.tasks.answers.option_values import is_own_value
from ratchet.tasks.answers.vocabulary import letters, lines
from ratchet.tasks.answers.vocabulary.statements import EXPLORES

LAST_LINES = 8  # lines read, from the end
LONGEST_LINE = 400  # characters that the last line may have
LONGEST_ABOVE = 40  # ... and a line above one that is an answer
TAIL = 40  # characters at the end of a line in which a closing letter stands


def claims(passage: Passage) -> list[Claim]:
    """The claims of the first line, where the passage opens the text, and of the last lines."""
    found = _last_lines(passage)
    first = _first_line(passage) if passage.opens else None
    return [first, *found] if first else found


def _first_line(passage: Passage) -> Claim | None:
    text = passage.text
    match = lines.FIRST_LINE.match(text)
    if match:
        following = text[match.end() : match.end() + 200].lstrip()
        listed = lines.LABELLED.match(following)
    else:
        match = lines.FIRST_OWN.match(text)
        if not match or not is_own_value(match["value"], match["letter"], passage.options):
            return None
        listed = lines.LABELLED.match(text, match.end()) or lines.INLINE_LIST.search(match["value"])
    return None if listed else Claim(match.start("letter"), match.end("letter"), match["letter"])


def _last_lines(passage: Passage) -> list[Claim]:
    """A claim per line from the last one upwards, as long as each is an answer."""
    found: list[Claim] = []
    end = len(passage.text)
    for _ in range(LAST_LINES):
        stripped = passage.text[max(0, end - 600) : end].rstrip()
        line = stripped[stripped.rfind("\n") + 1 :]
        start = max(0, end - 600) + len(stripped) - len(line)
        longest = LONGEST_ABOVE if found else LONGEST_LINE
        if not line or len(line) > longest or lines.CROSSED.search(line):
            break
        if lines.ALNUM.search(line):
            claim = _letter_alone(start, line)
            if claim is None and not found:
                claim = _closing_letter(passage, start, line)
            if claim is None:
                break
            found.append(claim)
        end = start
    return found


def _letter_alone(start: int, line: str) -> Claim | None:
    """ "C", "So (C)."; a lower-case letter only where nothing else stands on the line."""
    bare = lines.BARE_LINE.fullmatch(line)
    if bare and (bare["letter"].isupper() or len(line.strip(" .()*[]`_\"'$")) == 1):
        return Claim(start + bare.start("letter"), start + len(line), bare["letter"].upper())
    return None


def _closing_letter(passage: Passage, start: int, line: str) -> Claim | None:
    """ "C) 42", "12 - 5 = 7 C", "... hence C"."""
    end = start + len(line)
    own = lines.OWN_LINE.fullmatch(line)
    if own and own["letter"].isupper() and is_own_value(own["value"], own["letter"], passage.options):
        listed = _is_listed(passage.text[:start].rstrip(), own["value"])
        return None if listed else Claim(start, end, own["letter"])
    tail = max(0, len(line) - TAIL)
    stated = lines.VALUE_THEN_LETTER.search(line, tail)
    if stated and is_own_value(stated["value"], stated["letter"], passage.options):
        return Claim(start + stated.start("letter"), end, stated["letter"])
    closing = lines.LINE_TAIL.search(line, tail)
    if closing and _concludes(line[: closing.start("letter")]):
        return Claim(start + closing.start("letter"), end, closing["letter"])
    return None


def _is_listed(above: str, value: str) -> bool:
    """Whether a line with an option is one of a list of options."""
    return bool(lines.LABELLED.match(above, above.rfind("\n") + 1) or lines.INLINE_LIST.search(value))


def _concludes(before: str) -> bool:
    """Whether a letter that closes a line is an answer: the line calculates or concludes, and names no other."""
    if lines.UNDECIDED.search(before):
        return False
    if lines.CONCLUDES.search(before):
        return True
    if EXPLORES.search(before.lower().rstrip(" (*[")):
        return False
    return any(c.isdigit() for c in before) and not letters.OTHER_LETTERS.search(before)
