"""Cleaning the published Dakota grammar tasks: what is dropped, what is mended, and why, a reason for every row.

A published row, made by a machine from a page of Riggs's grammar and reviewed by nobody:

    {"prompt": "Translate this Dakota sentence to English:\\n\\nwimaćaśta\\n\\nGloss: I am a man", "answer": "I am a man",
     "info": {"task_type": "word_translation", "rule_id": "grammar_p11_r3", "dakota_text": "wimaćaśta",
              "difficulty": "medium", "source_pages": [39], ...}}

The gloss line gives the answer away, so it goes; a row whose answer cannot be taken out of its prompt is dropped.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ratchet.tasks.base import Row
from ratchet.tasks.dakota.grading import carrier
from ratchet.tasks.dakota.orthography import content_words, language, normalise, skeleton

_FORMS = ("affix_insertion", "multi_step_morphology")  # rows that may name the form they want in target_form
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
_PLACEHOLDER = re.compile(
    r"\[[^\]\n]*(?:\]|$)|\bTO BE GENERATED\b|\b(?:TODO|TBD|FIXME|XXX|N/A)\b|<[a-z_ ]+>|^(?:none|null|nan|unknown|unclear|\?+|-+|\.+|_+)$",
    re.IGNORECASE,
)
_SEVERAL = re.compile(r"→|->|;|\s/\s|\betc\b|\s=\s|\b\d\.\s|\bor\b.*\bor\b|\bforms?:")
# A gold answer that speaks about the word, or answers a question, instead of translating.
_NO_TRANSLATION = re.compile(
    r"^has the sound|^(?:the )?names? (?:for|of|given)\b|^commanding|^(?:expresses|indicates|denotes|marks|used (?:to|as|for|with))\b|\?\s+\S|\bi\.e\.|"
    r"\b(?:prefix|suffix|affix|pronoun|particle|conjugation|plural form|singular form|verb stem)\b|\bthee? (?:me )?me-|^(?:the|thy|my|his)-|\b(?:I|he|thou|we|they)-(?:have|has|hast)\b|-ye$",
    re.IGNORECASE,
)
_TEMPLATE = re.compile(
    r"Translate this Dakota sentence to English:|Insert the Dakota affix\(es\) into the base form:|Show where each affix should be inserted and write the complete form\."
)
_COMMON = re.compile(
    r"\b(?:the|a|an|to|he|she|it|they|we|you|thou|ye|is|are|am|of|and|by|not|my|thy|his)\b", re.IGNORECASE
)
_LIST = re.compile(r",|\bor\b|\band\b|\(|[;/→=]|\betc\b")
_PARENTHESES = re.compile(r"\([^()]*\)")


@dataclass
class Cleaning:
    """What was kept, and what happened to the rest."""

    rows: list[Row] = field(default_factory=list)
    dropped: Counter = field(default_factory=Counter)
    """Reason -> rows."""
    mended: Counter = field(default_factory=Counter)
    """What was mended -> rows; a row can count several times."""
    broken: list[str] = field(default_factory=list)
    """Rows that are no rows at all, by file and line."""
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Reason -> up to three of the rows, as text."""
    read: int = 0

    def drop(self, reason: str, example: str, rows: int = 1) -> None:
        """Count rows that are not kept."""
        self.dropped[reason] += rows
        if len(self.examples[reason]) < 3:
            self.examples[reason].append(example)

    def notes(self) -> list[str]:
        """A sentence per finding."""
        checkable = sum(row["checkable"] for row in self.rows)
        lines = [f"kept {len(self.rows)} of {self.read} rows ({checkable} with an answer that can be checked)"]
        lines += [f"dropped {count}: {reason}" for reason, count in self.dropped.most_common()]
        return lines + [f"mended {count}: {reason}" for reason, count in self.mended.most_common()]


def clean(raw: Iterable[tuple[str, Any]]) -> Cleaning:
    """Clean published rows.

    Args:
        raw: ("file:line", parsed row or the error of a line that is not JSON).
    """
    found = Cleaning()
    kept: list[Row] = []
    for place, published in raw:
        found.read += 1
        fault = fault_of(published)
        if fault:
            found.drop(fault, f"{place}: {str(published)[:160]}")
            if fault.startswith(("not a row", "empty prompt", "unknown task_type")):
                found.broken.append(f"{place}: {fault}")
            continue
        row, mended = converted(published)
        reason = _unusable(published, row)
        if reason:
            found.drop(reason, f"{place}: {row['question'][-120:]!r} => {published['answer'][:80]!r}")
            continue
        found.mended.update(mended)
        kept.append(row)
    found.rows = list(_merged(kept, found))
    return found


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
        return "placeholder in the place of an answer"
    return None if published["answer"].strip() else "empty answer"


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
        "id": "dakota-"
        + hashlib.sha256(json.dumps([question, answers], ensure_ascii=False).encode()).hexdigest()[:16],
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


def _form(kind: str, info: Mapping[str, Any]) -> str:
    """The text that is asked about; a row may hold both sides of a translation."""
    names = (
        ("english_text", "base_form")
        if kind == "reverse_translation"
        else ("dakota_text", "base_form", "english_text")
    )
    return next((str(info[name]) for name in names if info.get(name)), "")


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]


def _answers(kind: str, answer: str, info: Mapping[str, Any]) -> list[str]:
    """The accepted answers: the whole text; without a note in parentheses; the form alone."""
    answer = answer.strip()
    found = [answer]
    if kind in CHECKABLE:
        without = " ".join(_PARENTHESES.sub(" ", answer).split())
        if without and without != answer and (answer.startswith("(") or answer.endswith(")")):
            found.insert(0, without)
        target = info.get("target_form")
        if kind in _FORMS and isinstance(target, str) and target.strip():
            found.insert(0, target.strip())
    return list(dict.fromkeys(found))


def _language(kind: str, form: str, answers: list[str]) -> str:
    """The language of the answer: by the kind of row, and for morphology by the words themselves."""
    if kind in ("word_translation", "sentence_translation"):
        return "english"
    if kind == "reverse_translation" or kind in _FORMS:
        return "dakota"
    seen = language(answers[0])
    if (
        seen == "unknown"
    ):  # "a man": short English and short Dakota words can look alike; a Dakota answer resembles its form
        return "dakota" if skeleton(form)[:3] and skeleton(form)[:3] in skeleton(answers[0]) else "english"
    return "dakota" if seen == "dakota" else "english"


def _affixes(info: Mapping[str, Any], answers: list[str]) -> tuple[list[str], bool]:
    """The required affixes, where an accepted answer has all of them; and whether the row lists any."""
    listed = [
        a for a in _listed(info.get("required_affixes")) if isinstance(a, str) and re.search(r"^-|-$", a.strip())
    ]
    satisfied = [a.strip() for a in listed if carrier(a.strip(), normalise(answers[0]))]
    return (satisfied if len(satisfied) == len(listed) else []), bool(listed)


_GIVES_AWAY = re.compile(r"^(?:Gloss|Pattern|Context|Hint|Translation|Examples?)\b", re.IGNORECASE)
_EXAMPLE = re.compile(r"^\s+- ")


def _question(prompt: str, kind: str, form: str, answers: list[str], sought: str) -> tuple[str, list[str]]:
    """The prompt without lines that give the answer away; "transform or analyze" becomes what is really asked."""
    mended, lines = [], []
    for line in prompt.split("\n"):
        head = _GIVES_AWAY.match(line)
        counted = (
            head and head.group().lower() == "context" and any(c.isdigit() for c in line)
        )  # "(10 x 2) + 1" for twenty-one
        if (
            counted
            or (head and head.group().lower() == "gloss")
            or ((head or _EXAMPLE.match(line)) and any(gives_away(line, a) for a in answers))
        ):
            mended.append(f"{head.group().lower() if head else 'example'} line that gives the answer away taken out")
            continue
        lines.append(line)
    text = "\n".join(lines)
    if kind == "morphology" and "Transform or analyze:" in text:
        asked = "Give its English meaning:" if sought == "english" else "Apply the rule and write the Dakota form:"
        text = text.replace("Transform or analyze:", asked)
        mended.append("says which answer is sought")
    return re.sub(r"\n{3,}", "\n\n", text).strip(), mended


def gives_away(text: str, answer: str) -> bool:
    """Whether a text holds the answer, or most of its content words.

    >>> gives_away("Gloss: I am a man", "I am a man"), gives_away("Rule: men walk", "he runs away quickly")
    (True, False)
    """
    wanted, there = normalise(answer), normalise(text)
    if re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", there):
        return True
    words = set(content_words(answer))
    return (
        language(answer) != "dakota" and len(words) > 1 and len(words & set(content_words(text))) / len(words) >= 0.75
    )


def _unusable(published: Mapping[str, Any], row: Row) -> str | None:
    """Why a row in Ratchet's columns cannot be used, or None."""
    answer = row["answers"][0]
    if not row["checkable"]:
        return _unusable_unchecked(published, row)
    if "\n" in answer:
        return "answer of several lines"
    if re.search(r"[.:] [A-Z]", answer) or len(answer.split()) > 25:
        return "answer of several sentences, or of more than 25 words"
    if row["rule"].startswith("term_") and row["kind"] not in _FORMS:
        return "answer is the definition of a grammatical term, not what is asked for"
    if _SEVERAL.search(answer) or (row["language"] == "dakota" and _LIST.search(answer)):
        return "several forms in one answer"
    if row["language"] == "english" and _NO_TRANSLATION.search(published["answer"]):
        return "answer is about the word, or words for words, instead of a translation"
    if not row["form"].strip():
        return "nothing to translate or transform"
    form = _PARENTHESES.sub("", row["form"]) if row["language"] == "dakota" else row["form"]
    form = form.replace(",", " ") if row["kind"] == "sentence_translation" else form
    if _PLACEHOLDER.search(form) or _LIST.search(form):
        return "several forms, or a note, in the place of one form"
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
        return f"text that is not {asked_in.capitalize()} in the place of {asked_in.capitalize()}"
    given = language(answer)
    if given == "unknown" and row["language"] == "english" and len(answer.split()) > 2 and not _COMMON.search(answer):
        return "answer that is not English"
    if given == "mixed" or (given != "unknown" and given != row["language"]):
        return f"answer that is not {row['language'].capitalize()}"
    if skeleton(row["form"]) == skeleton(answer):
        return "answer is the form itself"
    return None


def _contradictory_affixes(published: Mapping[str, Any], row: Row) -> str | None:
    if row["kind"] in _FORMS and published["info"].get("required_affixes") and not row["affixes"]:
        return "affixes that the answer does not have"
    return None


def _leaked(row: Row) -> str | None:
    """The answer in what is left of the prompt, apart from the form itself."""
    rest = _TEMPLATE.sub(" ", row["question"].replace(row["form"], " ") if row["form"] else row["question"])
    answers = row["answers"][:1] if row["kind"] in _FORMS else row["answers"]  # the note after it is the rule again
    if any(gives_away(text, answer) for text in (rest, row["form"]) for answer in answers):
        return "answer stands in the prompt"
    return None


def _merged(rows: list[Row], found: Cleaning) -> Iterable[Row]:
    """One row per prompt: answers that are variants become one accepted set, answers that contradict drop the prompt."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[normalise(row["question"], "modern")].append(row)
    for group in groups.values():
        first = group[0]
        if len(group) == 1:
            yield first
        elif all(_variants(row, group) for row in group):
            answers = list(dict.fromkeys(answer for row in group for answer in row["answers"]))
            found.mended[
                "same prompt with variants of one answer: merged"
                if len(answers) > 1
                else "same prompt and answer: kept once"
            ] += len(group) - 1
            yield {**first, "answers": answers}
        else:
            shown = " | ".join(dict.fromkeys(row["answers"][0] for row in group))
            found.drop(
                "one prompt with answers that contradict each other",
                f"{first['question'][-80:]!r} => {shown[:160]}",
                len(group),
            )


def _variants(row: Row, group: list[Row]) -> bool:
    """Whether the row's answer is a variant of the group's first: one word typed twice, or English sharing half its words."""
    mine, first = row["answers"][0], group[0]["answers"][0]
    if skeleton(mine) == skeleton(first):
        return True
    if row["language"] != "english":
        return False
    ours, theirs = _sense(mine), _sense(first)
    if not ours[1] or not theirs[1]:
        return ours == theirs
    return ours[0] == theirs[0] and len(ours[1] & theirs[1]) >= 0.5 * min(len(ours[1]), len(theirs[1]))


_PERSONS = frozenset(
    "i me my mine we us our ours thou thee thy thine ye you your yours he him his she her hers they them their will not".split()
)


def _sense(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Who does it to whom, and the other words; "to walk" and "he walks" are two ways to name a verb."""
    words = frozenset(content_words(text))
    persons = words & _PERSONS
    return (frozenset() if persons <= {"he"} else persons), words - _PERSONS
