"""Facts of Dakota (Santee) morphology as S. R. Riggs's grammar states them, with the page of each.

Pages are the printed pages of the grammar, as the published tasks made from it name them (rule ``grammar_p20_r4`` is
p. 20, page 48 of the scan); every form below that is not formed by a stated rule is attested there. Spelling: š ž ǧ ŋ
ć ḣ ḳ ṫ, no accents, which the sources set inconsistently. Forms that the sources give in contradictory or damaged
spellings are left out, and so is every cell of a paradigm that no stated rule covers.

What this is not: reviewed by speakers, complete, or how Dakota is spoken and written today. It is an exercise from a
historical book.
"""

from dataclasses import dataclass
from typing import Literal

PERSONS = ("1s", "2s", "3s", "1d", "1p", "2p", "3p")
PRONOUNS = {"1s": "I", "2s": "you (one)", "3s": "he", "1d": "we two", "1p": "we", "2p": "you (all)", "3p": "they"}
PLURAL = frozenset({"1p", "2p", "3p"})


@dataclass(frozen=True)
class Verb:
    """A verb, how its persons are formed, and where Riggs says so."""

    stem: str
    """With "|" where an inserted pronoun stands: "ma|noŋ"."""
    english: str
    """After "to"; or an adjective after "be "."""
    third: str
    """After "he"."""
    pronouns: Literal["wa-", "ma-", "md-", "listed"]
    """Subject pronouns wa-/ya-/uŋ- (p. 10), objective ma-/ni-/uŋ- (p. 11), y to md-/d- (p. 10), or forms as listed."""
    page: int
    future: Literal["e", "same", ""] = ""
    """What kta and šni do to the final vowel of an unsuffixed form (p. 6): a to e, or nothing.

    "" where neither is attested.
    """
    we: str = ""
    """The form of the first person dual where no rule gives it; "-" where it is not attested."""
    listed: tuple[str, ...] = ()
    """Forms in the order of ``PERSONS``."""


VERBS = (
    # First conjugation, pronouns prefixed: p. 20, 41.
    Verb("|kaška", "bind", "binds", "wa-", 20, "e"),
    Verb("|kaǧa", "make", "makes", "wa-", 10, "e"),
    Verb("|kaksa", "cut off with an axe", "cuts off with an axe", "wa-", 41, "e"),
    Verb("|kaštaŋ", "pour out", "pours out", "wa-", 41),
    Verb("|kute", "shoot", "shoots", "wa-", 6, "same"),
    # Pronouns inserted: after ba-, bo-, na- (p. 41), after the first syllable of verbs in m and n (p. 41).
    Verb("ma|noŋ", "steal", "steals", "wa-", 20, "same"),
    Verb("ma|ni", "walk", "walks", "wa-", 18, "same"),
    Verb("ba|ksa", "cut off with a knife", "cuts off with a knife", "wa-", 28),
    Verb("bo|ksa", "shoot off", "shoots off", "wa-", 28),
    Verb("na|ksa", "break off with the foot", "breaks off with the foot", "wa-", 28),
    Verb("na|žiŋ", "stand", "stands", "wa-", 19),
    Verb("wašte|daka", "love", "loves", "wa-", 42),
    # Second conjugation, y to md- and d-: p. 10, 21, 22.
    Verb("|yuštaŋ", "finish", "finishes", "md-", 21, we="uŋštaŋ"),
    Verb("|yaksa", "bite off", "bites off", "md-", 22, we="-"),
    Verb("i|yotaŋka", "sit down", "sits down", "md-", 22, we="uŋkiyotaŋka"),
    Verb("|yuksa", "break off with the hand", "breaks off with the hand", "md-", 28, we="-"),
    Verb("|yawa", "read", "reads", "md-", 10, "same", we="-"),
    Verb("|yuwašte", "make good", "makes good", "md-", 10, "same", we="-"),
    # Objective pronouns with neuter verbs and adjectives: p. 24, 25.
    Verb("|wašte", "be good", "is good", "ma-", 25, "same"),
    Verb("|ṫa", "die", "dies", "ma-", 24),
    Verb("a|sni", "get well", "gets well", "ma-", 25, "same", we="uŋkasni"),
    # Irregular, whole paradigms as they stand: p. 25 to 27.
    Verb("uŋ", "use", "uses", "listed", 25, listed=("muŋ", "nuŋ", "uŋ", "uŋkuŋ", "uŋkuŋpi", "nuŋpi", "uŋpi")),
    Verb(
        "owiŋža", "use for a bed", "uses for a bed", "listed", 26,
        listed=("omiŋža", "oniŋža", "owiŋža", "uŋkowiŋža", "uŋkowiŋžapi", "oniŋžapi", "owiŋžapi"),
    ),
    Verb(
        "iwaŋǧa", "inquire of", "inquires of", "listed", 26,
        listed=("imuŋǧa", "inuŋǧa", "iwaŋǧa", "uŋkiwaŋǧa", "uŋkiwaŋǧapi", "inuŋǧapi", "iwaŋǧapi"),
    ),
    Verb("eya", "say", "says", "listed", 27, listed=("epa", "eha", "eya", "uŋkeya", "uŋkeyapi", "ehapi", "eyapi")),
    Verb(
        "kiksuya", "remember", "remembers", "listed", 20,
        listed=("weksuya", "yeksuya", "kiksuya", "uŋkiksuya", "uŋkiksuyapi", "yeksuyapi", "kiksuyapi"),
    ),
)  # fmt: skip
# Stems whose forms are never trained on: some of each class, so that a class can be learned and then applied.
HELD_OUT_VERBS = frozenset(
    {"|kute", "|kaksa", "bo|ksa", "na|žiŋ", "ma|ni", "wašte|daka", "|yuksa", "|yawa", "a|sni", "|ṫa"}
)


@dataclass(frozen=True)
class Noun:
    """A noun and its possessed forms, a form and its English each."""

    noun: str
    english: str
    page: int
    forms: tuple[tuple[str, str, str], ...]
    """(prefix or suffix, form, English)."""


def _property(noun: str, english: str, page: int, stem: str = "") -> Noun:
    """mita-, nita-, ta- with things owned (p. 12); the final a of some nouns becomes e (p. 6)."""
    stem = stem or noun
    return Noun(
        noun,
        english,
        page,
        (
            ("mita-", f"mita{stem}", f"my {english}"),
            ("nita-", f"nita{stem}", f"your {english}"),
            ("ta-", f"ta{stem}", f"his {english}"),
        ),
    )


def _own(noun: str, english: str, page: int) -> Noun:
    """mi-, ni- with body and mind (p. 11)."""
    return Noun(noun, english, page, (("mi-", f"mi{noun}", f"my {english}"), ("ni-", f"ni{noun}", f"your {english}")))


def _kin(noun: str, english: str, page: int, suffix: str, whose: str) -> Noun:
    """-ku, after i and iŋ -tku, with relations (p. 12)."""
    return Noun(noun, english, page, ((f"-{suffix}", f"{noun}{suffix}", f"{whose} {english}"),))


NOUNS = (
    _property("šuŋka", "dog", 6, "šuŋke"),
    _property("koda", "friend", 12),
    _property("mazakaŋ", "gun", 44),
    _property("kićuwa", "comrade", 12),
    _own("taŋćaŋ", "body", 11),
    _own("naǧi", "soul", 11),
    _own("ćaŋte", "heart", 11),
    _own("nape", "hand", 11),
    _kin("suŋka", "younger brother", 12, "ku", "his"),
    _kin("taŋka", "younger sister", 12, "ku", "her"),
    _kin("hihna", "husband", 12, "ku", "her"),
    _kin("dekši", "uncle", 12, "tku", "his"),
    _kin("taŋkši", "younger sister", 12, "tku", "his"),
)
HELD_OUT_NOUNS = frozenset({"kićuwa", "mazakaŋ", "nape", "naǧi", "dekši", "taŋka"})

# (simple, doubled, English of the doubled form): which syllable doubles is a matter of the word (p. 16, 35, 53).
REDUPLICATED = (
    ("baksa", "baksaksa", "to cut off often with a knife", 16),
    ("boksa", "boksaksa", "to shoot off often", 29),
    ("naksa", "naksaksa", "to break off often with the foot", 29),
    ("yahtaka", "yahtahtaka", "to bite often", 53),
    ("ipsića", "ipsipsića", "to hop repeatedly", 53),
    ("ksapa", "ksaksapa", "wise (of several)", 35),
    ("wašte", "waštešte", "good (of several)", 35),
    ("sapa", "sapsapa", "black (of several)", 56),
    ("yamni", "yamnimni", "by threes", 37),
)

UNITS = ("waŋžidaŋ", "noŋpa", "yamni", "topa", "zaptaŋ", "šakpe", "šakowiŋ", "šahdoǧaŋ", "napćiŋwaŋka")  # p. 36
TEN, HUNDRED, MORE = "wikćemna", "opawiŋǧe", "saŋpa"  # p. 36


def number(value: int) -> str:
    """A number from 1 to 999 in words: tens and hundreds are multiplied by what follows, and joined by saŋpa (p. 36).

    >>> number(34), number(167)
    ('wikćemna yamni saŋpa topa', 'opawiŋǧe saŋpa wikćemna šakpe saŋpa šakowiŋ')

    Raises:
        ValueError: outside 1 to 999, and for 19, which Riggs forms in another way.
    """
    if not 1 <= value <= 999 or value % 100 == 19:
        raise ValueError(f"no number {value} here")
    hundreds, rest = divmod(value, 100)
    tens, units = divmod(rest, 10)
    parts = []
    for count, word in ((hundreds, HUNDRED), (tens, TEN)):
        if count:
            parts.append(word if count == 1 else f"{word} {UNITS[count - 1]}")
    if units:
        parts.append(UNITS[units - 1])
    return f" {MORE} ".join(parts)
