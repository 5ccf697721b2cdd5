"""How an answer is read and judged: one grader for each kind of answer, named in the recipe's ``data.grader``."""

from ratchet.tasks.dataset.graders.base import ANSWER, OPTIONS, PLACE, Grader, Judged, after_hashes
from ratchet.tasks.dataset.graders.choice import LETTERS, ChoiceGrader
from ratchet.tasks.dataset.graders.code import CodeGrader
from ratchet.tasks.dataset.graders.countdown import CountdownGrader
from ratchet.tasks.dataset.graders.json import JsonGrader
from ratchet.tasks.dataset.graders.math import MathGrader
from ratchet.tasks.dataset.graders.number import NumberGrader
from ratchet.tasks.dataset.graders.python import PythonGrader
from ratchet.tasks.dataset.graders.regex import RegexGrader
from ratchet.tasks.dataset.graders.text import TextGrader

__all__ = [
    "ANSWER",
    "LETTERS",
    "OPTIONS",
    "PLACE",
    "ChoiceGrader",
    "CodeGrader",
    "CountdownGrader",
    "Grader",
    "JsonGrader",
    "Judged",
    "MathGrader",
    "NumberGrader",
    "PythonGrader",
    "RegexGrader",
    "TextGrader",
    "after_hashes",
]
