"""The phrases by which answers are recognised: each stands once, and does what its table says."""

import importlib
import pkgutil
from collections import Counter

import pytest

from ratchet.tasks.answers import vocabulary
from ratchet.tasks.answers.choice import read_answer
from ratchet.tasks.answers.vocabulary import foreign, withdrawals

OPTIONS = ["A)7", "B)24", "C)42", "D)84", "E)1"]
MODULES = [
    importlib.import_module(f"{vocabulary.__name__}.{m.name}") for m in pkgutil.iter_modules(vocabulary.__path__)
]
TABLES = {
    f"{module.__name__.rpartition('.')[2]}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, tuple)
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_no_phrase_stands_twice(table):
    assert [phrase for phrase, count in Counter(table).items() if count > 1] == []


# Phrases between two answers; the tables hold patterns, so that not each can be written as it is.
BETWEEN = [
    (language, phrase)
    for language, phrases in withdrawals.CORRECTING_ELSEWHERE.items()
    for phrase in phrases
    if not set(phrase) & set("[(|\\?")
]


def test_every_language_has_such_a_phrase():
    assert {language for language, _ in BETWEEN} == withdrawals.CORRECTING_ELSEWHERE.keys()


@pytest.mark.parametrize(("language", "phrase"), BETWEEN)
def test_words_of_each_language_replace_an_answer(language, phrase):
    assert read_answer(f"Answer: A\n{phrase}.\nAnswer: C", OPTIONS) == "C"
    assert read_answer("Answer: A\nAnswer: C", OPTIONS) is None


WITHDRAWING = {
    "Spanish": "está mal",
    "German": "Ich weiß nicht",
    "French": "je ne sais pas",
    "Russian": "не знаю",
    "Portuguese": "não sei",
    "Italian": "non lo so",
    "Chinese": "不知道",
    "Japanese": "わかりません",
    "Korean": "모르겠어요",
}


@pytest.mark.parametrize("language", withdrawals.WITHDRAWING_ELSEWHERE)
def test_words_of_each_language_take_an_answer_back(language):
    assert read_answer(f"Answer: C\n{WITHDRAWING[language]}", OPTIONS) is None


@pytest.mark.parametrize("label", foreign.ANY_LABEL)
def test_each_foreign_label_announces_a_letter(label):
    assert read_answer(f"ß {label}: C.", OPTIONS) == "C"  # ß: some labels count only in a text that is not ASCII


PLAIN = [phrase for phrase in withdrawals.CORRECTING if phrase.replace(" ", "").isalpha()]


@pytest.mark.parametrize("phrase", PLAIN)
def test_each_phrase_of_correction_replaces_an_answer(phrase):
    assert read_answer(f"Answer: A\n{phrase.capitalize()}: the answer is C", OPTIONS) == "C"
