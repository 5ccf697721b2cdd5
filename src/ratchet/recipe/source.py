"""Where values come from: YAML files with line numbers, ``extends``, the command line and the environment.

Everything becomes one tree of ``Node``; each knows the place it was written at, so that every later message can name
it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ratchet.errors import UserError, UserErrors
from ratchet.objectives import DECIDED
from ratchet.tasks.loading import is_utf16

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FLOAT = re.compile(r"[-+]?(\d[\d_]*\.?\d*|\.\d+)[eE][-+]?\d+")
ENVIRONMENT = "RATCHET_"
DEEPEST = 50
NOT_KEYS = {"RATCHET_DATA_DIR", "RATCHET_LIGHTEVAL_ENVIRONMENT"}  # the folder of data that the tests read


@dataclass(frozen=True)
class Node:
    """A value and where it was written."""

    value: Any
    """A scalar as YAML reads it, a dict of nodes, or a list of nodes."""
    origin: str
    """ "recipes/demo.yaml:12", "command line", "environment RATCHET_SEED"."""
    text: str = ""
    """A scalar as it was written."""
    quoted: bool = False
    """Whether a scalar stood in quotes."""

    def plain(self) -> Any:
        """The value without origins; numbers such as 1e-6, which YAML 1.1 reads as text, are numbers."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        if isinstance(self.value, str) and not self.quoted and _FLOAT.fullmatch(self.value):
            return float(self.value.replace("_", ""))
        return self.value


def read_file(path: Path) -> Node:
    """The tree of a recipe with everything it extends merged under it.

    Raises:
        UserError: for a missing or empty file, broken YAML, duplicate keys, or a circle of ``extends``.
    """
    return _read(path, ())


def _read(path: Path, chain: tuple[Path, ...]) -> Node:
    resolved = path.resolve()
    if resolved in chain:
        circle = " -> ".join(p.name for p in (*chain[chain.index(resolved) :], resolved))
        raise UserError(f"{path}: extends goes round in a circle: {circle}")
    node = parse(_text(path), str(path))
    if not isinstance(node.value, dict):
        raise UserError(
            f"{path}: a recipe is a mapping of keys to values, this is "
            f"{'empty' if node.value is None else type(node.value).__name__}"
        )
    extends = node.value.pop("extends", None)
    if extends is None:
        return node
    if not isinstance(extends.value, str):
        raise UserError(f"{extends.origin}: extends takes the path of one recipe, relative to this file")
    base = path.parent / extends.value
    if not base.is_file():
        raise UserError(f"{extends.origin}: extends names {extends.value}, and there is no {base}")
    return layered(_for_another_task(_read(base, (*chain, resolved)), node), node)


def layered(base: Node, over: Node) -> Node:
    """``over`` laid on ``base``. What an objective decides gives way to one that is named above it."""
    own = over.value.get("objective")
    if own is not None and own.value is not None:
        base = Node({key: node for key, node in base.value.items() if key not in DECIDED}, base.origin)
    return merge(base, over)


def _for_another_task(base: Node, over: Node) -> Node:
    """Data and rewards belong to a task: a recipe that names another one, or several, does not inherit them."""
    task, own = base.value.get("task"), over.value.get("task")
    if "tasks" in over.value and task is not None:
        gone = ("task", "data", "rewards")
    elif own is None or (task is not None and task.value == own.value):
        return base
    else:
        gone = ("tasks", "data", "rewards")
    return Node({key: node for key, node in base.value.items() if key not in gone}, base.origin)


def _text(path: Path) -> str:
    if path.is_dir():
        raise UserError(f"{path} is a folder; name the recipe in it")
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = sorted(p.name for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        raise UserError(
            f"there is no recipe {path}" + (f"; {path.parent} has {', '.join(near)}" if near else "")
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no UTF-8 text ({_encoding(path)}); save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None


def _encoding(path: Path) -> str:
    """What a text that is no UTF-8 seems to be."""
    content = path.read_bytes()
    if is_utf16(content):
        return "UTF-16, as some editors and PowerShell write it"
    place = next(i for i, byte in enumerate(content) if byte > 127)
    line = content.count(b"\n", 0, place) + 1
    return f"perhaps Latin-1: line {line} has the byte {content[place]:#x}"


def parse(text: str, where: str, line_numbers: bool = True) -> Node:
    """Parse YAML into nodes whose origin is ``where``, with the line where there are lines."""
    try:
        _check_shape(text, where, line_numbers)
        tree = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where}:{mark.line + 1}" if mark and line_numbers else where
        if "nesting depth" in str(error):  # newer parsers have a limit of their own, and meet it first
            raise UserError(f"{place}: nested more than {DEEPEST} levels deep") from None
        raise UserError(f"{place}: not valid YAML: {getattr(error, 'problem', None) or error}") from None
    if tree is None:
        return Node(None, where)
    duplicates: list[str] = []
    node = _convert(tree, where, line_numbers, duplicates)
    if duplicates:
        raise UserErrors(duplicates)
    return node


def _check_shape(text: str, where: str, lines: bool) -> None:
    """Refuse depth that the YAML library would crash on, and aliases, with which a few bytes become gigabytes."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        origin = f"{where}:{event.start_mark.line + 1}" if lines else where
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
            if depth > DEEPEST:
                raise UserError(f"{origin}: nested more than {DEEPEST} levels deep")
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            raise UserError(
                f"{origin}: *{event.anchor} is a YAML alias; write the value out, or put what recipes share into one "
                "that they extend"
            )


def _convert(tree: yaml.Node, where: str, lines: bool, duplicates: list[str]) -> Node:
    origin = f"{where}:{tree.start_mark.line + 1}" if lines else where
    if isinstance(tree, yaml.MappingNode):
        found: dict[str, Node] = {}
        for key, value in tree.value:
            place = f"{where}:{key.start_mark.line + 1}" if lines else where
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None or name == "<<":
                raise UserError(f"{place}: a key is a plain word (to build on another recipe use extends)")
            if name in found:
                duplicates.append(f"{place}: {name} is given twice, first at {found[name].origin}")
            child = _convert(value, where, lines, duplicates)
            found[name] = Node(child.value, place, child.text, child.quoted)
        return Node(found, origin)
    if isinstance(tree, yaml.SequenceNode):
        return Node([_convert(item, where, lines, duplicates) for item in tree.value], origin)
    return Node(_scalar(tree, origin), origin, tree.value, quoted=tree.style in tuple("'\"|>"))


def _scalar(tree: yaml.ScalarNode, origin: str) -> Any:
    kind = tree.tag.rpartition(":")[2]
    if kind not in ("null", "bool", "int", "float"):
        return tree.value
    try:
        return getattr(yaml.constructor.SafeConstructor(), f"construct_yaml_{kind}")(tree)
    except (ValueError, yaml.YAMLError):
        raise UserError(f"{origin}: {tree.value!r} is not a number that can be read") from None


def merge(base: Node, over: Node) -> Node:
    """``over`` laid on ``base``: mappings key by key at every level, everything else replaced."""
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return over
    merged = dict(base.value)
    for key, node in over.value.items():
        merged[key] = merge(merged[key], node) if key in merged else node
    return Node(merged, over.origin)


def from_command_line(pairs: Sequence[tuple[str, str]]) -> Node:
    """``--key value`` pairs as a tree; dots go down a level (``--rewards.correctness.weight 2``)."""
    tree = Node({}, "command line")
    for key, text in pairs:
        tree = merge(
            tree,
            _nested(key.split("."), parse(text, f"--{key}", line_numbers=False) if text else Node("", f"--{key}")),
        )
    return tree


def from_environment(environ: Mapping[str, str]) -> Node:
    """Variables ``RATCHET_<KEY>`` as a tree; two underscores go down a level (``RATCHET_DATA__SEED``)."""
    tree = Node({}, "environment")
    for name in sorted(environ):
        if name.startswith(ENVIRONMENT) and name not in NOT_KEYS:
            path = name[len(ENVIRONMENT) :].lower().split("__")
            tree = merge(tree, _nested(path, parse(environ[name], f"environment {name}", line_numbers=False)))
    return tree


def _nested(path: Sequence[str], leaf: Node) -> Node:
    for key in reversed(path):
        leaf = Node({key: leaf}, leaf.origin)
    return leaf
