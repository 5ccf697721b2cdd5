r"""Where a completion says something about its answer: ``Reader`` collects the claims that ``answers`` then weighs."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ratchet.tasks.answers import choice_patterns as p
from ratchet.tasks.answers.option_values import is_own_value, matching_option

MAX_HITS = 8  # keywords read per kind, the last ones of the text
FOREIGN_REACH = 300  # labels of other languages are looked for in this many last characters


class Claim(NamedTuple):
    """One place where the text says something about the answer."""

    start: int
    end: int
    letters: str  # one letter, or several where the text hedges between them
    denied: bool = False


class Reader:
    """One stretch of text and the options it answers to.

    Args:
        text: already in plain letters (see ``answers``).
        options: the row's options, labelled or not.
        opens: whether the stretch begins where the completion does, so that its first line may be the answer.
    """

    def __init__(self, text: str, options: Sequence[str], opens: bool = True):
        self.text, self.options, self.opens = text, options, opens
        low = text.lower()
        if len(low) != len(text):  # a few characters lower to two; positions must stay
            low = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
        self.low = low

    def claims(self) -> list[Claim]:
        """All claims in their order."""
        return sorted([*self._at_keywords(), *self._foreign(), *self._ticks(), *self._lines()])

    def _at_keywords(self) -> Iterator[Claim]:
        low, rfind = self.low, self.low.rfind
        for gate in [gate for gate in GATES if gate in low]:
            for word, handler in GATES[gate]:
                at, hits = rfind(word), 0
                while at >= 0 and hits < MAX_HITS:
                    claim = handler(self, at, at + len(word))
                    if claim:
                        yield claim
                    at, hits = rfind(word, 0, at), hits + 1

    # Handlers: each looks at one keyword, from `at` to `end`.

    def after_answer(self, at: int, end: int) -> Claim | None:
        """ "Answer: C", "the answer is 42", "C is the answer"."""
        if self.low[end : end + 1].isalpha():
            if self.low[end] != "s":
                return None
            end += 1
        before = self._before(at)
        if before and self._is_meant(before.start("letter"), end):
            return self._stated_before(before, end, bool(before["deny"]))
        claim, tried = self._forward(at, end)
        return claim if tried or not self._is_meant(at, end) else self._value(end)

    def after_correct(self, at: int, end: int) -> Claim | None:
        """ "the correct one is C", "C is correct", "C is incorrect"."""
        if self.low[end : end + 1].isalpha():
            return None
        negated = at >= 2 and self.low.startswith("in", at - 2)
        wrong = negated or self.low.startswith("wrong", at)
        before = self._before(at - 2 * negated)
        if before and self._is_meant(before.start("letter"), end):
            return self._stated_before(before, end, wrong or bool(before["deny"]))
        if wrong or not self._announced(end):
            return None
        return self._forward(at, end)[0]

    def after_option(self, at: int, end: int) -> Claim | None:
        """ "Option C is correct", "Choice: C", "... so option C"; not "Option A gives 12"."""
        chosen = (
            self._before(at) if self.low.endswith(("right ", "correct ", "best ", "only ", "final "), 0, at) else None
        )
        if chosen and self._is_meant(chosen.start("letter"), end):
            return self._stated_before(chosen, end, bool(chosen["deny"]))
        found, _ = self._letter(end + self.low.startswith("s", end))
        if not found:
            return None
        after = found.end("letter")
        before = self.low[max(0, at - 45) : at]
        meant = (
            self._announced(end)
            or p.LOOKS_RIGHT.match(self.low, after)
            or p.DENIED_LATER.match(self.low, after)
            or (self.text[after : after + 1] != ":" and p.LEADS_TO.search(before))
            or (p.LINE_END.match(self.text, after) and not p.EXPLORES.search(before))
        )
        return self._forward(at, end)[0] if meant else None

    def after_verb(self, at: int, end: int) -> Claim | None:
        """ "I choose C", "IMO C", "Ans. C"."""
        if (at and (self.text[at - 1].isalnum() or self.text[at - 1] == "'")) or self.low.startswith("answ", at):
            return None
        before = self._before(at)
        if before and self._is_meant(before.start("letter"), end):
            return self._stated_before(before, end, bool(before["deny"]))
        stop = p.VERB_ENDING.match(self.low, end).end()
        if self.low[stop : stop + 1].isalpha():
            return None
        claim, tried = self._forward(at, stop)
        if claim and self.text[claim.start].islower() and not self.low.startswith(("ans", "cho", "pick", "sel"), at):
            return None
        return self._value(stop) if not tried and self.low.startswith("ans", at) else claim

    def after_winner(self, at: int, end: int) -> Claim | None:
        """ "B wins", "so C it is"."""
        match = p.WINS.search(self.text, max(0, at - 20), at)
        ends = not self.low[end : end + 1].isalpha() and not self.text[end : end + 2].strip(" .!").isalnum()
        return Claim(match.start("letter"), end, match["letter"]) if match and ends else None

    def after_label(self, at: int, end: int) -> Claim | None:
        """ "Final: C", "Verdict: C": words that are a label only with a colon."""
        return self._forward(at, end)[0] if self._announced(end) else None

    def in_box(self, at: int, end: int) -> Claim | None:
        r"""``\boxed{C}``, ``\boxed{\text{(C) } 42}``, ``\boxed{42}``: braces balanced within 120 characters."""
        end += self.text.startswith(" {", end)
        if self.text[end : end + 1] != "{":
            return None
        depth, stop = 1, end + 1
        while depth and stop < min(len(self.text), end + 120):
            depth += {"{": 1, "}": -1}.get(self.text[stop], 0)
            stop += 1
        return self._content(end + 1, stop - (depth == 0), stop)

    def in_tag(self, at: int, end: int) -> Claim | None:
        """``<answer> C </answer>``, ``[answer]C[/answer]``; an empty tag says nothing."""
        opened = p.TAG_OPEN.match(self.low, end)
        if not opened:
            return None
        closed = p.TAG_CLOSE.search(self.text, opened.end(), opened.end() + 300)
        stop = closed.start() if closed else min(len(self.text), opened.end() + 300)
        return self._content(opened.end(), stop, stop)

    # What the handlers share.

    def _stated_before(self, match: re.Match, end: int, denied: bool) -> Claim:
        start = match.start("letter")
        listed = p.LISTED_BEFORE.search(self.text, max(0, start - 14), start)
        letters = match["letter"] + (listed["other"] if listed else "")
        return Claim(start, end, letters, denied=denied and not listed)

    def _letter(self, end: int) -> tuple[re.Match | None, bool]:
        """The letter after a label and what stands between, and whether that denies it."""
        start = p.BRIDGE.match(self.low, end).end()
        deny = p.DENY.match(self.low, start)
        start = deny.end() if deny else start
        glued = start > 0 and self.text[start - 1].isalnum()
        if glued:
            return None, bool(deny)
        return p.LETTER.match(self.text, start) or self._labelled(start), bool(deny)

    def _labelled(self, start: int) -> re.Match | None:
        """A letter that its own option's text follows: "B) once every 15 years", which could go on in no other way."""
        found = p.LABEL_THEN_TEXT.match(self.text, start)
        return found if found and is_own_value(found["text"], found["letter"], self.options) else None

    def _announced(self, end: int) -> bool:
        """Whether what stands between label and letter says "is" or has a colon."""
        bridge = self.low[end : p.BRIDGE.match(self.low, end).end()]
        return ":" in bridge or "=" in bridge or "is " in bridge or "→" in bridge

    def _forward(self, at: int, end: int) -> tuple[Claim | None, bool]:
        """The claim on the letter after a label, and whether there was a letter at all."""
        match, deny = self._letter(end)
        if not match:
            return None, deny
        start, stop, letter = match.start(), match.end("letter"), match["letter"]
        if letter.islower() and not self._stands_alone(start):
            return None, False
        letter = letter.upper()
        if not self._is_meant(at, stop) or self._opens_list(letter, stop) or self._is_variable(letter, stop):
            return None, True
        if deny:
            other = p.NOT_BUT.match(self.low, stop)
            claim = Claim(start, other.end(), other["letter"].upper()) if other else Claim(start, stop, letter, True)
            return claim, True
        if p.DENIED_LATER.match(self.low, stop):
            return Claim(start, stop, letter, denied=True), True
        return self._hedged(start, stop, letter), True

    def _hedged(self, start: int, stop: int, letters: str) -> Claim:
        hedge = p.HEDGE.match(self.text, stop)
        while hedge and len(letters) < 10:
            stop = hedge.end()
            if hedge["other"] not in letters:
                letters += hedge["other"]
            hedge = p.HEDGE.match(self.text, stop)
        tail = self.text[stop : stop + 70].partition("\n")[0]
        if p.ALSO.search(tail) and not p.NEGATES.search(tail):
            for other in p.OTHER_LETTERS.finditer(tail):
                letters, end = letters + other[1].replace(letters[0], ""), stop + other.end()
                return Claim(start, end, letters)
        return Claim(start, stop, letters)

    def _stands_alone(self, start: int) -> bool:
        """Whether a lower-case letter is a name: "(c)", "answer: c."; not the article in "the answer is a number"."""
        after = self.text[start + 1 : start + 4].lstrip("*_")
        if after[:1].isalnum() or (after[:1] == " " and after[1:2].isalpha()):
            return False
        spoken = self.text[max(0, start - 3) : start].lower().endswith(("is ", " be ", "as "))
        return not (spoken and self.text[start] in "ai")

    def _is_meant(self, label: int, after: int) -> bool:
        """Whether a claim is real: not part of an example, a condition, a question, or somebody else's words."""
        if label:
            window = self.low[max(0, label - 50) : label]
            window = window[max(window.rfind("\n"), window.rfind(". ")) + 1 :]
            if window.strip(" *_#>-") and p.UNREAL.search(window):
                return False
            if "would" in self.low[max(0, label - 8) : after] and p.IMAGINED.search(
                self.low, max(0, label - 90), after
            ):
                return False
        return not p.ASKED.match(self.text, after)

    def _opens_list(self, letter: str, stop: int) -> bool:
        following = p.NEXT_LABEL.match(self.text, stop)
        return bool(following) and ord(following["next"]) == ord(letter) + 1 and following.group()[0] != "."

    def _is_variable(self, letter: str, stop: int) -> bool:
        equals = p.EQUALS.match(self.text, stop)
        return bool(equals) and not is_own_value(equals["value"], letter, self.options)

    def _before(self, at: int) -> re.Match | None:
        """ "C is the" directly before the keyword."""
        if at < 5 or not self.low.endswith(p.BEFORE_ENDS, max(0, at - 12), at):
            return None
        return p.BEFORE.search(self.text, max(0, at - 60), at)

    def _value(self, end: int) -> Claim | None:
        """The value of one option after a label: "The answer is 42"."""
        start = p.BRIDGE.match(self.low, end).end()
        start -= self.text[start - 1] in "-." and self.text[start : start + 1].isdigit()
        line = self.text[start : start + 90].partition("\n")[0]
        if not line or "?" in line:
            return None
        pieces = [line, self.text[end:start] + line]
        stop = p.VALUE_STOP.search(line)
        if stop and not p.VALUE_LIST.match(line, stop.start()):
            pieces.append(line[: stop.start()])
        for piece in pieces:
            letter = matching_option(piece, self.options)
            if letter:
                return Claim(start, start + len(piece), letter)
        return None

    def _content(self, start: int, stop: int, end: int) -> Claim | None:
        """What a box or a tag holds: a letter with or without its value, a hedge, or a value."""
        inner = self.text[start:stop]
        match = p.CONTENT.match(self.low[start:stop])
        if match and not match["deny"]:
            at = match.start("letter")
            letter, rest = inner[at].upper(), inner[at + 1 :]
            bare = rest.strip(" \n\t.)}]*_`$\"':;-,\\|>")
            if not bare or is_own_value(bare, letter, self.options):
                return Claim(start, end, letter)
            if p.ONLY_LETTERS.fullmatch(bare):
                return Claim(start, end, "".join(sorted({letter, *p.OTHER_LETTERS.findall(bare)})))
            if inner[at].isupper() and rest[0] in ").:]},*-–—" and not re.match(r"[-–—:*]\s*\w", rest):
                return Claim(start, end, letter)
        value = matching_option(inner, self.options)
        return Claim(start, end, value) if value else None

    # Claims that have no English label.

    def _foreign(self) -> Iterator[Claim]:
        offset = max(0, len(self.text) - FOREIGN_REACH)
        low = self.low[offset:]
        words = p.FOREIGN_ASCII if low.isascii() else p.FOREIGN_ANY
        for word in [word for word in words if word in low]:
            at, hits = low.rfind(word), 0
            while at >= 0 and hits < 6:
                claim = self._foreign_claim(offset + at, offset + at + len(word))
                if claim:
                    yield claim
                at, hits = low.rfind(word, 0, at), hits + 1

    def _foreign_claim(self, at: int, end: int) -> Claim | None:
        match = p.FOREIGN_LETTER.match(self.text, end)
        if match:
            letter, stop = match["letter"], match.end("letter")
            if self._opens_list(letter, stop) or p.ASKED.match(self.text, stop):
                return None
            said = self.low[end : stop - 1]
            if p.FOREIGN_UNREAL.search(said):
                return None
            if p.FOREIGN_DENY.search(said):
                return Claim(stop - 1, stop, letter, denied=True)
            return self._hedged(stop - 1, stop, letter)
        value = p.FOREIGN_VALUE.match(self.text, end)
        letter = value and matching_option(value["value"], self.options)
        return Claim(at, value.end(), letter) if letter else None

    def _ticks(self) -> Iterator[Claim]:
        if "[x]" not in self.low and (self.text.isascii() or not any(tick in self.text for tick in p.TICKS)):
            return
        for match in p.TICKED.finditer(self.text, max(0, len(self.text) - 2 * FOREIGN_REACH)):
            yield Claim(match.start(), match.end(), match[1] or match[2])

    def _lines(self) -> Iterator[Claim]:
        """Letters that stand alone in the first line or in the last lines."""
        if self.opens:
            yield from self._first_line()
        end, below = len(self.text), False
        for _ in range(8):
            stripped = self.text[max(0, end - 600) : end].rstrip()
            line = stripped[stripped.rfind("\n") + 1 :]
            start = max(0, end - 600) + len(stripped) - len(line)
            if not line or len(line) > (40 if below else 400):
                return
            if p.CROSSED.search(line):
                return
            if p.ALNUM.search(line):
                claim = self._last_line(start, line, below)
                if claim is None:
                    return
                yield claim
                below = True
            end = start

    def _last_line(self, start: int, line: str, below: bool) -> Claim | None:
        bare = p.BARE_LINE.fullmatch(line)
        if bare and (bare["letter"].isupper() or len(line.strip(" .()*[]`_\"'$")) == 1):
            return Claim(start + bare.start("letter"), start + len(line), bare["letter"].upper())
        if below:
            return None
        own = p.OWN_LINE.fullmatch(line)
        if own and own["letter"].isupper() and is_own_value(own["value"], own["letter"], self.options):
            above = self.text[:start].rstrip()
            listed = p.LABELLED.match(above, above.rfind("\n") + 1) or p.INLINE_LIST.search(own["value"])
            return None if listed else Claim(start, start + len(line), own["letter"])
        stated = p.VALUE_THEN_LETTER.search(line, max(0, len(line) - 40))
        if stated and is_own_value(stated["value"], stated["letter"], self.options):
            return Claim(start + stated.start("letter"), start + len(line), stated["letter"])
        tail = p.LINE_TAIL.search(line, max(0, len(line) - 40))
        if tail and self._concludes(line[: tail.start("letter")]):
            return Claim(start + tail.start("letter"), start + len(line), tail["letter"])
        return None

    def _concludes(self, before: str) -> bool:
        """Whether a letter that closes a line is an answer: the line calculates or concludes, and names no other."""
        if p.UNDECIDED.search(before):
            return False
        if p.CONCLUDES.search(before):
            return True
        if p.EXPLORES.search(before.lower().rstrip(" (*[")):
            return False
        return any(c.isdigit() for c in before) and not p.OTHER_LETTERS.search(before)

    def _first_line(self) -> Iterator[Claim]:
        match = p.FIRST_LINE.match(self.text)
        if match:
            following = self.text[match.end() : match.end() + 200].lstrip()
            if not p.LABELLED.match(following):
                yield Claim(match.start("letter"), match.end("letter"), match["letter"])
            return
        match = p.FIRST_OWN.match(self.text)
        if (
            match
            and is_own_value(match["value"], match["letter"], self.options)
            and not p.LABELLED.match(self.text, match.end())
            and not p.INLINE_LIST.search(match["value"])
        ):
            yield Claim(match.start("letter"), match.end("letter"), match["letter"])


_HANDLERS: tuple[tuple[Callable[[Reader, int, int], Claim | None], tuple[str, ...]], ...] = (
    (Reader.after_answer, ("answer",)),
    (Reader.after_correct, ("correct", "wrong")),
    (Reader.after_option, ("option", "choice", "alternative", "letter")),
    (Reader.in_box, ("boxed", "fbox", "framebox")),
    (Reader.in_tag, ("<answer", "<final", "<choice", "[answer")),
    (
        Reader.after_verb,
        ("ans", "imo", "choos", "chose", "pick", "select", "go with", "going with", "leaving", "leaves", "making"),
    ),
    (
        Reader.after_verb,
        ("meant", "make that", "scratch that", "correction", "sorry", "actually", "wait", "stays", "remains", "stick"),
    ),
    (Reader.after_winner, ("wins", "it is")),
    (Reader.after_label, ("final", "verdict", "conclusion", "solution", "result", "response")),
)
# What several keywords share is looked for first: one search instead of up to six.
_SHARED = ("ans", "correct", "cho", "box", "final", "with", "leav", "mak")
GATES: dict[str, list[tuple[str, Callable[[Reader, int, int], Claim | None]]]] = {}
for _handler, _words in _HANDLERS:
    for _word in _words:
        GATES.setdefault(next((part for part in _SHARED if part in _word), _word), []).append((_word, _handler))
