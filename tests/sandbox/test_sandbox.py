"""Programs in the sandbox: what honest ones can do, and what becomes of those that attack it."""

import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from ratchet.errors import UserError
from ratchet.sandbox import Sandbox, check_sandbox, run_program, run_tests
from ratchet.sandbox.attacks import ATTACKS, OUTSIDE, attacked, reached

needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
QUICK = {"seconds": 1.0}
PLACES = [pytest.param("bubblewrap", marks=needs_bubblewrap), "none"]


@pytest.fixture(params=PLACES)
def sandbox(request):
    """Each kind of isolation that needs no container."""
    return Sandbox(isolation=request.param, **QUICK)


ADD = "def add(a, b):\n    return a + b\n"


HONEST = {
    "plain": (ADD, "assert add(1, 2) == 3\nassert add([1], [2]) == [1, 2]"),
    "nested": ("def pair(n):\n    return (n, {'n': {n}})", "assert pair(3) == (3, {'n': {3}})"),
    "in place": (
        "def sort(items):\n    items.sort()",
        "items = [3, 1, 2]\nsort(items)\nassert items == [1, 2, 3]",
    ),
    "with a function": ("def twice(f, x):\n    return f(f(x))", "assert twice(lambda x: x * 3, 1) == 9"),
    "raises": (
        "def bad(x):\n    raise ValueError('no ' + x)",
        "try:\n    bad('a')\n    assert 0\nexcept ValueError as e:\n    assert str(e) == 'no a'",
    ),
    "class": (
        "class Box:\n    def __init__(self):\n        self.things = []\n"
        "    def put(self, x):\n        self.things.append(x)\n        return self",
        "box = Box()\nbox.put(1).put(2)\nassert box.things == [1, 2] and len(box.things) == 2",
    ),
    "generator": ("def up(n):\n    yield from range(n)", "assert list(up(3)) == [0, 1, 2]"),
    "fraction": (
        "from fractions import Fraction\ndef half():\n    return Fraction(1, 2)",
        "from fractions import Fraction\nassert half() == Fraction(1, 2)",
    ),
    "named tuple": (
        "from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f():\n    return P(1, 2)",
        "assert f().x == 1 and f() == (1, 2)",
    ),
    "date": (
        "import datetime\ndef f(d):\n    return d + datetime.timedelta(days=1)",
        "import datetime\nassert f(datetime.date(2020, 1, 1)) == datetime.date(2020, 1, 2)",
    ),
    "large number": ("import math\ndef f(n):\n    return math.factorial(n)", "assert f(2000) == math.factorial(2000)"),
    "large argument": ("def f(x):\n    return len(x)", "assert f(list(range(200000))) == 200000"),
    "large table": ("sieve = [True] * 1000001\ndef f(n):\n    return n", "assert f(3) == 3"),
    "endless generator": (
        "import itertools\ndef g():\n    return itertools.count()",
        "assert list(itertools.islice(g(), 3)) == [0, 1, 2] and next(g()) == 0",
    ),
    "class of the tests": (
        "def f(n):\n    s = 0\n    while n:\n        s, n = s + n.v, n.next\n    return s",
        "class N:\n    def __init__(self, v, next=None):\n        self.v, self.next = v, next\n"
        "assert f(N(1, N(2))) == 3",
    ),
    "dataclass": (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass P:\n    x: int\ndef f(n):\n    return P(n).x",
        "assert f(3) == 3",
    ),
    "nearest exception": (
        "import json\ndef f(s):\n    return json.loads(s)",
        "try:\n    f('x')\n    assert 0\nexcept ValueError:\n    pass",
    ),
    "operators of its own": (
        "class V:\n    def __init__(self, x):\n        self.x = x\n"
        "    def __add__(self, other):\n        return V(self.x + other.x)\n"
        "    def __matmul__(self, other):\n        return self.x * other.x",
        "assert (V(1) + V(2)).x == 3 and V(3) @ V(4) == 12",
    ),
    "imported": (ADD, "from solution import add\nassert add(1, 2) == 3"),
    "module": (ADD, "assert math.isclose(add(0.1, 0.2), 0.3)"),
    "pytest": (ADD, "def test_small():\n    assert add(1, 1) == 2"),
    "unittest": (
        ADD,
        "import unittest\nclass T(unittest.TestCase):\n"
        "    def test_one(self):\n        self.assertEqual(add(1, 1), 2)",
    ),
}


@pytest.mark.parametrize(("answer", "tests"), HONEST.values(), ids=HONEST)
def test_an_answer_that_does_what_the_tests_ask_passes(sandbox, answer, tests):
    assert run_tests(sandbox, answer, tests).why == ""


def test_the_function_that_check_is_given_is_named(sandbox):
    tests = "def check(candidate):\n    assert candidate(1, 2) == 3"
    assert run_tests(sandbox, ADD, tests, entry="add").passed
    assert run_tests(sandbox, ADD, tests, entry="plus").why == "the answer defines no plus"


def test_a_harness_sees_the_row(sandbox):
    harness = "def run():\n    for a, b, c in row['cases']:\n        assert add(a, b) == c"
    assert run_tests(sandbox, ADD, "run()", harness=harness, row={"cases": [[1, 2, 3]]}).passed
    assert not run_tests(sandbox, ADD, "run()", harness=harness, row={"cases": [[1, 2, 4]]}).passed


def test_what_went_wrong_is_said_with_the_line_of_the_test(sandbox):
    assert (
        run_tests(sandbox, ADD, "assert add(1, 2) == 3\nassert add(1, 1) == 3").why
        == "assert add(1, 1) == 3: AssertionError"
    )
    assert "SyntaxError" in run_tests(sandbox, "def add(", "assert add(1, 2) == 3").why


def test_a_program_reads_and_prints(sandbox):
    done = run_program(sandbox, "print(sum(map(int, input().split())))", "1 2 3\n")
    assert (done.passed, done.output) == (True, "6\n")
    assert run_program(sandbox, "print(1)\nraise ValueError('no')", "").why == "ValueError: no"


@pytest.mark.parametrize("answer", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_does_not_pass(sandbox, answer):
    if sandbox.isolation == "none" and "os.fork" in answer and os.geteuid() == 0:
        pytest.skip("without namespaces nothing bounds the processes that root starts")
    assert attacked(sandbox, answer) not in ("", "PASSED")


@pytest.mark.parametrize(
    "source",
    [
        "print(42)\nimport os\nos._exit(1)",
        "while True: print('x' * 1000)",
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()",
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    ],
    ids=["another status", "prints without end", "deep recursion", "kills itself"],
)
def test_a_program_that_does_not_end_well_does_not_pass(sandbox, source):
    assert not run_program(sandbox, source, "").passed


@pytest.mark.parametrize(
    ("answer", "tests"),
    [
        ("def add(a, b):\n    raise StopIteration", "assert all(map(lambda c: add(*c) == 3, [(1, 2)]))"),
        ("def copy(x):\n    x.clear()\n    return x", "x = [3, 1]\nassert copy(x) == sorted(x)"),
        (
            "class Near:\n    def __sub__(self, other): return 0.0\n    __rsub__ = __sub__\n"
            "def add(a, b):\n    return Near()",
            "assert abs(add(1, 2) - 3.0) < 1e-6 or abs(3.0 - add(1, 2)) < 1e-6",
        ),
        ("class P:\n    def __init__(self, *x): pass\nmake = P", "assert make('1') == P(1)"),
        ("def pow(a, b):\n    return 0", "assert pow(2, 3) == 8"),
        ("def add(a, b):\n    return 0", "async def test_add():\n    assert add(1, 2) == 3"),
    ],
    ids=[
        *("stops an iteration", "empties its argument", "near to everything"),
        *("its own objects", "a builtin's name", "tests that do not run"),
    ],
)
def test_what_would_pass_tests_without_being_right_does_not(sandbox, answer, tests):
    assert not run_tests(sandbox, answer, tests).passed


@needs_bubblewrap
def test_no_process_is_left_behind_for_others_to_reap():
    code = (
        "import os, subprocess, sys\nfrom ratchet.sandbox import *\n"
        "for _ in range(3): run_program(Sandbox(seconds=1), 'print(1)', '')\n"
        "try: print(os.waitpid(-1, os.WNOHANG))\nexcept ChildProcessError: print('none')"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "none\n"


@pytest.mark.parametrize(
    "source",
    [
        "print(1)\nexit()",
        "import sys\nprint(len(sys.stdin.buffer.read()), __file__, __name__)",
        "import pickle\nclass A: pass\npickle.loads(pickle.dumps(A()))",
        "import unittest\nclass T(unittest.TestCase):\n    def test(self): pass\nunittest.main()",
    ],
)
def test_a_program_is_a_file_that_is_started(sandbox, source):
    assert run_program(sandbox, source, "a\n" * 1000).why == ""


def test_nothing_of_the_environment_is_inherited(sandbox, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert "HF_TOKEN" not in run_program(sandbox, "import os\nprint(sorted(os.environ))", "").output


def test_its_files_are_gone_afterwards(sandbox, tmp_path):
    where = run_program(
        sandbox, "import os\nopen('x', 'w').write('x')\nprint(os.path.abspath('x'))", ""
    ).output.strip()
    assert where and not os.path.exists(where)


@needs_bubblewrap
@pytest.mark.parametrize("source", OUTSIDE.values(), ids=OUTSIDE)
def test_nothing_outside_is_reached(source, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert reached(Sandbox(**QUICK), source)


def test_the_table_in_the_documentation_has_every_attack(root):
    page = (root / "docs/sandbox.md").read_text(encoding="utf-8")
    assert [name for name in (*ATTACKS, *OUTSIDE) if f"| {name} |" not in page] == []


OWN = 300 + os.getpid() % 199
"""Megabytes by which the programs of this process are told from others."""


@needs_bubblewrap
@pytest.mark.parametrize(
    "source",
    [
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(60)",
    ],
    ids=["fork bomb", "leaves its group"],
)
def test_nothing_that_a_program_starts_outlives_it(source):
    run_program(Sandbox(memory_mb=OWN, **QUICK), source, "")
    assert _within(10, lambda: not _left())


@pytest.mark.parametrize("isolation", PLACES)
def test_a_program_dies_with_the_process_that_runs_it(tmp_path, isolation):
    code = (
        "from ratchet.sandbox import *\n"
        f"run_program(Sandbox({isolation!r}, seconds=60, memory_mb={OWN}), 'import time; time.sleep(600)', '')"
    )
    runner = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)})
    assert _within(30, _left)
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    assert _within(10, lambda: not _left())


def _within(seconds, so):
    """Whether something becomes so in time."""
    deadline = time.monotonic() + seconds
    while not (found := so()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def _left():
    """The programs of this process's sandboxes that run."""
    mark = f'"RLIMIT_AS": {OWN << 20}'
    found = [one for one in psutil.process_iter(["cmdline", "status"]) if one.info["status"] != psutil.STATUS_ZOMBIE]
    return [one for one in found if any(mark in word for word in one.info["cmdline"] or ())]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"isolation": "no-such-container run"}, "names the command no-such-container, which is not here"),
        ({"isolation": "false"}, "programs cannot be run in isolation"),
        ({"seconds": 0}, "sandbox.seconds must be greater than 0"),
        ({"seconds": 1e30}, "sandbox.seconds must be greater than 0, and at most"),
        ({"isolation": "docker 'run"}, "sandbox.isolation is no command"),
    ],
)
def test_a_sandbox_that_cannot_be_made_is_said(more, said):
    with pytest.raises(UserError) as error:
        check_sandbox(Sandbox(**more))
    assert said in str(error.value)


def test_without_bubblewrap_the_message_says_what_to_do(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="apt install bubblewrap .*docker run .*isolation: none"):
        check_sandbox(Sandbox(seconds=7.5))


@needs_bubblewrap
def test_a_container_is_a_command_before_python():
    python = sys.base_prefix
    words = f"bwrap --unshare-all --ro-bind / / --dev /dev --tmpfs /tmp --setenv PATH {python}/bin:/usr/bin:/bin --"
    sandbox = Sandbox(isolation=words, **QUICK)
    check_sandbox(sandbox)
    assert run_tests(sandbox, ADD, "assert add(1, 2) == 3").passed
