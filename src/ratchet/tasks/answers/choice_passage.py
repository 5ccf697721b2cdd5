r"""A stretch of a completion, prepared for reading: markup taken out in place, sentences, and where letters stand."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

from ratchet.tasks.answers.option_values import is_own_value, strip_label
from ratchet.tasks.answers.vocabulary.assertions import LETTER_A

BETWEEN_LABELS = 120  # characters from one label to the next in a line of options
MOST_MENTIONS = 40  # letters that are read, the last ones; a text with more of them is no answer
LONGEST_SENTENCE = 300  # characters of a sentence that are read on either side of a letter
NEARBY = 400  # ... from one option of a list to the next, each with what is said about it
OWN_TEXT = 120  # characters after a letter among which its option's text is looked for

_BLANKS = str.maketrans({**dict.fromkeys('*`$"“”«»|', " "), "’": "'", "‘": "'"})
_LATEX = re.compile(
    r"\\(?:text|textbf|textit|mathrm|mathbf|mathsf|mathit|bf|rm|boxed|fbox|framebox)\s{0,2}\{"
    r"|\\[()\[\],;:! ]|\\q?quad|\\(?P<arrow>Rightarrow|implies|therefore|to)\b|[{}]"
)
_HTML = re.compile(r"</?(?!answer|choice|final)[a-z][a-z0-9]{0,8}(?: [^>\n]{0,30})?/?>")

# Letters of alphabets in which a word would go on; not those of Chinese, Japanese or Korean.
_LETTERS = r"0-9A-Za-z_\u00c0-\u024f\u0370-\u03ff\u0400-\u052f"
# A letter that may name an option. Not in C(7,2), E[X], P(A), A's, C.P., B-52, A + B, B = 3.
_MENTION = re.compile(
    r"(?:(?P<upper>[A-J])"
    rf"(?<![{_LETTERS}'^\\].)(?<![A-Za-z]\(.)"
    r"|\((?P<lower>[a-j])(?=\s?\)))"
    rf"(?![{_LETTERS}^\[{{]|\((?=[\x00-\x7f])"
    r"|'(?!d[iıuü]r|y[iıea]\b|d[ea]n?\b)"  # Turkish "C'dir"
    r"|\s?[=+*<>]\s?[\w(]|\s?-\d|-\w|/(?![A-J]\b)\w|\.[A-Za-z])"
    r"|(?P<variable>[A-J])(?<=[\s(:=.].)(?=\s?=\s?[-$\d])"
)
# A full stop after a single letter ends a sentence only before a capital: "A. Smith", "C. Because".
_SENTENCE = re.compile(
    r"[.!?](?<!\bans.)(?<!\bAns.)"
    r"(?:(?<!\b[A-J].)(?<!\b[a-j]\).)[.!?]*(?=[\s)'\]]|\Z)|[.!?]*(?=\s+(?:[A-Z]|$)))"
    r"|[\n;。！？؟।]"
)
_LABEL = re.compile(r"\s?[).:\]]")
_BREAK = re.compile(r"[.;!?](?:\s|\Z)|\n")
_ALONE = re.compile(r"\s*(?:\Z|\n|[.,])")
_WORDS = re.compile(r"\w+")
_LISTING = frozenset(("", "option", "choice", "answer", "alternative", "statement", "letter"))


class Mention(NamedTuple):
    """A letter that may name an option."""

    at: int
    letter: str


class Span(NamedTuple):
    """A part of a text, from its first character to the one after its last."""

    start: int
    end: int


@lru_cache(maxsize=4096)
def option_texts(options: tuple[str, ...]) -> tuple[str, ...]:
    """The options' texts without their labels, lowered."""
    return tuple(strip_label(option).lower().strip(" .") for option in options)


@lru_cache(maxsize=4096)
def _with_letters(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The options that hold a single letter themselves: "Hepatitis A", "I only"."""
    return tuple(
        text for text in texts if len(text) > 1 and any(len(w) == 1 and w.isalpha() for w in _WORDS.findall(text))
    )


def _flat(text: str) -> str:
    """The text with blanks for markup, character for character: positions stay."""
    flat = text.translate(_BLANKS)
    if "\\" in flat:
        flat = _LATEX.sub(lambda m: ("=>" if m["arrow"] else "").rjust(len(m[0])), flat)
    if "<" in flat:
        flat = _HTML.sub(lambda m: " " * len(m[0]), flat)
    return flat.replace("__", "  ")


class Passage:
    """One stretch of text and the options it answers to.

    Args:
        text: already in plain letters (see ``markup.plain``).
        options: the row's options, labelled or not.
        opens: whether the stretch begins where the completion does, so that its first line may be the answer.

    Attributes:
        flat: the text without markup; low: that in lower case. Both keep all positions.
        texts: the options' texts, lowered.
        mentions: the letters that may name an option, in their order.
    """

    def __init__(self, text: str, options: Sequence[str], opens: bool = True):
        self.text, self.options, self.opens = text, options, opens
        self.flat = _flat(text)
        low = self.flat.lower()
        if len(low) != len(text):  # a few characters lower to two; positions must stay
            low = "".join(c.lower() if len(c.lower()) == 1 else c for c in self.flat)
        self.low = low
        self.texts = option_texts(tuple(map(str, options)))
        self.mentions = list(self._mentions())[-MOST_MENTIONS:]

    @cached_property
    def _ends(self) -> list[int]:
        return [match.end() for match in _SENTENCE.finditer(self.flat)]

    def sentence(self, at: int) -> Span:
        """The sentence around a position; of a long one, what is near."""
        i = bisect_right(self._ends, at)
        start = self._ends[i - 1] if i else 0
        end = self._ends[i] if i < len(self._ends) else len(self.text)
        return Span(max(start, at - LONGEST_SENTENCE), min(end, at + LONGEST_SENTENCE))

    def line(self, at: int) -> Span:
        """The line around a position."""
        end = self.flat.find("\n", at)
        return Span(self.flat.rfind("\n", 0, at) + 1, len(self.flat) if end < 0 else end)

    def asks(self, sentence: Span) -> bool:
        """Whether a sentence is a question."""
        return any(mark in self.flat[max(sentence.start, sentence.end - 2) : sentence.end] for mark in "?？؟")

    def _mentions(self) -> Iterator[Mention]:
        inside = list(self._within_options())
        for match in _MENTION.finditer(self.flat):
            at = match.end() - 1
            letter = self.flat[at].upper()
            if ord(letter) - 65 >= len(self.options) or any(span.start <= at < span.end for span in inside):
                continue
            if self._names_option(at, letter, bool(match["variable"])):
                yield Mention(at, letter)

    def _within_options(self) -> Iterator[Span]:
        """Where an option's own text is quoted that holds a letter."""
        for text in _with_letters(self.texts):
            at = self.low.find(text)
            while at >= 0:
                yield Span(at, at + len(text))
                at = self.low.find(text, at + 1)

    def _names_option(self, at: int, letter: str, variable: bool) -> bool:
        """Whether a letter is neither a variable, nor the article "a", nor the pronoun "I"."""
        after = self.flat[at + 1 : at + 4]
        if variable:
            value = self.flat[at : at + 40].partition("\n")[0].partition("=")[2]
            return is_own_value(value, letter, self.options)
        if letter == "A" and after[:1] == " " and after[1:2].isalpha():
            return bool(LETTER_A.match(self.low, at + 1)) or self.has_own_text(at, letter)
        if letter == "I":
            return after[:1] in ").:" or self.flat[max(0, at - 1) : at] in ("(", ":") or bool(_ALONE.match(after))
        return True

    def has_own_text(self, at: int, letter: str) -> bool:
        """Whether a letter is followed by the text of its option: "C) 42", "B) once every 15 years"."""
        rest = self.flat[at + 1 : at + 1 + OWN_TEXT].partition("\n")[0].strip(" )].:,=—–(")
        rest = rest[1:].lstrip() if rest.startswith("- ") else rest  # a dash, and no minus sign
        return bool(rest) and is_own_value(rest, letter, self.options)

    def begins(self, at: int) -> bool:
        """Whether a letter begins its sentence, as a label does: "C) ...", "Option C ...", "- **C** ..."."""
        return self.low[self.sentence(at).start : at].strip(" ([{_-#>'•·+0123456789.\t✅✓✔☑") in _LISTING

    def opens_list(self, mention: Mention, following: Mention | None) -> bool:
        """Whether a letter is a label in a line of options: "A) 7 B) 24"."""
        if following is None or ord(following.letter) != ord(mention.letter) + 1:
            return False
        labels = _LABEL.match(self.flat, mention.at + 1) and _LABEL.match(self.flat, following.at + 1)
        between = self.flat[mention.at + 1 : following.at]
        return bool(labels) and len(between) < BETWEEN_LABELS and not _BREAK.search(between)

    @cached_property
    def labels(self) -> list[Mention]:
        """The letters that begin a sentence."""
        return [mention for mention in self.mentions if self.begins(mention.at)]

    def _style(self, mention: Mention) -> str:
        """What follows a label: ")", ":" or the like."""
        return self.flat[mention.at + 1 : mention.at + 4].strip()[:1]

    def is_listed(self, mention: Mention) -> bool:
        """Whether a letter is one of several labels in order, each with words about it: a list claims nothing."""
        alike = [m for m in self.labels if self._style(m) == self._style(mention) or m == mention]
        here = alike.index(mention)
        before, after = alike[:here], alike[here + 1 :]
        if len(before) > 1 and before[-2].letter < before[-1].letter < mention.letter:
            return True
        near = [(m, -1) for m in before[-1:]] + [(m, 1) for m in after[:1]]
        return any(
            abs(m.at - mention.at) < NEARBY and 1 <= (ord(m.letter) - ord(mention.letter)) * sign <= 2
            for m, sign in near
        )
