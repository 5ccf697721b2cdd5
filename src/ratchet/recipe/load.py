"""From sources to a checked ``Recipe``: precedence, every key and value, all errors at once, and no torch."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ratchet.errors import UserError, UserErrors
from ratchet.recipe import batches, distillation, mixture, objective, parts, source
from ratchet.recipe.conflicts import conflicts, launcher_conflicts
from ratchet.recipe.findings import Findings
from ratchet.recipe.groups import DEFAULTS, GROUPS, OWN_FIELDS
from ratchet.recipe.method import METHODS, Method, method_of, trainers
from ratchet.recipe.normalise import findings_by_name, modes_as_written, reject_secrets, run_name
from ratchet.recipe.precision import precision_conflicts
from ratchet.recipe.recipe import Recipe, trl_fields
from ratchet.recipe.source import Node
from ratchet.tasks import Task


def load_recipe(
    path: str | Path,
    overrides: Sequence[tuple[str, str]] = (),
    environ: Mapping[str, str] | None = None,
    trainer: str | None = None,
    to_train: bool = True,
) -> Recipe:
    """Read, merge and check a recipe.

    Precedence: ``overrides`` (the command line) over the recipe over what it extends over ``RATCHET_<KEY>`` in
    ``environ`` over defaults. The number of processes is the launcher's ``WORLD_SIZE``.

    Args:
        trainer: "sft" or "grpo" where a script can only run one kind.
        to_train: whether it is to be trained here, so that batch sizes must fit this number of processes.

    Raises:
        UserError: with every finding in one message.
    """
    environ = os.environ if environ is None else environ
    tree = source.layered(source.from_environment(environ), source.read_file(Path(path)))
    tree = source.layered(tree, source.from_command_line(overrides))
    return _checked(Path(path), tree, environ, trainer, to_train)


def recipe_from_values(
    values: Mapping[str, Any],
    origin: str,
    overrides: Sequence[tuple[str, str]] = (),
    environ: Mapping[str, str] | None = None,
    to_train: bool = True,
) -> Recipe:
    """A checked recipe without a file.

    Args:
        values: what would stand in the file.
        origin: what a finding blames instead of a file and a line, as "--task aquarat".

    Raises:
        UserError: with every finding in one message.
    """
    environ = os.environ if environ is None else environ
    written = source.parse(yaml.safe_dump({"output_dir": "outputs/recipe", **values}), origin, line_numbers=False)
    tree = source.layered(source.from_environment(environ), written)
    tree = source.layered(tree, source.from_command_line(overrides))
    return _checked(Path(origin), tree, environ, None, to_train)


def _checked(path: Path, tree: Node, environ: Mapping[str, str], wanted: str | None, to_train: bool) -> Recipe:
    """The recipe of a merged tree.

    Raises:
        UserError: with every finding in one message.
    """
    reject_secrets(tree)
    findings = Findings()
    trainer = _trainer(tree, path, wanted, findings)
    method = method_of(trainer, _given_groups(tree))
    values = _values(tree, path, method, findings)
    minimised = objective.chosen(tree, method, values, findings)
    chosen = mixture.chosen(tree, method, path, findings)
    # After the rewards were read: what follows rewrites the tree as it is saved with the run.
    modes_as_written(tree)
    findings_by_name(tree)
    distillation.locate_context(tree, path)
    own = {name: parts.group(name, kind, tree, findings) for name, kind in GROUPS.items()}
    if method.rewarded and not chosen.rewards and isinstance(chosen.task, Task):
        own["distillation"], chosen.rewards = distillation.without_rewards(own["distillation"], chosen.task)
    processes = _processes(environ)
    recipe = Recipe(
        path,
        trainer,
        chosen.task,
        values,
        chosen.rewards,
        **own,
        processes=processes,
        objective=minimised,
        tree=tree,
        by_task=chosen.by_task,
    )
    for function in recipe.foreign:
        function.bind(chosen.task)
    if chosen.task is not None:
        findings.texts += _together(recipe, environ, to_train, findings)
    if findings.texts:
        count = len(findings.texts)
        raise UserErrors(findings.texts, f"{path}: {count} {'finding' if count == 1 else 'findings'}")
    return recipe


def _trainer(tree: Node, path: Path, wanted: str | None, findings: Findings) -> str:
    """The recipe's ``trainer``; the wanted one, and a finding, where it names none.

    Raises:
        UserError: where it is not the one that the script runs.
    """
    node, default = tree.value.get("trainer"), wanted or "grpo"
    if node is None:
        others = ", ".join(name for name in trainers() if name != default)
        findings.say(path, f"trainer is missing; write trainer: {default} (or {others})")
        return default
    if node.value not in trainers():
        findings.say(node, f"trainer must be {' or '.join(trainers())}, it is {node.text or node.value!r}")
        return default
    if wanted and METHODS[node.value].script != wanted:
        raise UserError(
            f"{node.origin}: this recipe is for scripts/{METHODS[node.value].script}.py (trainer: {node.value}), "
            f"not for scripts/{wanted}.py"
        )
    return node.value


def _given_groups(tree: Node) -> list[str]:
    return [name for name, node in tree.value.items() if node.value is not None]


def _values(tree: Node, path: Path, method: Method, findings: Findings) -> dict[str, Any]:
    """The typed values of TRL's, transformers' and peft's keys."""
    known = {**OWN_FIELDS, **trl_fields(method.section)}
    values = {}
    for key, node in tree.value.items():
        if key not in OWN_FIELDS and findings.knows(key, node, known):
            values[key] = findings.value(key, node, known[key], key)
    values.setdefault("output_dir", f"outputs/{run_name(path)}")
    values.setdefault("report_to", DEFAULTS["report_to"])
    return values


def _processes(environ: Mapping[str, str]) -> int:
    given = environ.get("WORLD_SIZE", "1")
    try:
        return max(1, int(given))
    except ValueError:
        raise UserError(f"the environment variable WORLD_SIZE must be a number, it is {given!r}") from None


def _together(recipe: Recipe, environ: Mapping[str, str], to_train: bool, findings: Findings) -> list[str]:
    """Findings that need several values at once."""
    found = []
    if to_train and not findings.faulty & batches.KEYS:
        found += recipe.method.batch_problems(recipe.get, recipe.processes)
    found = [f"{recipe.path}: {text}" for text in found]
    found += conflicts(recipe)
    late = [*launcher_conflicts(recipe, environ), *(precision_conflicts(recipe, environ) if to_train else ())]
    return found + [f"{recipe.path}: {text}" for text in late]
