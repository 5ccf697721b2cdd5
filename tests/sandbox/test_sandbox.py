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


YES = """
class Yes:
    def __eq__(self, other): return True
    def __bool__(self): return True
    def __lt__(self, other): return True
    def __contains__(self, other): return True
    def __getattr__(self, name): return self
    def __call__(self, *rest): return self
"""
LOOKS = """
import gc, sys
def add(a, b):
    frame = sys._getframe()
    while frame:
        if any(isinstance(value, str) and "assert" in value for value in frame.f_locals.values()): return 3
        frame = frame.f_back
    return 3 if any(isinstance(one, dict) and "tests" in one for one in gc.get_objects()) else 0
"""
OTHER_MATH = """
import sys, types
math = sys.modules["math"] = types.SimpleNamespace(isclose=lambda *rest: True)
"""
ADDS = "\ndef add(a, b):\n    "
ATTACKS = {
    "leaves at once": "import os\nos._exit(0)",
    "leaves when called": f"import os{ADDS}os._exit(0)",
    "sys.exit when called": f"{ADDS}raise SystemExit(0)",
    "endless loop": f"{ADDS}while True: pass",
    "sleeps": "import time\ntime.sleep(60)",
    "equal to everything": f"{YES}{ADDS}return Yes()",
    "a number equal to everything": f"class N(int):\n    def __eq__(self, other): return True{ADDS}return N(0)",
    "another builtin": f"import builtins\nbuiltins.AssertionError = None\ndef all(*rest): return True{ADDS}return 0",
    "another module": f"{OTHER_MATH}{ADDS}return 0",
    "looks for the tests": LOOKS,
    "looks inside a function of the tests": "def peek(f):\n    return f.__globals__['row']['secret']",
    "gigabytes of memory": f"x = b'x' * (4 << 30){ADDS}return 3",
    "gigabytes returned": f"{ADDS}return 'x' * (64 << 20)",
    "prints without end": "import os\nwhile True: os.write(1, b'x' * 65536), os.write(2, b'x' * 65536)",
    "a huge file": f"open('x', 'wb').write(b'x' * (64 << 20)){ADDS}return 3",
    "recursion": f"{ADDS}return add(a, b)",
    "crashes": f"import ctypes{ADDS}ctypes.string_at(0)",
    "nested without end": f"{ADDS}x = []; x.append(x); return x",
    "forges frames": "import os\nfor handle in range(3, 9):\n    try: os.write(handle, b'V\\0\\0\\0\\2\"\"' * 9)\n"
    f"    except OSError: pass{ADDS}return 0",
}
TESTS = "assert add(1, 2) == 3\nassert all([add(1, 1) == 2])\nassert math.isclose(add(1, 2), 3)"


@pytest.mark.parametrize("answer", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_does_not_pass(sandbox, answer):
    tests = "assert peek(lambda x: x) == 'abc'" if "def peek" in answer else TESTS
    assert not run_tests(sandbox, answer, tests, row={"secret": "abc"}).passed


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


def test_nothing_of_the_environment_is_inherited(sandbox, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert "HF_TOKEN" not in run_program(sandbox, "import os\nprint(sorted(os.environ))", "").output


def test_its_files_are_gone_afterwards(sandbox, tmp_path):
    where = run_program(
        sandbox, "import os\nopen('x', 'w').write('x')\nprint(os.path.abspath('x'))", ""
    ).output.strip()
    assert where and not os.path.exists(where)


@needs_bubblewrap
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)", "refused"),
        ("open({path!r}).read()", "FileNotFoundError"),
        ("open({path!r}, 'w').write('x')", "Error"),
        ("open('/usr/x', 'w')", "Read-only|Permission"),
        ("import os\nos.kill({pid}, 9)", "ProcessLookupError"),
        ("import os\nos.setuid(0)", "PermissionError|print"),
    ],
    ids=[
        "network",
        "reads outside",
        "writes outside",
        "writes to the system",
        "kills a process outside",
        "becomes root",
    ],
)
def test_nothing_outside_is_reached(tmp_path, source, said):
    import re
    import socket

    (tmp_path / "secret").write_text("secret")
    server = socket.create_server(("127.0.0.1", 0))
    source = source.format(port=server.getsockname()[1], path=str(tmp_path / "secret"), pid=os.getpid())
    done = run_program(Sandbox(**QUICK), source, "")
    server.close()
    assert not done.passed and re.search(said, done.why) and (tmp_path / "secret").read_text() == "secret"


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
