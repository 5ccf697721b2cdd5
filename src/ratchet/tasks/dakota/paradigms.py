"""Dakota exercises made from the facts in ``facts``: a data source that needs no download.

Verbs in seven persons, present and future, affirmed and denied; possessed nouns; doubled stems; numbers to 999. Stems
(and numbers) that are held out are never trained on:

>>> train, held_out = exercises("train"), exercises("test")
>>> {row["stem"] for row in train} & {row["stem"] for row in held_out}
set()
"""

import random
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from ratchet.errors import UserError
from ratchet.tasks.base import Row
from ratchet.tasks.dakota import facts
from ratchet.tasks.dakota.facts import Verb

FAMILIES = ("verbs", "nouns", "doubled", "numbers")
# What person marking does to a verb in y (p. 10), and the pronouns of verbs that do something and that are something.
_Y = {"1s": "md", "2s": "d", "2p": "d"}
_SUBJECT = {"1s": "wa", "2s": "ya", "3s": "", "1d": "uŋ", "1p": "uŋ", "2p": "ya", "3p": ""}
_OBJECT = {**_SUBJECT, "1s": "ma", "2s": "ni", "2p": "ni"}


def conjugated(verb: Verb, person: str, future: bool = False, denied: bool = False) -> str | None:
    """A form of a verb, or None where neither an attestation nor a stated rule gives it.

    >>> kaška, manoŋ = facts.VERBS[0], facts.VERBS[5]
    >>> conjugated(kaška, "1p"), conjugated(manoŋ, "1s"), conjugated(kaška, "1s", future=True, denied=True)
    ('uŋkaškapi', 'mawanoŋ', 'wakaške kte šni')
    """
    plain = _plain(verb, person)
    if plain is None or not (future or denied):
        return plain
    if person not in facts.PLURAL:
        if not verb.future or verb.pronouns == "listed":
            return None
        plain = plain[:-1] + "e" if verb.future == "e" else plain
    if future and denied:
        return f"{plain} kte šni"  # kta becomes kte before šni
    return f"{plain} kta" if future else f"{plain} šni"


def _plain(verb: Verb, person: str) -> str | None:
    if verb.pronouns == "listed":
        return verb.listed[facts.PERSONS.index(person)]
    before, after = verb.stem.split("|")
    if person in ("1d", "1p") and verb.we:
        form = None if verb.we == "-" else verb.we
    elif verb.pronouns == "md-" and person in _Y:
        form = before + _Y[person] + after[1:]
    else:
        form = before + ({"wa-": _SUBJECT, "ma-": _OBJECT}.get(verb.pronouns, {}).get(person, "")) + after
    return form and form + ("pi" if person in facts.PLURAL else "")


def english(verb: Verb, person: str, future: bool = False, denied: bool = False) -> str:
    """The English of a form.

    >>> english(facts.VERBS[0], "3s"), english(facts.VERBS[0], "2p", denied=True)
    ('he binds', 'you (all) do not bind')
    """
    subject, adjective = facts.PRONOUNS[person], verb.english.startswith("be ")
    if future:
        return f"{subject} will {'not ' * denied}{verb.english}"
    if adjective:
        be = {"1s": "am", "3s": "is"}.get(person, "are")
        return f"{subject} {be} {'not ' * denied}{verb.english[3:]}"
    if denied:
        return f"{subject} {'does' if person == '3s' else 'do'} not {verb.english}"
    return f"{subject} {verb.third if person == '3s' else verb.english}"


def _row(
    kind: str,
    stem: str,
    question: str,
    form: str,
    answers: list[str],
    language: str,
    difficulty: str,
    page: int,
    **more: object,
) -> Row:
    return {
        "kind": kind,
        "question": question,
        "form": form,
        "answers": answers,
        "language": language,
        "affixes": list(more.get("affixes", ())),
        "difficulty": difficulty,
        "rule": f"riggs_p{page}",
        "page": page,
        "checkable": True,
        "why_unchecked": "",
        "stem": stem,
    }


def _verb_rows() -> Iterator[Row]:
    pronouns = ", ".join(facts.PRONOUNS.values())
    for verb in facts.VERBS:
        stem = verb.stem.replace("|", "")
        for person in facts.PERSONS:
            for future, denied in ((False, False), (True, False), (False, True), (True, True)):
                form = conjugated(verb, person, future, denied)
                if form is None:
                    continue
                meaning = english(verb, person, future, denied)
                level = ("easy", "medium", "hard")[future + denied]
                head = f"Dakota verb: {stem}, to {verb.english}."
                if form != stem:
                    asked = f"{head}\n\nWrite in Dakota: {meaning}"
                    yield _row("reverse_translation", verb.stem, asked, meaning, [form], "dakota", level, verb.page)
                asked = f"{head}\n\nWhat does this form mean in English? Say who with one of: {pronouns}.\n\n{form}"
                yield _row("word_translation", verb.stem, asked, form, [meaning], "english", level, verb.page)
        yield from _affix_rows(verb, stem)


def _affix_rows(verb: Verb, stem: str) -> Iterator[Row]:
    if verb.pronouns not in ("wa-", "ma-"):
        return
    pronouns = _SUBJECT if verb.pronouns == "wa-" else _OBJECT
    for person in ("1s", "2s", "2p", "3p") if verb.we else ("1s", "2s", "1d", "1p", "2p", "3p"):
        prefixed = verb.stem.startswith("|")
        affixes = []
        if pronouns[person]:
            affixes.append(f"{pronouns[person]}-" if prefixed else f"-{pronouns[person]}-")
        if person in facts.PLURAL:
            affixes.append("-pi")
        asked = (
            "Insert the Dakota affixes of a person into the verb and write the complete form.\n\n"
            f"Verb: {stem}, to {verb.english}\nPerson: {facts.PRONOUNS[person]}"
        )
        form = _plain(verb, person)
        yield _row("affix_insertion", verb.stem, asked, stem, [form], "dakota", "easy", verb.page, affixes=affixes)


def _noun_rows() -> Iterator[Row]:
    for noun in facts.NOUNS:
        head = f"Dakota noun: {noun.noun}, {noun.english}."
        for affix, form, meaning in noun.forms:
            asked = f"{head}\n\nWrite in Dakota: {meaning}"
            yield _row(
                "reverse_translation", noun.noun, asked, meaning, [form], "dakota", "easy", noun.page, affixes=[affix]
            )
            asked = (
                f"{head}\n\nWhat does this form mean in English? Say whose with one of: my, your, his, her.\n\n{form}"
            )
            yield _row("word_translation", noun.noun, asked, form, [meaning], "english", "easy", noun.page)


def _doubled_rows() -> Iterator[Row]:
    for simple, doubled, meaning, page in facts.REDUPLICATED:
        asked = f"Double a syllable of the Dakota word {simple} so that it means: {meaning}"
        yield _row("morphology", f"doubled {simple}", asked, simple, [doubled], "dakota", "medium", page)


def _number_rows() -> Iterator[Row]:
    for value in range(11, 1000):
        if value % 100 == 19:  # which ``facts.number`` does not know
            continue
        words = facts.number(value)
        level = "easy" if value < 100 else "medium"
        yield _row(
            "reverse_translation",
            str(value),
            f"Write this number in Dakota words: {value}",
            str(value),
            [words],
            "dakota",
            level,
            36,
        )
        asked = f"Write this Dakota number in figures:\n\n{words}"
        yield _row("word_translation", str(value), asked, words, [str(value)], "english", level, 36)


_MAKERS = {"verbs": _verb_rows, "nouns": _noun_rows, "doubled": _doubled_rows, "numbers": _number_rows}


def held_out(stem: str) -> bool:
    """Whether exercises about a stem or a number are never trained on.

    >>> held_out("bo|ksa"), held_out("ba|ksa")
    (True, False)
    """
    if stem in facts.HELD_OUT_VERBS or stem in facts.HELD_OUT_NOUNS:
        return True
    return stem.isdecimal() and zlib.crc32(f"number {stem}".encode()) % 5 == 0


@lru_cache(maxsize=8)
def _all(families: tuple[str, ...]) -> tuple[Row, ...]:
    rows = [{"id": f"{family}-{i}", **row} for family in families for i, row in enumerate(_MAKERS[family]())]
    answers = defaultdict(dict)  # (stem, language of the answer) -> its answers, in order
    for row in rows:
        answers[row["stem"], row["language"]][row["answers"][0]] = None
    return tuple({**row, "rivals": _others(answers[row["stem"], row["language"]], row["answers"])} for row in rows)


def _others(forms: Iterable[str], answers: Sequence[str]) -> list[str]:
    """The other forms of a stem: what is as near to the answer as one of them is not nearly right."""
    return [form for form in forms if form not in answers]


_PLAIN = str.maketrans("ŋšćžǧḣḳṫ", "nsczghkt")


def typed_carelessly(text: str) -> str:
    """A text without its special letters, as a keyboard or a scanner that lacks them leaves it.

    >>> typed_carelessly("wakaške kte šni")
    'wakaske kte sni'
    """
    return text.translate(_PLAIN)


def exercises(split: str, families: Sequence[str] = FAMILIES, seed: int = 0, careless_share: float = 0.0) -> list[Row]:
    """All exercises of a split, in an order drawn with ``seed``.

    Validation and test share the held-out stems, and no row.

    Args:
        careless_share: share of the training rows whose target is typed without special letters (column ``typed``);
            the accepted answers stay right.

    Raises:
        UserError: for an unknown split or family.
    """
    unknown = [name for name in families if name not in FAMILIES]
    if unknown or not families:
        raise UserError(
            f"data.generated.families: unknown {unknown or 'and empty'}; choose from {', '.join(FAMILIES)}"
        )
    if split not in ("train", "validation", "test"):
        raise UserError(f"unknown split {split!r} of the generated exercises; use train, validation or test")
    rows = [row for row in _all(tuple(families)) if held_out(row["stem"]) == (split != "train")]
    if split != "train":
        rows = [row for row in rows if zlib.crc32(row["id"].encode()) % 2 == (split == "test")]
    rows = [
        {**row, "answers": list(row["answers"]), "affixes": list(row["affixes"]), "rivals": list(row["rivals"])}
        for row in rows
    ]
    rng = random.Random(f"{split}-{seed}")
    rng.shuffle(rows)
    for row in rows:
        careless = split == "train" and row["language"] == "dakota" and rng.random() < careless_share
        row["typed"] = typed_carelessly(row["answers"][0]) if careless else row["answers"][0]
    return rows
