"""A published Dakota row in Ratchet's columns, without the lines of its prompt that give the answer away."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from ratchet.tasks.base import Row
from ratchet.tasks.dakota.grading import carrier
from ratchet.tasks.dakota.orthography import content_words, language, normalise, skeleton

FORMS = ("affix_insertion", "multi_step_morphology")  # rows that may name the form they want in target_form
CHECKABLE = (
    "word_translation",
    "sentence_translation",
    "reverse_translation",
    "morphology",
    "affix_insertion",
    "multi_step_morphology",
)
UNCHECKED = {
    "identify_pattern": "a pattern can be described in many ways, and the row holds one of them",
    "syntax": "an analysis has no one right wording; the answer given is only a translation",
    "exception_trigger": "the answer is an explanation in free words",
    "positive_negative_evidence": "the answer is an explanation in free words",
}
PARENTHESES = re.compile(r"\([^()]*\)")
GIVEN_SHARE = 0.75  # of an answer's content words that give it away


def converted(published: Mapping[str, Any]) -> tuple[Row, list[str]]:
    """A published row in Ratchet's columns, with what was mended; whether it is usable is not asked here.

    Columns: id, kind, question, form (the Dakota or English text asked about), answers (accepted, the best first),
    language (of the answer), affixes (that the answer satisfies), difficulty, rule, page, checkable, why_unchecked.
    """
    info, mended = published["info"], []
    info = json.loads(info) if isinstance(info, str) else info
    kind = str(info.get("task_type") or "morphology")
    form = _form(kind, info)
    answers = _answers(kind, published["answer"], info)
    sought = _language(kind, form, answers)
    question = published["prompt"].strip()
    if kind in CHECKABLE:
        question, mended = _question(question, kind, form, answers, sought)
    affixes, listed = _affixes(info, answers)
    if listed and not affixes:
        mended.append("list of affixes that the answer does not have taken away")
    row = {
        "id": _identity(question, answers),
        "kind": kind,
        "question": question,
        "form": form,
        "answers": answers,
        "language": sought,
        "affixes": affixes,
        "difficulty": str(info.get("difficulty", "medium")),
        "rule": str(info.get("rule_id", "")),
        "page": next(iter(_listed(info.get("source_pages"))), 0),
        "checkable": kind in CHECKABLE,
        "why_unchecked": UNCHECKED.get(kind, ""),
    }
    return row, mended


def _identity(question: str, answers: list[str]) -> str:
    """An id that stays the same when rows before this one come or go."""
    content = json.dumps([question, answers], ensure_ascii=False)
    return "dakota-" + hashlib.sha256(content.encode()).hexdigest()[:16]


def _form(kind: str, info: Mapping[str, Any]) -> str:
    """The text that is asked about; a row may hold both sides of a translation."""
    names = ("dakota_text", "base_form", "english_text")
    if kind == "reverse_translation":
        names = ("english_text", "base_form")
    return next((str(info[name]) for name in names if info.get(name)), "")


def _listed(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return list(value)
    return [] if value is None else [value]


def _answers(kind: str, answer: str, info: Mapping[str, Any]) -> list[str]:
    """The accepted answers: the whole text; without a note in parentheses; the form alone."""
    answer = answer.strip()
    found = [answer]
    if kind in CHECKABLE:
        without = " ".join(PARENTHESES.sub(" ", answer).split())
        if without and without != answer and (answer.startswith("(") or answer.endswith(")")):
            found.insert(0, without)
        target = info.get("target_form")
        if kind in FORMS and isinstance(target, str) and target.strip():
            found.insert(0, target.strip())
    return list(dict.fromkeys(found))


def _language(kind: str, form: str, answers: list[str]) -> str:
    """The language of the answer: by the kind of row, and for morphology by the words themselves."""
    if kind in ("word_translation", "sentence_translation"):
        return "english"
    if kind == "reverse_translation" or kind in FORMS:
        return "dakota"
    seen = language(answers[0])
    if seen == "unknown":
        # "a man": short English and short Dakota words can look alike; a Dakota answer resembles its form
        beginning = skeleton(form)[:3]
        return "dakota" if beginning and beginning in skeleton(answers[0]) else "english"
    return "dakota" if seen == "dakota" else "english"


def _affixes(info: Mapping[str, Any], answers: list[str]) -> tuple[list[str], bool]:
    """The required affixes, where an accepted answer has all of them; and whether the row lists any."""
    texts = [affix.strip() for affix in _listed(info.get("required_affixes")) if isinstance(affix, str)]
    listed = [affix for affix in texts if re.search(r"^-|-$", affix)]
    satisfied = [affix for affix in listed if carrier(affix, normalise(answers[0]))]
    return (satisfied if len(satisfied) == len(listed) else []), bool(listed)


_GIVES_AWAY = re.compile(r"^(?:Gloss|Pattern|Context|Hint|Translation|Examples?)\b", re.IGNORECASE)
_EXAMPLE = re.compile(r"^\s+- ")


def _question(prompt: str, kind: str, form: str, answers: list[str], sought: str) -> tuple[str, list[str]]:
    """The prompt without lines that give the answer away; "transform or analyze" becomes what is really asked."""
    mended, lines = [], []
    for line in prompt.split("\n"):
        head = _GIVES_AWAY.match(line)
        name = head.group().lower() if head else "example"
        may_tell = head is not None or _EXAMPLE.match(line) is not None
        if may_tell and (_always_tells(name, line) or any(gives_away(line, answer) for answer in answers)):
            mended.append(f"{name} line that gives the answer away taken out")
        else:
            lines.append(line)
    text = "\n".join(lines)
    if kind == "morphology" and "Transform or analyze:" in text:
        asked = "Give its English meaning:" if sought == "english" else "Apply the rule and write the Dakota form:"
        text = text.replace("Transform or analyze:", asked)
        mended.append("says which answer is sought")
    return re.sub(r"\n{3,}", "\n\n", text).strip(), mended


def _always_tells(name: str, line: str) -> bool:
    """A gloss is the answer; a context with figures calculates it: "(10 x 2) + 1" for twenty-one."""
    return name == "gloss" or (name == "context" and any(c.isdigit() for c in line))


def gives_away(text: str, answer: str) -> bool:
    """Whether a text holds the answer, or most of its content words.

    >>> gives_away("Gloss: I am a man", "I am a man"), gives_away("Rule: men walk", "he runs away quickly")
    (True, False)
    """
    wanted, there = normalise(answer), normalise(text)
    if re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", there):
        return True
    words = set(content_words(answer))
    if language(answer) == "dakota" or len(words) < 2:
        return False
    return len(words & set(content_words(text))) / len(words) >= GIVEN_SHARE
