"""What is wrong with a recipe, gathered while its values are typed, so that all of it is said at once."""

import difflib
import json
import re
from collections.abc import Mapping
from typing import Any

from ratchet.recipe import limits
from ratchet.recipe.fields import Field, Mismatch, check
from ratchet.recipe.groups import GROUPS, OWN_FIELDS
from ratchet.recipe.source import Node


class Findings:
    """Sentences about a recipe, each with the place that is to blame.

    Attributes:
        texts: the sentences so far.
        faulty: names of keys whose value was refused, so that no check of several values trips over them again.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.faulty: set[str] = set()

    def say(self, place: Any, text: str) -> None:
        """Add a sentence about a place: a node of the recipe, or a file."""
        self.texts.append(f"{place.origin if isinstance(place, Node) else place}: {text}")

    def knows(self, key: str, node: Node, known: Mapping[str, Field], path: str = "") -> bool:
        """Whether a key is one of ``known``; a sentence with what was probably meant where it is not.

        Args:
            path: the groups above the key, with a dot after each.
        """
        if key in known:
            return True
        if not path and key in limits.RETIRED:
            self.say(node, f"{key} is no longer a key; use {limits.RETIRED[key]}")
        elif not path and key in limits.NOT_IN_RECIPES:
            self.say(node, f"{key} does not belong in a recipe: {limits.NOT_IN_RECIPES[key]}")
        else:
            self.say(node, f"unknown key {path}{key}; {_hint(key, known, path)}")
        return False

    def value(self, key: str, node: Node, field: Field, name: str) -> Any:
        """A node's typed value; its default, and a sentence, where the field does not take it."""
        if field.group is not None and isinstance(node.value, dict):
            return self.mapping(node, field.group, f"{name}.")
        try:
            value = check(node, field)
        except Mismatch as mismatch:
            shown = node.text if node.text or node.value == "" else json.dumps(node.plain(), default=str)
            self.say(node, f"{name} {mismatch}; it is {shown or 'empty'!s}{_meant(node, field)}")
            self.faulty.add(name)
            return field.default
        wrong = limits.out_of_range(key, value)
        if wrong:
            self.say(node, f"{name} {wrong}; it is {value}")
            self.faulty.add(name)
        return value

    def mapping(self, node: Node, known: Mapping[str, Field], path: str) -> dict[str, Any]:
        """The typed values of the known keys of a group."""
        return {
            key: self.value(key, child, known[key], path + key)
            for key, child in node.value.items()
            if self.knows(key, child, known, path)
        }


def _meant(node: Node, field: Field) -> str:
    """What was probably meant by a value that is refused."""
    if isinstance(node.value, bool) and not node.quoted and "bool" not in field.kinds:
        of_choices = next((c for c in field.choices or () if str(c).lower() == node.text.lower()), None)
        if of_choices is not None:
            return f" (write {of_choices})"
        return f', which YAML reads as {str(node.value).lower()}; for the word put it in quotes: "{node.text}"'
    if isinstance(node.value, str) and re.fullmatch(r"0o[0-7]+", node.text):
        return f" (write {int(node.text, 8)})"
    return ""


def _hint(key: str, known: Mapping[str, Field], path: str) -> str:
    """What was probably meant: a key of nearly that name, the group that it belongs to, or what there is."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {path}{near[0]}?"
    where = next((group for group in GROUPS if not path and key in OWN_FIELDS[group].group), None)
    if where:
        return f"it belongs under {where}:"
    owner = path.rstrip(".") or "the recipe"
    return f"{owner} knows {_few(known)}" if known else f"{owner} takes no keys"


def _few(names: Mapping[str, Any]) -> str:
    if len(names) <= 12:
        return ", ".join(sorted(names))
    return f"{len(names)} keys (scripts/grpo.py RECIPE --show-config prints them)"
