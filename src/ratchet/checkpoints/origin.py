"""What a checkpoint was made from, and what differs when a run goes on from it."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ratchet
from ratchet.recipe import Recipe

ROOMS = ("tasks", "rewards", "training", "models")  # whose code decides what is trained on, and how
# Keys that change nothing that is computed.
HARMLESS = frozenset(
    "output_dir faults diagnostics evaluation.show run_name report report_to tracking audit checkpointing save_total_limit save_steps save_strategy push_to_hub publish hub_model_id "
    "hub_strategy hub_private_repo hub_revision hub_always_push log_completions num_completions_to_print dataloader_num_workers "
    "vllm_group_port vllm_server_host vllm_server_port vllm_server_base_url vllm_server_timeout".split()
)


def code_of(recipe: Recipe) -> dict[str, str]:
    """SHA-256 of each source file that decides what is trained: Ratchet's, and the file of a task of one's own."""
    package = Path(ratchet.__file__).parent
    found = {
        str(path.relative_to(package)): _hash(path)
        for room in ROOMS
        for path in sorted((package / room).rglob("*.py"))
    }
    own = Path(str(recipe.tree.value["task"].plain()))
    return {**found, own.name: _hash(own)} if own.suffix == ".py" and own.is_file() else found


def origin(recipe: Recipe) -> dict[str, Any]:
    """Recipe and code, as the manifest keeps them."""
    return {"recipe": recipe.tree.plain(), "code": code_of(recipe)}


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What the run would go on with that it did not begin with, a line each.

    Args:
        then: what a manifest holds.
        now: ``origin`` of the recipe.
    """
    before, after = (dict(_flat(found.get("recipe") or {})) for found in (then, now))
    for key in sorted(before.keys() | after.keys()):
        if not {key, key.split(".")[0]} & HARMLESS and before.get(key) != after.get(key):
            yield f"recipe  {key}: {_shown(before, key)}, now {_shown(after, key)}"
    code_then, code_now = then.get("code") or {}, now.get("code") or {}
    for name in sorted(code_then.keys() | code_now.keys()):
        if code_then.get(name) != code_now.get(name):
            yield f"code    {name} {'is new' if name not in code_then else 'is gone' if name not in code_now else 'was changed'}"


def not_exact(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Why the numbers after this will not be those of a run without an interruption, although it goes on sensibly."""
    for key, name in (("processes", "processes"), ("distributed", "distribution")):
        if then.get(key) != now.get(key):
            yield f"{name}: {then.get(key)} then, {now.get(key)} now"
    before, after = then.get("versions") or {}, now.get("versions") or {}
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield f"{name} {before.get(name)} then, {after.get(name)} now"


def _flat(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _flat(value, f"{prefix}{key}.")
    else:
        yield prefix.rstrip("."), tree


def _shown(values: Mapping[str, Any], key: str) -> str:
    return "not set" if key not in values else str(values[key])


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
