"""What a recipe trains on: one task with its rewards, or the several of ``tasks``.

tasks:
  sums: {share: 2, task: dataset, data: {...}}
  letters: {task: aquarat, rewards: {correctness: {weight: 1.0}, answer_format: {weight: 0.1}}}
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ratchet.recipe import parts
from ratchet.recipe.fields import Field
from ratchet.recipe.findings import Findings
from ratchet.recipe.method import Method
from ratchet.recipe.source import Node
from ratchet.rewards import RewardTerm
from ratchet.rewards.functions import Sample
from ratchet.tasks import Task
from ratchet.tasks.mixture import TASK, Mixture, Part

ENTRY = {
    "task": Field(frozenset({"str"})),
    "data": Field(frozenset({"dict"})),
    "rewards": Field(frozenset({"dict"})),
    "share": Field(frozenset({"float"}), default=1.0),
}
"""The keys of one of ``tasks``."""
ALONE = ("task", "data")
"""Keys of a recipe with one task."""


@dataclass
class Chosen:
    """What is trained on, and what it earns."""

    task: Task | None = None
    rewards: list[RewardTerm] = field(default_factory=list)
    """All terms, in the recipe's order; of a mixture each applies to the rows of its tasks."""
    by_task: Mapping[str, list[RewardTerm]] = field(default_factory=dict)
    """Of a mixture: name of a task -> its own terms."""


@dataclass(frozen=True)
class OfTasks:
    """A term's function for the rows of some tasks of a mixture; it does not apply to others."""

    term: RewardTerm
    names: Sequence[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", self.term.reward.function.__doc__)  # what the model card says of it

    def __call__(self, sample: Sample) -> float | None:
        """The term's value; None for a row of another task."""
        return self.term(sample) if sample.row.get(TASK) in self.names else None


def chosen(tree: Node, method: Method, path: Path, findings: Findings) -> Chosen:
    """The task or the tasks of a recipe, with their rewards."""
    if tree.value.get("tasks") is None or tree.value["tasks"].value is None:
        cls = parts.task_class(tree, path, findings)
        task = parts.task_of(cls, tree, path, findings)
        return Chosen(task, parts.rewards_in(cls, method, tree, path, findings))
    return _several(tree, method, path, findings)


def _several(tree: Node, method: Method, path: Path, findings: Findings) -> Chosen:
    node = tree.value["tasks"]
    for key in ALONE:
        if key in tree.value:
            findings.say(tree.value[key], f"{key} and tasks exclude one another; {key} belongs into one of tasks")
    entries = {
        name: entry for name, entry in (node.value if isinstance(node.value, dict) else {}).items() if entry.value
    }
    if not entries:
        findings.say(node, "tasks is a group: NAME: {task: ..., data: {...}, share: 1.0} for each task")
        return Chosen()
    found: dict[str, Part] = {}
    common: list[str] = []
    own: dict[str, list[RewardTerm]] = {}
    classes = {}
    for name, entry in entries.items():
        before = len(findings.texts)
        if not re.fullmatch(r"[\w.-]+", str(name)):
            findings.say(entry, f"tasks: a name is made of letters, digits and _ . -; one is {name!r}")
        if not isinstance(entry.value, dict):
            findings.say(entry, f"tasks.{name} is a group: task: ..., data: {{...}}")
            continue
        given = findings.mapping(entry, ENTRY, f"tasks.{name}.")
        share = given.get("share", 1.0)
        if isinstance(share, (int, float)) and share <= 0:
            findings.say(entry, f"tasks.{name}.share must be greater than 0; it is {share:g}")
        classes[name] = parts.task_class(entry, path, findings)
        task = parts.task_of(classes[name], entry, path, findings)
        if "rewards" in entry.value:
            own[name] = parts.rewards_in(classes[name], method, entry, path, findings)
        else:
            common.append(name)
        if len(findings.texts) == before and task is not None:
            found[name] = Part(task, float(share))
    first = next((classes[name] for name in common if classes[name] is not None), Task)
    shared = parts.rewards_in(first, method, tree, path, findings) if common or "rewards" in tree.value else []
    if len(found) < len(entries):
        return Chosen()
    by_task = {name: own.get(name, shared) for name in found}
    terms = [_only(term, common, term.name) for term in shared if common]
    terms += [_only(term, [name], f"{name}/{term.name}") for name, of_task in own.items() for term in of_task]
    return Chosen(Mixture(found), terms, by_task if method.rewarded else {})


def _only(term: RewardTerm, names: Sequence[str], name: str) -> RewardTerm:
    function = OfTasks(term, tuple(names))
    return RewardTerm(replace(term.reward, name=name, function=function, optional=True), term.weight)
