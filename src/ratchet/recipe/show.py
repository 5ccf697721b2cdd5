"""``--show-config``: every value of a recipe with the place it comes from."""

from typing import Any

import yaml

from ratchet.recipe.fields import of_dataclass, schema
from ratchet.recipe.recipe import Recipe, trl_fields
from ratchet.recipe.source import Node


def show(recipe: Recipe) -> str:
    """The resolved configuration as text: what is set, Ratchet's groups in full, then TRL's defaults."""
    versions = schema()["versions"]
    lines = [f"# {recipe.path}, for {recipe.processes} process{'es' if recipe.processes > 1 else ''}"]
    for key, node in recipe.tree.value.items():
        lines += _lines(key, node, 0)
    lines.append("\n# Defaults of Ratchet")
    groups = {
        "data": recipe.task,
        **{
            name: getattr(recipe, name)
            for name in ("audit", "evaluation", "diagnostics", "lean", "tracking", "report")
        },
    }
    for name, group in groups.items():
        given = recipe.tree.value.get(name, Node({}, "")).value or {}
        for key in of_dataclass(type(group)) if hasattr(type(group), "__dataclass_fields__") else ():
            if key not in given:
                lines.append(_line(f"{name}.{key}", getattr(group, key), "default", 0))
    for key in ("output_dir", "report_to"):
        if key not in recipe.tree.value:
            lines.append(_line(key, recipe.values[key], "default", 0))
    lines.append(
        f"\n# Defaults of trl {versions['trl']}, transformers {versions['transformers']}, peft {versions['peft']}"
    )
    for key, field in sorted(trl_fields(recipe.method.section).items()):
        if key not in recipe.values:
            lines.append(_line(key, field.default, "default", 0))
    return "\n".join(lines)


def _lines(key: str, node: Node, depth: int) -> list[str]:
    if isinstance(node.value, dict) and node.value:
        below = [line for k, n in node.value.items() for line in _lines(k, n, depth + 1)]
        return [f"{'  ' * depth}{key}:", *below]
    return [_line(key, node.plain(), node.origin, depth)]


def _line(key: str, value: Any, origin: str, depth: int) -> str:
    if hasattr(value, "__dataclass_fields__"):
        value = vars(value)
    if isinstance(value, tuple):
        value = list(value)
    shown = (
        yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
        .removesuffix("\n")
        .removesuffix("\n...")
    )
    return f"{'  ' * depth}{key}: {shown:<40} # {origin}"
