"""Answers that attack a sandbox, and what becomes of each: ``python -m ratchet.sandbox.attacks`` prints the table.

Each has to define ``add`` for ``TESTS``, and is right in none of them.
"""

import os
import socket
import sys
import tempfile
from pathlib import Path

from ratchet.errors import UserError
from ratchet.sandbox.run import BUBBLEWRAP, Sandbox, check_sandbox, run_program, run_tests

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
WANTED = "=" * 2 + " 3"
def add(a, b):
    frame = sys._getframe()
    while frame:
        if any(isinstance(value, str) and WANTED in value[4:] for value in frame.f_locals.values()): return 3
        frame = frame.f_back
    return 3 if any(isinstance(one, dict) and isinstance(one.get("tests"), str) for one in gc.get_objects()) else 0
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
    "forks without end": f"import os\nwhile True:\n    try: os.fork()\n    except OSError: pass{ADDS}return 0",
    "forges frames": "import os\nfor handle in range(3, 9):\n    try: os.write(handle, b'V\\0\\0\\0\\2\"\"' * 9)\n"
    f"    except OSError: pass{ADDS}return 0",
}
TESTS = "assert add(1, 2) == 3\nassert all([add(1, 1) == 2])\nassert math.isclose(add(1, 2), 3)"
PEEK = "assert peek(lambda x: x) == 'abc'"
OUTSIDE = {
    "connects to this machine": "import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)",
    "reads a file outside": "open({path!r}).read()",
    "writes a file outside": "open({path!r}, 'w').write('x')",
    "writes to the system": "open('/usr/x', 'w')",
    "kills a process outside": "import os\nos.kill({pid}, 0)",
    "reads the environment": "import os\nos.environ['HF_TOKEN']",
}
"""Programs that reach out; each ends without an error where it could."""


def attacked(sandbox: Sandbox, answer: str) -> str:
    """What became of an attack: why it did not pass, or that it did."""
    done = run_tests(sandbox, answer, PEEK if "def peek" in answer else TESTS, row={"secret": "abc"})
    return "PASSED" if done.passed else done.why


def reached(sandbox: Sandbox, source: str) -> str:
    """What became of a program that reaches out; empty where it could."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as server:
        path = Path(folder) / "secret"
        path.write_text("secret", encoding="utf-8")
        filled = source.format(port=server.getsockname()[1], path=str(path), pid=os.getpid())
        return run_program(sandbox, filled, "").why


def main(isolation: str = BUBBLEWRAP) -> None:
    """Print the table for an isolation."""
    sandbox = Sandbox(isolation, seconds=1)
    check_sandbox(sandbox)
    print("| attack | what happened |\n|---|---|")
    for name, answer in ATTACKS.items():
        print(f"| {name} | {attacked(sandbox, answer)[:120]} |", flush=True)
    for name, source in OUTSIDE.items():
        print(f"| {name} | {reached(sandbox, source)[:120] or 'it could'} |", flush=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:2])
    except UserError as error:
        sys.exit(f"error: {error}")
