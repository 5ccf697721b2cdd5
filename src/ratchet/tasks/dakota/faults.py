"""What is wrong with a published Dakota row: its form, or what it asks and answers."""

import re
from collections.abc import Mapping
from typing import Any

from ratchet.tasks.answers.phrases import any_of, compiled
from ratchet.tasks.base import Row
from ratchet.tasks.dakota.conversion import CHECKABLE, FORMS, PARENTHESES, UNCHECKED, gives_away
from ratchet.tasks.dakota.orthography import language, normalise, skeleton

_PLACEHOLDER = compiled(
    any_of(
        r"\[[^\]\n]*(?:\]|$)",
        r"\bTO BE GENERATED\b",
        r"\b(?:TODO|TBD|FIXME|XXX|N/A)\b",
        r"<[a-z_ ]+>",
        r"^(?:none|null|nan|unknown|unclear|\?+|-+|\.+|_+)$",
    ),
    ignore_case=True,
)
_SEVERAL = re.compile(r"→|->|;|\s/\s|\betc\b|\s=\s|\b\d\.\s|\bor\b.*\bor\b|\bforms?:")
# A gold answer that speaks about the word, or answers a question, instead of translating.
_NO_TRANSLATION = compiled(
    any_of(
        r"^has the sound",
        r"^(?:the )?names? (?:for|of|given)\b",
        r"^commanding",
        r"^(?:expresses|indicates|denotes|marks|used (?:to|as|for|with))\b",
        r"\?\s+\S",
        r"\bi\.e\.",
        r"\b(?:prefix|suffix|affix|pronoun|particle|conjugation|plural form|singular form|verb stem)\b",
        r"\bthee? (?:me )?me-",
        r"^(?:the|thy|my|his)-",
        r"\b(?:I|he|thou|we|they)-(?:have|has|hast)\b",
        r"-ye$",
    ),
    ignore_case=True,
)
# What the published prompts say around their form.
_TEMPLATE = compiled(
    any_of(
        r"Translate this Dakota sentence to English:",
        r"Insert the Dakota affix\(es\) into the base form:",
        r"Show where each affix should be inserted and write the complete form\.",
    )
)
_COMMON = compiled(
    r"\b(?:the|a|an|to|he|she|it|they|we|you|thou|ye|is|are|am|of|and|by|not|my|thy|his)\b", ignore_case=True
)
_LIST = re.compile(r",|\bor\b|\band\b|\(|[;/→=]|\betc\b")
MOST_WORDS = 25  # words that an answer may have


def fault_of(published: Any) -> str | None:
    """What is wrong with the form of a published row, or None."""
    if isinstance(published, ValueError):
        return f"not a row: {published}"
    if not isinstance(published, Mapping):
        return "not a row: no object"
    info = published.get("info")
    if (
        not isinstance(published.get("prompt"), str)
        or not isinstance(published.get("answer"), str)
        or not isinstance(info, Mapping)
    ):
        return "not a row: prompt, answer and info are needed"
    if not published["prompt"].strip():
        return "empty prompt"
    if info.get("task_type") not in CHECKABLE and info.get("task_type") not in UNCHECKED:
        return f"unknown task_type {info.get('task_type')!r}"
    if _PLACEHOLDER.search(published["answer"]):
        return "placeholder instead of an answer"
    return None if published["answer"].strip() else "empty answer"


def unusable(published: Mapping[str, Any], row: Row) -> str | None:
    """Why a row in Ratchet's columns cannot be used, or None."""
    answer = row["answers"][0]
    if not row["checkable"]:
        return _unusable_unchecked(published, row)
    if "\n" in answer:
        return "answer of several lines"
    if re.search(r"[.:] [A-Z]", answer) or len(answer.split()) > MOST_WORDS:
        return f"answer of several sentences, or of more than {MOST_WORDS} words"
    if row["rule"].startswith("term_") and row["kind"] not in FORMS:
        return "answer is the definition of a grammatical term, not what is asked for"
    if _SEVERAL.search(answer) or (row["language"] == "dakota" and _LIST.search(answer)):
        return "several forms in one answer"
    if row["language"] == "english" and _NO_TRANSLATION.search(published["answer"]):
        return "answer is about the word, or words for words, instead of a translation"
    if not row["form"].strip():
        return "nothing to translate or transform"
    form = PARENTHESES.sub("", row["form"]) if row["language"] == "dakota" else row["form"]
    form = form.replace(",", " ") if row["kind"] == "sentence_translation" else form
    if _PLACEHOLDER.search(form) or _LIST.search(form):
        return "several forms, or a note, instead of one form"
    return _wrong_language(row, answer) or _contradictory_affixes(published, row) or _leaked(row)


def _unusable_unchecked(published: Mapping[str, Any], row: Row) -> str | None:
    pattern = published["info"].get("pattern")
    if isinstance(pattern, str):
        try:
            re.compile(pattern)
        except re.error:
            return "invalid pattern"
    if _PLACEHOLDER.search(published["prompt"]):
        return "placeholder in the prompt"
    if normalise(row["answers"][0]) in normalise(row["question"]):
        return "answer stands in the prompt"
    return "answer of a few letters" if len(skeleton(row["answers"][0])) < 2 else None


def _wrong_language(row: Row, answer: str) -> str | None:
    source = language(row["form"])
    asked_in = "english" if row["kind"] == "reverse_translation" else "dakota"
    if source == "mixed" or (source != "unknown" and source != asked_in):
        return f"text that is not {asked_in.capitalize()} instead of {asked_in.capitalize()}"
    given = language(answer)
    if given == "unknown" and row["language"] == "english" and len(answer.split()) > 2 and not _COMMON.search(answer):
        return "answer that is not English"
    if given == "mixed" or (given != "unknown" and given != row["language"]):
        return f"answer that is not {row['language'].capitalize()}"
    if skeleton(row["form"]) == skeleton(answer):
        return "answer is the form itself"
    return None


def _contradictory_affixes(published: Mapping[str, Any], row: Row) -> str | None:
    if row["kind"] in FORMS and published["info"].get("required_affixes") and not row["affixes"]:
        return "affixes that the answer does not have"
    return None


def _leaked(row: Row) -> str | None:
    """The answer in what is left of the prompt, apart from the form itself."""
    rest = _TEMPLATE.sub(" ", row["question"].replace(row["form"], " ") if row["form"] else row["question"])
    answers = row["answers"][:1] if row["kind"] in FORMS else row["answers"]  # the note after it is the rule again
    if any(gives_away(text, answer) for text in (rest, row["form"]) for answer in answers):
        return "answer stands in the prompt"
    return None
