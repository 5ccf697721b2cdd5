"""What a checkpoint was made from, and what differs when a run resumes from it."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ratchet
from ratchet.files import with_imports
from ratchet.recipe import Recipe

ROOMS = ("tasks", "rewards", "sandbox", "training", "models")
"""The parts of the package whose code decides what is trained on, and how."""
HARMLESS = frozenset(
    """
    output_dir run_name faults diagnostics audit evaluation.show
    report report_to tracking log_completions num_completions_to_print
    checkpointing save_total_limit save_steps save_strategy
    push_to_hub publish hub_model_id hub_strategy hub_private_repo hub_revision hub_always_push
    dataloader_num_workers
    vllm_group_port vllm_server_host vllm_server_port vllm_server_base_url vllm_server_timeout
    """.split()
)
"""Keys of a recipe, or groups of them, that change nothing that is computed: a run may resume with others."""


def code_of(recipe: Recipe) -> dict[str, str]:
    """SHA-256 of each source file that decides what is trained: Ratchet's, those of an own task
    and of own rewards, and what they import."""
    package = Path(ratchet.__file__).parent
    files = [path for room in ROOMS for path in sorted((package / room).rglob("*.py"))]
    hashes = {str(path.relative_to(package)): _hash(path) for path in files}
    for own in (path for path in recipe.own_files if path.is_file()):
        folder = own.resolve().parent
        hashes.update({str(path.relative_to(folder)): _hash(path) for path in with_imports(own)})
    return hashes


def origin(recipe: Recipe) -> dict[str, Any]:
    """Recipe and code, as the manifest keeps them."""
    return {"recipe": recipe.tree.plain(), "code": code_of(recipe)}


def differences(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> Iterator[str]:
    """What has changed since a checkpoint was made, and would change what the run computes: a line each.

    Args:
        recorded: what the checkpoint's manifest holds.
        current: ``origin`` of the recipe.
    """
    before, after = (dict(_flat(made_from.get("recipe") or {})) for made_from in (recorded, current))
    for key in sorted(before.keys() | after.keys()):
        harmless = key in HARMLESS or key.split(".")[0] in HARMLESS
        if not harmless and before.get(key) != after.get(key):
            yield f"recipe  {key}: {_shown(before, key)}, now {_shown(after, key)}"
    code_before, code_after = recorded.get("code") or {}, current.get("code") or {}
    for name in sorted(code_before.keys() | code_after.keys()):
        if name not in code_before:
            yield f"code    {name} is new"
        elif name not in code_after:
            yield f"code    {name} is gone"
        elif code_before[name] != code_after[name]:
            yield f"code    {name} was changed"


def not_exact(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> Iterator[str]:
    """Why the numbers from here on will not be those of a run without an interruption, although resuming makes sense.

    Other numbers of processes split batches and random states in another way; other versions round differently.
    """
    for key, name in (("processes", "processes"), ("distributed", "distribution")):
        if recorded.get(key) != current.get(key):
            yield f"{name}: {recorded.get(key)} then, {current.get(key)} now"
    before, after = recorded.get("versions") or {}, current.get("versions") or {}
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield f"{name} {before.get(name)} then, {after.get(name)} now"


def _flat(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a tree with its path, as in "evaluation.split"."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _flat(value, f"{prefix}{key}.")
    else:
        yield prefix.rstrip("."), tree


def _shown(values: Mapping[str, Any], key: str) -> str:
    return str(values[key]) if key in values else "not set"


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
