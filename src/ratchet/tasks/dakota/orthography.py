"""Dakota and English texts: one form for comparing, the special letters, and which of the two languages a text has.

The letters are those of Riggs's grammar and of the several ways in which it was typed in later (ś, ṡ and š are one
letter of three typists). Nothing is mapped from one to the other unless ``orthography="modern"`` asks for it.
"""

import re
import unicodedata
from collections import Counter
from functools import lru_cache
from typing import Literal

Orthography = Literal["riggs", "modern"]

# Riggs's letters and typists' stand-ins -> the letters of today's spelling; accented vowels keep their accent.
_MODERN = {
    **dict.fromkeys("ćċçĉ", "č"),
    **dict.fromkeys("śṡşșŝ", "š"),
    **dict.fromkeys("źżẓ", "ž"),
    **dict.fromkeys("ġğǵĝ", "ǧ"),
    **dict.fromkeys("ḣḥĥ", "ȟ"),
    **dict.fromkeys("ṇńñƞņ", "ŋ"),
    **dict.fromkeys("ķḱ", "ḳ"),
    **dict.fromkeys("ṗ", "p̣"),
    **dict.fromkeys("ṫțţ", "ṭ"),
}
_TO_MODERN = str.maketrans(_MODERN)
_QUOTES = str.maketrans(
    {"’": "'", "‘": "'", "ʼ": "'", "`": "'", "“": '"', "”": '"', "–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-"}
)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_EDGES = " \t\n\r.!?;:,"


@lru_cache(maxsize=65_536)
def normalise(text: str, orthography: Orthography = "riggs") -> str:
    """NFC, lower case, one space between words, plain quotes and hyphens, no punctuation at the ends.

    >>> normalise(" Wićáśta  kiŋ. "), normalise("wic\u0301a\u0301s\u0301ta kiŋ") == normalise("wićáśta kiŋ")
    ('wićáśta kiŋ', True)
    >>> normalise("wićaśta", "modern")
    'wičašta'
    """
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", text)).casefold().translate(_QUOTES)
    text = " ".join(text.split()).strip(_EDGES)
    return text.translate(_TO_MODERN) if orthography == "modern" else text


def skeleton(text: str) -> str:
    """The bare letters, without case, marks, accents, hyphens and blanks, to find rows that are one row typed twice.

    >>> skeleton("Wićá-śta") == skeleton("wicašta")
    True
    """
    text = unicodedata.normalize("NFD", text).replace("ŋ", "n").replace("ƞ", "n")
    return "".join(c for c in text.casefold() if c.isalnum())


def special_letters(text: str) -> Counter:
    """Every letter outside ASCII with the letter before it, counted: ŋ after u is another thing than ŋ alone.

    >>> sorted(special_letters("suŋkaśa"))
    ['aś', 'uŋ']
    """
    found: Counter = Counter()
    for before, letter in zip("^" + text, text, strict=False):
        if not letter.isascii() and letter.isalpha():
            found[before + letter] += 1
    return found


_DAKOTA = re.compile(r"[ŋćčċśšṡźžżṇńǧġğǵḣȟḥḳķḱṗṭṫțọųą]|[áéíóú]")
# Letters and pairs of letters that Dakota words are not written with.
_ENGLISH = re.compile(r"[fqrvx]|th|ch|sh|ou|ck|ll|ss|tt|gh|[bdg]e?d\b|ing\b|ly\b|c(?![\u0300-\u036f])|j|l")
_ENGLISH_WORDS = frozenset(
    """
    a am an and any are as ask at away axe back bad be beat bed been before behind being below bind bite black
    body book boy bread break but buy by came can child come comes cow cry cut day days did die do does dog done
    down eat end enemy every father fat feet field for from gave get give given go god goes going gone good had
    hand has have he head hear heart her here him himself his home house how i if in into is it its itself kind
    knife know last lie life like little live long love made make makes man many me mean men mine money more
    mother my near night no not now of off often old on once one only or our out over own people put said same
    say says see she sit so some son speak stand stay stone sun sweet swift take tell ten than that the thee
    their them then there these they thine thing things this thou those thy time to town two under up us use
    used walk want was water way we went were what when where which who whose wife will with woman women wood
    word work would write year yes you young your younger yourself plain happy haste hit mud dies bend beg beast
    pig pen tie mad sad kind tidy mend madden meat nine six swim dig
    """.split()
)
_BOTH = frozenset("he do a en i u o on to in me we ate no um tin mini man maya de ye un om hiya pa is ta".split())
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


def words_of_each(text: str) -> tuple[int, int]:
    """How many words can only be Dakota, and how many only English; words that could be both count for neither."""
    dakota = english = 0
    for word in _WORD.findall(normalise(text)):
        if _DAKOTA.search(word):
            dakota += 1
        elif word not in _BOTH and (word in _ENGLISH_WORDS or _ENGLISH.search(word)):
            english += 1
    return dakota, english


def language(text: str) -> Literal["dakota", "english", "mixed", "unknown"]:
    """The language of a text, by its letters and by common English words.

    >>> language("wićaśta kiŋ hipi"), language("the men came"), language("wimaćaśta (I am a man)"), language("mani")
    ('dakota', 'english', 'mixed', 'unknown')
    """
    dakota, english = words_of_each(text)
    if not dakota + english:
        return "unknown"
    share = english / (dakota + english)
    if share > 0.8:
        return "english"
    return "dakota" if share < 0.2 else "mixed"


_STOP = frozenset(
    """
    a an the of to in on at by for with from and or but as is are was were be been being am do does did has have
    had would shall should may might can could it its this that these those it's one some any there very
    """.split()
)


@lru_cache(maxsize=65_536)
def content_words(text: str) -> tuple[str, ...]:
    """The words of an English text that carry its sense, lightly stemmed; all of them where none does.

    Pronouns are among them: who does a thing, and to whom, is what Dakota morphology says.

    >>> content_words("he walks slowly"), content_words("in the")
    (('he', 'walk', 'slowly'), ('in', 'the'))
    """
    words = _WORD.findall(normalise(text))
    return tuple(_stem(word) for word in words if word not in _STOP) or tuple(words)


def _stem(word: str) -> str:
    for ending in ("ing", "est", "eth", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def token_f1(answer: str, gold: str) -> float:
    """Harmonic mean of precision and recall over content words, as multisets (SQuAD's F1, Rajpurkar et al., 2016).

    >>> token_f1("a man walked", "the man walks"), token_f1("", "the man walks")
    (1.0, 0.0)
    """
    said, wanted = Counter(content_words(answer)), Counter(content_words(gold))
    shared = (said & wanted).total()
    return 2 * shared / (said.total() + wanted.total()) if shared else 0.0
