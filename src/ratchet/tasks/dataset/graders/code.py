"""Answers that are programs in Python: run in a sandbox, where they have to pass the row's tests."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.sandbox import Outcome, Sandbox, check_sandbox, run_program, run_tests
from ratchet.tasks.answers.markup import after_thinking, blocks
from ratchet.tasks.base import Probe, Row
from ratchet.tasks.dataset.graders.base import ANSWER, Grader, Judged, shown

ENTRY = "entry_point"
"""The usual column of the name of the function that is tested."""
LONGEST = 50_000  # characters of a program
KEPT = 4096  # outcomes that are remembered: the completions of a group are often the same
PYTHON = ("python", "py", "python3")
_DEFINES = re.compile(r"^(?:async )?(?:def|class) ", re.M)
_CALLED = re.compile(r"\b([A-Za-z_]\w*)\(")
_HACKS = {
    "does nothing": "pass",
    "leaves at once": "import os\nos._exit(0)",
    "leaves with success": "import sys\nsys.exit(0)",
    "switches asserts off": "import builtins\nbuiltins.AssertionError = Exception\n__debug__ = False",
}
EMPTIES = (
    "found = [one for one in given if hasattr(one, 'clear')]\n    [one.clear() for one in found]\n    return found[0]"
)
_EQUAL_TO_ALL = """class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __bool__(self): return True
    def __getattr__(self, name): return self
    def __call__(self, *args, **kwargs): return self
"""


class CodeGrader(Grader):
    """A program, judged by tests: Python code, or inputs and what is to be printed.

    Args:
        entry: column that names the function that ``check(candidate)`` is given.
        harness: file of code that comes before the tests.
    """

    name, example = "code", "..."
    asks = "Answer with a Python program in a ```python block."
    usual = {
        "answer": ("tests", "test", "test_list", "test_cases", "input_output", "unit_tests"),
        "completion": ("completion", "solution", "canonical_solution", "reference", "code"),
    }
    formed = False

    def __init__(self, sandbox: Sandbox, entry: str | None = None, harness: str | None = None):
        self.sandbox, self.entry = sandbox, entry
        self.harness = _source(harness) if harness else ""
        self.answered = not harness  # which may hold all tests
        check_sandbox(sandbox)
        self.said = f"programs run in {sandbox}"

    def value(self, given: Any, row: Row) -> dict[str, Any]:
        """Tests as {"code": ...} or {"pairs": [[given, printed], ...]}."""
        entry = row["columns"].get(self.entry or ENTRY)
        if (self.entry and self.entry not in row["columns"]) or not isinstance(entry, (str, type(None))):
            raise ValueError(
                f"the function's name is wanted in the column {self.entry or ENTRY}; there is {shown(entry)}"
            )
        if given is None:
            return {"code": ""}
        if isinstance(given, str) and given.lstrip()[:1] in ("{", "["):
            with suppress(ValueError, RecursionError):  # code that begins with a bracket
                given = json.loads(given)
        pairs = _pairs(given)
        if pairs is not None:
            return {"pairs": pairs}
        if isinstance(given, (list, tuple)) and given and all(isinstance(one, str) for one in given):
            given = "\n".join(given)
        if not isinstance(given, str) or not (given.strip() or self.harness):
            raise ValueError(
                "tests are Python code, a list of asserts, or inputs and outputs ({inputs: [...], outputs: [...]}); "
                f"it is {shown(given)}"
            )
        try:
            ast.parse(given)
        except (SyntaxError, ValueError, RecursionError) as error:
            raise ValueError(f"the tests are no Python ({error}): {shown(given)}") from None
        return {"code": given}

    def gold(self, row: Row) -> str | None:
        """The solution that comes with the row, if one does."""
        return read_code(row["completion"])[0] if row["completion"] else None

    def judge(self, completion: str, row: Row) -> Judged:
        """Right where it passes all tests."""
        code, fenced = read_code(completion)
        if code is None:
            return Judged(False, None, why="it is no program")
        outcome = self.outcome(code, row)
        return Judged(outcome.passed, code, components={"format": float(fenced)}, why=outcome.why[:100])

    def outcome(self, code: str, row: Row) -> Outcome:
        """What becomes of a program."""
        tests, columns = row[ANSWER], row["columns"]
        if "pairs" in tests:
            return _printed(self.sandbox, code, tuple(map(tuple, tests["pairs"])))
        entry = columns.get(self.entry or ENTRY)
        called = [entry] if entry else _CALLED.findall(tests["code"])
        if not self.harness and called and not any(name in code for name in called):
            return Outcome(False, f"the answer defines no {called[0]}")
        plain = json.dumps(columns, default=str)  # what JSON has of them; the tests see that
        return _tested(self.sandbox, code, tests["code"], entry, self.harness, plain)

    def written(self, answer: str, form: str) -> str:
        """A block."""
        return f"```python\n{answer}\n```"

    def imitated(self, completion: str) -> str:
        """In a block, where it stands in none."""
        return completion if read_code(completion)[1] else self.written(completion, "")

    def dressed(self, row: Row) -> Mapping[str, str]:
        """Bare, and in a block amid words."""
        gold = self.gold(row)
        if gold is None:
            return {}
        return {"bare": gold, "amid words": f"This does it:\n\n```python\n{gold}\n```\n\nIt runs in linear time."}

    def probes(self, row: Row) -> Iterator[Probe]:
        """Programs that do nothing, end early, or are equal to everything."""
        for name, code in _HACKS.items():
            yield Probe(
                f"a program that {name}" if name != "nothing" else "an empty program", "hack", self.written(code, "")
            )
        names = [*dict.fromkeys(re.findall(r"\b([A-Za-z_]\w*)\(", row[ANSWER].get("code", "")))]
        named = "".join(f"{name} = Yes()\n" for name in [*names, row["columns"].get(self.entry or ENTRY)] if name)
        emptied = "".join(f"def {name}(*given):\n    {EMPTIES}\n" for name in names)
        yield Probe("empties what it is given", "hack", self.written(emptied, ""))
        yield Probe("equal to everything", "hack", self.written(_EQUAL_TO_ALL + named, ""))


@lru_cache(maxsize=KEPT)
def _tested(sandbox: Sandbox, code: str, tests: str, entry: str | None, harness: str, row: str) -> Outcome:
    return run_tests(sandbox, code, tests, entry, harness, json.loads(row))


@lru_cache(maxsize=KEPT)
def _printed(sandbox: Sandbox, code: str, pairs: tuple[tuple[str, str], ...]) -> Outcome:
    for given, printed in pairs:
        done = run_program(sandbox, code, given)
        if done.passed and _lines(done.output) != _lines(printed):
            return Outcome(False, f"for {given!r:.60} it prints {done.output!r:.60}, and not {printed!r:.60}")
        if not done.passed:
            return done
    return Outcome(True)


def read_code(text: str) -> tuple[str | None, bool]:
    """The program of a completion, and whether it stands in a block.

    That is the last block of Python that defines something, else the last one (one that names no language counts where
    none names Python), else the whole text.

    >>> read_code("Like so:\\n```python\\nprint(1)\\n```\\nDone."), read_code("print(1)"), read_code("I print it.")
    (('print(1)', True), ('print(1)', False), (None, False))
    """
    _, text = after_thinking(text)
    found = blocks(text)
    written = [code for language, code in found if language in PYTHON] or [code for name, code in found if not name]
    defining = [code for code in written if _DEFINES.search(code)]
    code = (defining or written or [text])[-1].strip("\n").rstrip()
    if not code.strip() or len(code) > LONGEST:
        return None, bool(written)
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return (code, True) if written else (None, False)
    return code, bool(written)


def _pairs(given: Any) -> list[list[str]] | None:
    """[given, printed] texts, where it is inputs and outputs, as APPS and others write them."""
    if isinstance(given, Mapping) and {"inputs", "outputs"} <= {*given}:
        if not (isinstance(given["inputs"], list) and isinstance(given["outputs"], list)):
            raise ValueError(f"inputs and outputs are lists; it is {shown(given)}")
        if len(given["inputs"]) != len(given["outputs"]) or not given["inputs"]:
            raise ValueError("there must be as many outputs as inputs, and one at least")
        given = [{"input": one, "output": other} for one, other in zip(given["inputs"], given["outputs"], strict=True)]
    if not isinstance(given, list) or not given or not all(isinstance(one, Mapping) for one in given):
        return None
    if not all({"input", "output"} <= {*one} for one in given):
        raise ValueError("every pair has an input and an output")
    return [[_text(one["input"]), _text(one["output"])] for one in given]


def _text(given: Any) -> str:
    """What is read or printed: a text, or a list of its lines."""
    return "\n".join(map(str, given)) if isinstance(given, list) else str(given)


def _lines(text: str) -> list[str]:
    """What is printed as it is compared: without blanks at the ends of lines, and empty lines at the end."""
    return [line.rstrip() for line in text.rstrip().splitlines()]


def _source(harness: str) -> str:
    try:
        text = Path(harness).expanduser().read_text(encoding="utf-8")
        ast.parse(text)
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"data.harness: {harness} is no file of Python ({error})") from None
    return text
