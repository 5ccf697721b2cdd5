"""Write ``schema.json``: the fields of the installed TRL's configuration classes, so that reading a recipe needs no
TRL.

python -m ratchet.recipe.make_schema            # after changing the pinned versions
python -m ratchet.recipe.make_schema --check    # exit 1 when the file does not match what is installed
"""

import dataclasses
import enum
import json
import sys
import typing
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ratchet.recipe.fields import from_annotation
from ratchet.recipe.method import METHODS, imported

SCHEMA = Path(__file__).with_name("schema.json")
PACKAGES = ("trl", "transformers", "accelerate", "peft")


def make() -> dict[str, Any]:
    """The schema of what is installed."""
    own = [m for m in METHODS.values() if m.name == m.section or m.config != METHODS[m.section].config]
    places = {"model": "trl:ModelConfig", **{method.name: method.config for method in own}}
    classes = {name: imported(place) for name, place in places.items()}
    return {
        "versions": {name: version(name) for name in PACKAGES},
        **{
            name: {f.name: _field(f, typing.get_type_hints(cls)[f.name]) for f in dataclasses.fields(cls) if f.init}
            for name, cls in classes.items()
        },
    }


def _field(item: dataclasses.Field, annotation: Any) -> dict[str, Any]:
    default = item.default if item.default is not dataclasses.MISSING else None
    enums = [
        part
        for part in (annotation, *typing.get_args(annotation))
        if isinstance(part, type) and issubclass(part, enum.Enum)
    ]
    choices = [member.value for one in enums for member in one]
    if item.name in ("debug", "optim"):
        choices = [] if item.name == "debug" else choices
    else:
        choices = choices or list(item.metadata.get("choices") or [])
    parts = [
        p for p in (typing.get_args(annotation) if typing.get_origin(annotation) else (annotation,)) if p not in enums
    ]
    field = from_annotation(annotation) if not enums else None
    kinds = set(field.kinds) if field else {"str"} | ({"none"} if type(None) in parts else set())
    if field and field.choices:
        choices = [] if len(field.choices) < len(typing.get_args(annotation)) else list(field.choices)
    return {"kinds": sorted(kinds), "choices": choices or None, "default": _plain(default)}


def _plain(value: Any) -> Any:
    value = value.value if isinstance(value, enum.Enum) else value
    return value if isinstance(value, (bool, int, float, str, type(None))) else None


def main() -> int:
    """Write the schema, or compare it with the written one."""
    text = json.dumps(make(), indent=1, sort_keys=True) + "\n"
    if "--check" in sys.argv[1:]:
        same = SCHEMA.is_file() and SCHEMA.read_text(encoding="utf-8") == text
        print(f"{SCHEMA.name} {'matches' if same else 'does not match'} the installed versions")
        return 0 if same else 1
    SCHEMA.write_text(text, encoding="utf-8")
    print(f"wrote {SCHEMA}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
