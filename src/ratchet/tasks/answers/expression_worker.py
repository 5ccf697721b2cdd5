"""The process in which math-verify parses and compares."""

import logging
from collections.abc import Callable

from ratchet.workers import serve

WANTED = (0, 9)


def _start(_: str) -> Callable[[tuple[str, str, str]], bool | str]:
    logging.disable(logging.CRITICAL)  # it logs every expression that it cannot parse
    try:
        from importlib.metadata import version

        import math_verify
    except ImportError:
        return lambda request: 'grader: math needs math-verify: pip install -e ".[graders]"'
    found = version("math-verify")
    if tuple(map(int, found.split(".")[:2])) < WANTED:
        return lambda request: (
            f"grader: math needs math-verify 0.9 or later; {found} is installed, and judges otherwise"
        )

    def parsed(text: str) -> list:
        return math_verify.parse(f"${text}$", parsing_timeout=None, raise_on_error=False)

    def answer(request: tuple[str, str, str]) -> bool:
        what, gold, said = request
        try:
            if what == "parse":
                return any(not isinstance(found, str) for found in parsed(gold))  # a text is all it could not read
            return bool(math_verify.verify(parsed(gold), parsed(said), timeout_seconds=None))
        except Exception:  # antlr and sympy raise dozens of kinds; all mean that it cannot be told
            return False

    answer(("verify", "1", "1"))  # which loads sympy, so that this is not counted for the first expression
    return answer


if __name__ == "__main__":
    serve(_start)
