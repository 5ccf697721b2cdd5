"""What a key of a recipe may hold, and the check of one value against it.

The same ``Field`` describes a key of TRL (from ``schema.json``), a field of one of Ratchet's own dataclasses, and a
parameter of a reward function (both from their annotations).
"""

import dataclasses
import inspect
import json
import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ratchet.recipe.source import Node

_KINDS = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    dict: "dict",
    list: "list",
    tuple: "list",
    types.NoneType: "none",
}
_NUMBER = re.compile(r"[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)?")


@dataclasses.dataclass(frozen=True)
class Field:
    """One key: the kinds of value it takes, its choices, its default, and the keys below it if it is a group."""

    kinds: frozenset[str]
    choices: tuple[Any, ...] | None = None
    default: Any = None
    group: Mapping[str, "Field"] | None = None
    required: bool = False

    def describe(self) -> str:
        """For an error message: "one of a, b" or "an integer or null"."""
        if self.choices:
            return "one of " + ", ".join(
                str(choice).lower() if isinstance(choice, bool) else str(choice) for choice in self.choices
            )
        names = {
            "bool": "true or false",
            "int": "an integer",
            "float": "a number",
            "str": "text",
            "dict": "a mapping",
            "list": "a list",
            "none": "null",
        }
        kinds = self.kinds - {"int"} if "float" in self.kinds else self.kinds
        return " or ".join(names[kind] for kind in names if kind in kinds)


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """What ``make_schema`` wrote: versions, and the fields of each of TRL's configuration classes."""
    return json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))


class Mismatch(ValueError):
    """A value that a field does not take; the message says what it takes."""


def from_annotation(annotation: Any, default: Any = None, required: bool = False) -> Field:
    """Read a field off a type annotation.

    >>> sorted(from_annotation(int | None).kinds)
    ['int', 'none']
    """
    if dataclasses.is_dataclass(annotation):
        return Field(frozenset({"dict"}), default=default, group=of_dataclass(annotation))
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        kinds = frozenset(_KINDS[type(choice)] for choice in arguments)
        return Field(kinds, choices=arguments, default=default, required=required)
    if origin in (typing.Union, types.UnionType):
        parts = [from_annotation(part) for part in arguments]
        choices = tuple(c for part in parts for c in part.choices or ()) or None
        return Field(frozenset().union(*(part.kinds for part in parts)), choices, default, required=required)
    kind = _KINDS.get(origin or annotation)
    return Field(frozenset({kind} if kind else _KINDS.values()), default=default, required=required)


def of_dataclass(cls: type) -> dict[str, Field]:
    """The fields of a dataclass by name."""
    hints = typing.get_type_hints(cls)
    found = {}
    for item in dataclasses.fields(cls):
        made = item.default_factory is not dataclasses.MISSING
        default = item.default if item.default is not dataclasses.MISSING else item.default_factory() if made else None
        required = item.default is dataclasses.MISSING and not made
        found[item.name] = from_annotation(hints[item.name], default, required)
    return found


def of_function(function: Callable, skip: int) -> dict[str, Field]:
    """The keyword parameters of a function, after its first ``skip``."""
    hints = typing.get_type_hints(function)
    found = {}
    for parameter in list(inspect.signature(function).parameters.values())[skip:]:
        required = parameter.default is inspect.Parameter.empty
        found[parameter.name] = from_annotation(
            hints.get(parameter.name, Any), None if required else parameter.default, required
        )
    return found


def check(node: Node, field: Field) -> Any:
    """The typed value of a node.

    Raises:
        Mismatch: when the field does not take it.
    """
    value = node.value
    if value is None:
        return _accept(None, "none" in field.kinds, field)
    if isinstance(value, dict):
        return _accept(node.plain(), "dict" in field.kinds, field)
    if isinstance(value, list):
        return _accept(node.plain(), "list" in field.kinds, field)
    return _scalar(node, field)


def _scalar(node: Node, field: Field) -> Any:
    value, text = node.value, node.text
    if isinstance(value, int) and not isinstance(value, bool) and not node.quoted:
        _refuse_other_bases(text, value)
    if (
        field.choices
        and text in field.choices
        and isinstance(value, bool)
        and value not in [c for c in field.choices if isinstance(c, bool)]
    ):
        value = text  # `save_strategy: no`, which YAML reads as false
    if isinstance(value, bool):
        return _accept(value, "bool" in field.kinds, field)
    if "float" in field.kinds and not node.quoted and _NUMBER.fullmatch(text):
        value = value if isinstance(value, int) else float(text.replace("_", ""))
        return _accept(value, math.isfinite(value), field)
    if isinstance(value, int) and "int" in field.kinds:
        return _accept(value, True, field)
    if "str" in field.kinds and (isinstance(value, str) or field.kinds <= {"str", "none"}):
        return _accept(text, True, field)
    if isinstance(value, str) and "list" in field.kinds:
        return [text]  # one name stands for a list of one, as on TRL's command line
    raise Mismatch(f"must be {field.describe()}")


def _refuse_other_bases(text: str, value: int) -> None:
    """YAML 1.1 reads 017 as 15 and 1:30 as 90, which nobody means."""
    digits = text.lstrip("+-")
    if ":" in digits or (len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()):
        raise Mismatch(
            f"is read as {value} by YAML; write {value}, or what was meant without leading zeros and colons"
        )


def _accept(value: Any, fits: bool, field: Field) -> Any:
    if not fits or (field.choices and value is not None and value not in field.choices):
        raise Mismatch(f"must be {field.describe()}")
    if field.choices and isinstance(value, bool) and not any(value is choice for choice in field.choices):
        raise Mismatch(f"must be {field.describe()}")
    return value
