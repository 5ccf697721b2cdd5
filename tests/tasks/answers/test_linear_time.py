"""Reading is linear in the text, in every script: no pattern repeats a repetition, and time grows as the text does."""

import importlib
import pkgutil
import random
import re
import time
from re import _constants as sre
from re import _parser

import pytest

from ratchet.tasks import answers, read_written_answer
from ratchet.tasks.answers import vocabulary
from ratchet.tasks.answers.choice import read_answer

OPTIONS = ["A)7", "B)24", "C)42", "D)84", "E)1,200 dollars"]
MODULES = [
    importlib.import_module(f"{package.__name__}.{found.name}")
    for package in (answers, vocabulary)
    for found in pkgutil.iter_modules(package.__path__)
]
PATTERNS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, re.Pattern)
}


def nested(tree, inside: bool = False) -> bool:
    """Whether a repetition without end holds another one that may be given back."""
    return any(_nested(operation, argument, inside) for operation, argument in tree)


def _nested(operation, argument, inside: bool) -> bool:
    if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        endless = argument[1] == sre.MAXREPEAT
        return (inside and endless) or nested(argument[2], inside or endless)
    if operation is sre.BRANCH:
        return any(nested(branch, inside) for branch in argument[1])
    if operation is sre.SUBPATTERN:
        return nested(argument[3], inside)
    return operation in (sre.ASSERT, sre.ASSERT_NOT) and nested(argument[1], inside)


def test_the_search_finds_what_backtracks():
    assert nested(_parser.parse(r"(a+)+$")) and nested(_parser.parse(r"x(?:\s*\w*)*y"))
    assert not nested(_parser.parse(r"(?:\s*\w{1,9}){0,4}$"))


@pytest.mark.parametrize("name", PATTERNS)
def test_no_pattern_repeats_a_repetition_without_end(name):
    assert not nested(_parser.parse(PATTERNS[name].pattern, PATTERNS[name].flags))


SCRIPTS = {
    "latin": "abcde fgh, ABCD. ",
    "chinese": "这是一个没有答案的句子选项正确",
    "japanese": "これは答えのない文です。正解",
    "korean": "정답이 없는 문장입니다 ",
    "cyrillic": "это ответ вариант не ABC ",
    "arabic": "الإجابة الصحيحة هي الخيار ",
    "devanagari": "सही उत्तर विकल्प है नहीं ",
    "thai": "คำตอบที่ถูกต้องคือตัวเลือก",
    "greek": "η απάντηση είναι σωστή ",
    "mixed": "答案 answer is ответ (A) or \\boxed{ = 42 <answer> $ * ",
}
READERS = {"choice": lambda text: read_answer(text, OPTIONS), "written": read_written_answer}


def seconds(read, text: str) -> float:
    """The shortest of some times."""
    found = []
    for _ in range(5):
        start = time.perf_counter()
        read(text)
        found.append(time.perf_counter() - start)
    return min(found)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("script", SCRIPTS)
def test_time_grows_no_faster_than_the_text(reader, script):
    rng, words = random.Random(0), SCRIPTS[script]
    read = READERS[reader]
    for _ in range(6):
        short = "".join(rng.choices(words, k=800))
        assert seconds(read, short * 4) < 12 * max(seconds(read, short), 1e-5)
        piece = "".join(rng.choices(words, k=rng.randint(1, 12)))  # a piece that comes again and again
        few = piece * (800 // len(piece))
        assert seconds(read, few * 4) < 12 * max(seconds(read, few), 1e-5)
