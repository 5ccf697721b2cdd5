"""Answers in JSON: of a schema, equal to the row's, or both."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.tasks.answers.markup import after_thinking, blocks
from ratchet.tasks.base import Probe, Row
from ratchet.tasks.dataset.graders.base import ANSWER, Grader, Judged, shown

LONGEST = 100_000  # characters that are read, from the end
_ON_A_LINE = re.compile(r"```[ \t]*(?:jsonc?)?[ \t]*([{\[][^\n`]*[}\]])[ \t]*```", re.IGNORECASE)


class JsonGrader(Grader):
    """A JSON object or list that follows ``data.schema``, and is equal to the row's answer where it has one."""

    name, example = "json", '{"name": "..."}'
    asks = "Answer with JSON in a ```json block."
    formed = False

    def __init__(self, schema: str | None = None):
        self.schema = _validator(schema) if schema else None
        self.answered = schema is None

    def value(self, given: Any, row: Row) -> Any:
        """JSON, or a text of it; None where the row has none."""
        if isinstance(given, str):
            try:
                given = parsed(given)
            except ValueError as error:
                raise ValueError(f"it is no JSON ({error}): {shown(given)}") from None
        if given is not None and not isinstance(given, (dict, list)):
            raise ValueError(f"a JSON object or list is wanted, and it is {shown(given)}")
        if given is not None and (why := self._against_schema(given)):
            raise ValueError(f"it is not as data.schema has it ({why})")
        return given

    def gold(self, row: Row) -> str | None:
        """The answer in one line, with sorted keys."""
        return None if row[ANSWER] is None else written(row[ANSWER])

    def judge(self, completion: str, row: Row) -> Judged:
        """Right where what is read follows the schema, and is the row's answer where it has one."""
        said, fenced = read_json(completion)
        if said is None:
            return Judged(False, None, why="it is no JSON")
        wrong = self._against_schema(said)
        correct = not wrong and (row[ANSWER] is None or written(said) == written(row[ANSWER]))
        parts = {"valid": float(not wrong), "format": float(fenced)}
        return Judged(correct, written(said), components=parts, why=wrong)

    def written(self, answer: str, form: str) -> str:
        """A block."""
        return f"```json\n{answer}\n```"

    def dressed(self, row: Row) -> Mapping[str, str]:
        """Bare, and after words."""
        gold = self.gold(row)
        return {} if gold is None else {"bare": gold, "after words": f"Here it is: {gold}"}

    def probes(self, row: Row) -> Iterator[Probe]:
        """Empty objects and lists."""
        for text in ("{}", "[]"):
            if row[ANSWER] not in ({}, []):
                yield Probe(f"always {text}", "ignorant", self.written(text, ""))

    def _against_schema(self, value: Any) -> str:
        if self.schema is None:
            return ""
        try:
            error = next(self.schema.iter_errors(value), None)
        except Exception as problem:  # references to what is not there, or to themselves
            return f"the schema cannot be followed: {' '.join(str(problem).split())[:80] or type(problem).__name__}"
        return "" if error is None else error.message[:100]


def read_json(text: str) -> tuple[dict | list | None, bool]:
    """The JSON object or list that a completion ends with, and whether it stands in a block.

    The last block; without one, what begins with the first bracket, if nothing but a full stop follows it.

    >>> read_json('Well: {"a": 1}.'), read_json('{"a": 1} is what others say.')
    (({'a': 1}, False), (None, False))
    """
    _, text = after_thinking(text[-LONGEST:])
    fenced = blocks(text)
    written = [code for name, code in fenced if name in ("json", "jsonc")] or [
        code for name, code in fenced if not name
    ]
    written = written or _ON_A_LINE.findall(text)
    start = min((place for place in (text.find("{"), text.find("[")) if place >= 0), default=len(text))
    try:
        found = parsed(written[-1] if written else text[start:].strip().removesuffix("."))
    except ValueError:
        return None, bool(written)
    return (found if isinstance(found, (dict, list)) else None), bool(written)


def parsed(text: str) -> Any:
    """JSON as it is defined: no name twice, no NaN.

    Raises:
        ValueError: for anything else.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is too deep") from None


def written(value: Any) -> str:
    """JSON in one line, with sorted keys, by which two are compared: 1 and 1.0 are two numbers."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _validator(schema: str) -> Any:
    """The schema of a file, ready to be asked.

    Raises:
        UserError: where there is no such file, it is no schema, or jsonschema is not installed.
    """
    try:
        import jsonschema
    except ImportError:
        raise UserError('data.schema needs jsonschema: pip install -e ".[graders]"') from None
    try:
        found = json.loads(Path(schema).expanduser().read_text(encoding="utf-8"))
        kind = jsonschema.validators.validator_for(found)
        kind.check_schema(found)
    except OSError as error:
        raise UserError(f"data.schema: {schema} cannot be read ({error.strerror})") from None
    except (ValueError, AttributeError, jsonschema.SchemaError) as error:
        raise UserError(f"data.schema: {schema} is no JSON schema ({str(error).splitlines()[0]})") from None
    return kind(found)
