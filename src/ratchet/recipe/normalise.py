"""Forms of a recipe that mean the same, brought to one before it is typed; and values that must not be there at
all."""

from pathlib import Path

from ratchet.errors import UserError
from ratchet.recipe import limits
from ratchet.recipe.source import Node

# Groups that a single word can stand for, and the mode that "on", "yes" or "true" means.
MODES = {"audit": "stop", "diagnostics": "on", "report": "on", "lean": "on"}


def modes_as_written(tree: Node) -> None:
    """``audit: off``, which YAML reads as false, for ``audit: {mode: off}``."""
    for name, yes in MODES.items():
        node = tree.value.get(name, Node({}, ""))
        if isinstance(node.value, (bool, str)):
            word = {"true": yes, "on": yes, "false": "off", "no": "off"}.get(node.text.lower(), node.text)
            tree.value[name] = Node({"mode": Node(word, node.origin, word, quoted=True)}, node.origin)
        elif isinstance(node.value, dict) and isinstance(getattr(node.value.get("mode"), "value", None), bool):
            mode = node.value["mode"]
            word = yes if mode.value else "off"
            node.value["mode"] = Node(word, mode.origin, word, quoted=True)


def findings_by_name(tree: Node) -> None:
    """Names of accepted findings with their hyphens, which are underscores on the command line and in the
    environment."""
    node = tree.value.get("audit", Node({}, ""))
    accept = node.value.get("accept") if isinstance(node.value, dict) else None
    if accept is not None and isinstance(accept.value, dict):
        named = {name.replace("_", "-"): reason for name, reason in accept.value.items()}
        tree.value["audit"] = Node({**node.value, "accept": Node(named, accept.origin)}, node.origin)


def reject_secrets(node: Node, key: str = "") -> None:
    """Refuse a value that looks like a secret, or stands under a key that holds one.

    Raises:
        UserError: alone and at once, so that no other message can print the value.
    """
    if isinstance(node.value, dict):
        for name, child in node.value.items():
            reject_secrets(child, name)
    elif isinstance(node.value, list):
        for child in node.value:
            reject_secrets(child, key)
    elif node.value and isinstance(node.value, str):
        named = limits.SECRET_KEY.search(key) and key not in limits.NOT_SECRET_KEYS
        if named or (limits.SECRET_VALUE.search(node.value) and not key.endswith("revision")):
            raise UserError(
                f"{node.origin}: {key} looks like a secret; recipes are saved and published. Put it in the "
                "environment (.env) and take it out here"
            )


def run_name(path: Path) -> str:
    """recipes/aquarat/sft.yaml -> aquarat-sft, so that two recipes never share a folder by their file names alone.

    >>> run_name(Path("recipes/aquarat/sft.yaml")), run_name(Path("recipes/demo.yaml")), run_name(Path("mine.yaml"))
    ('aquarat-sft', 'demo', 'mine')
    """
    folders = path.parent.parts
    below = folders[len(folders) - folders[::-1].index("recipes") :] if "recipes" in folders else ()
    return "-".join([*below, path.stem])
