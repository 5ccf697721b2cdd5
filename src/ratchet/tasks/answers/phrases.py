r"""Patterns made of phrases: each phrase stands on a line of its own, where it can be read, blamed and tested.

>>> NEGATIONS = ("is not", "isn't")
>>> bool(compiled(r"\b", any_phrase(*NEGATIONS), r"\b").search("That is  not so"))
True
"""

import re

ON_A_LINE = r"[ \t]+"  # blanks that do not reach into the next line


def any_of(*alternatives: str) -> str:
    """A group of alternatives, tried in their order.

    >>> any_of("ab", "[cd]")
    '(?:ab|[cd])'
    """
    return "(?:" + "|".join(alternatives) + ")"


def any_phrase(*phrases: str, blank: str = r"\s+") -> str:
    r"""A group of phrases, each a small regular expression in which a space means any run of blanks.

    A space in brackets stays what it is.

    >>> any_phrase("the answer", "ans[ :]")
    '(?:the\\s+answer|ans[ :])'
    """
    return any_of(*(_UNIT.sub(lambda unit: blank if unit[0] == " " else unit[0], phrase) for phrase in phrases))


_UNIT = re.compile(r"\\.|\[(?:\\.|[^\]])*\]| ")  # an escape, a bracket, or a space


def compiled(*parts: str, ignore_case: bool = False, by_line: bool = False) -> re.Pattern[str]:
    """The pattern whose parts follow each other, one idea a part.

    Args:
        ignore_case: patterns for lowered text do without: literals are searched much faster so.
        by_line: whether ``^`` and ``$`` mean the ends of a line.
    """
    flags = (re.IGNORECASE if ignore_case else 0) | (re.MULTILINE if by_line else 0)
    return re.compile("".join(parts), flags)
