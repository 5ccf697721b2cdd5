"""The parts of a recipe that are built while it is read: its task, rewards, and Ratchet's own groups."""

import dataclasses
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.recipe.fields import Field, of_dataclass, of_function
from ratchet.recipe.findings import Findings
from ratchet.recipe.groups import OPTIONAL, OWN_FIELDS
from ratchet.recipe.method import Method, trainers_that
from ratchet.recipe.source import Node
from ratchet.rewards import Reward, RewardTerm, check_weights, rewards_of
from ratchet.rewards.foreign import foreign_function, is_reference
from ratchet.rewards.judge import Judge
from ratchet.rewards.reward_model import RewardModel
from ratchet.tasks import Task, find_task

WEIGHT = Field(frozenset({"float"}), default=1.0)


def task_class(tree: Node, path: Path, findings: Findings) -> type[Task] | None:
    """The class that the recipe's ``task`` names; a Python file may be given relative to the recipe."""
    node = tree.value.get("task")
    if node is None or not isinstance(node.value, str):
        findings.say(node or path, "task must name a task (aquarat) or the Python file of one")
        return None
    node = tree.value["task"] = located(node, path) if ".py" in node.value else node
    try:
        return find_task(node.value)
    except UserError as error:
        findings.say(node, str(error))
        return None


def task_of(cls: type[Task] | None, tree: Node, path: Path, findings: Findings) -> Task | None:
    """The task with its ``data``; None where something is wrong with either."""
    node = tree.value.get("data", Node({}, str(path)))
    if cls is None:
        return None
    if not isinstance(node.value, dict):
        findings.say(node, "data is a group of keys")
        return None
    for key in cls.paths:
        if key in node.value:
            node.value[key] = located(node.value[key], path)
    known = _parameters(cls)
    before = len(findings.texts)
    values = findings.mapping(node, known, "data.")
    missing = [key for key, field in known.items() if field.required and key not in values]
    if missing:
        findings.say(node, f"data: {', '.join(missing)} missing")
    if len(findings.texts) > before:
        return None
    try:
        return cls(**{key: _built(cls, key, value) for key, value in values.items()})
    except UserError as error:
        findings.say(node, str(error))
        return None


def folder_of(node: Node, path: Path) -> Path:
    """The folder of the file in which a value is written; of one that is not in a file that of the recipe."""
    file = Path(node.origin.rpartition(":")[0])
    return file.parent if file.suffix in (".yaml", ".yml") and file.is_file() else path.parent


def located(node: Node, path: Path) -> Node:
    """A path, perhaps with ":function" behind it, in full where it is found beside the recipe alone; or a list."""
    if isinstance(node.value, list):
        return Node([located(one, path) for one in node.value], node.origin, node.text)
    if not isinstance(node.value, str) or not node.value:
        return node
    name, colon, word = node.value.rpartition(":") if ".py:" in node.value else (node.value, "", "")
    beside = folder_of(node, path) / name
    if Path(name).expanduser().exists() or not beside.exists():
        return node
    full = f"{beside.resolve()}{colon}{word}"
    return Node(full, node.origin, full)


def _parameters(cls: type[Task]) -> dict[str, Field]:
    """What a task's ``data`` may hold: the fields of a dataclass, or the parameters of its constructor."""
    if dataclasses.is_dataclass(cls):
        return of_dataclass(cls)
    return of_function(cls.__init__, 1) if "__init__" in vars(cls) else {}


def _built(cls: type, key: str, value: Any) -> Any:
    """Turn a checked mapping into the dataclass that the task's field wants, and a list into its tuple."""
    hint = typing.get_type_hints(cls).get(key)
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return hint(**{k: tuple(v) if isinstance(v, list) else v for k, v in value.items()})
    return value


def rewards_in(cls: type[Task] | None, method: Method, tree: Node, path: Path, findings: Findings) -> list[RewardTerm]:
    """The recipe's rewards with their weights and parameters, in its order."""
    node = tree.value.get("rewards")
    if cls is None:
        return []
    if not method.rewarded:
        if node is not None and node.value:
            findings.say(node, f"rewards are for {trainers_that('rewarded')}; {_why_unrewarded(method)}")
        return []
    if (node is None or node.value is None) and not method.needs_rewards:
        return []
    if node is None or not isinstance(node.value, dict):
        findings.say(node or path, "rewards is missing; write rewards: {correctness: {weight: 1.0}}")
        return []
    try:
        known, terms = rewards_of(cls), []
    except UserError as error:
        findings.say(tree.value["task"], str(error))
        return []
    for name, entry in [*node.value.items()]:
        if entry.value is None:
            continue  # an inherited reward taken away
        if name.partition(":")[0] == "judge":
            terms += _judge_term(name, entry, path, findings)
        elif name.startswith("model:"):
            terms += _model_term(name, node, path, findings)
        elif is_reference(name):
            terms += _foreign_term(name, node, path, findings)
        elif findings.knows(name, entry, dict.fromkeys(known, WEIGHT), "rewards."):
            terms.append(_term(known[name], entry, findings))
    if not any(name.startswith("rewards.") for name in findings.faulty):
        try:
            check_weights(terms)
        except UserError as error:
            findings.say(node, str(error))
    return terms


def _why_unrewarded(method: Method) -> str:
    return f"{method.name} " + ("imitates the task's targets" if method.imitates else "has none")


def _term(reward: Reward, node: Node, findings: Findings) -> RewardTerm:
    name = f"rewards.{reward.name}"
    if not isinstance(node.value, dict):
        findings.say(node, f"{name} is a group: {reward.name}: {{weight: 1.0}}")
        return RewardTerm(reward)
    values = findings.mapping(node, {"weight": WEIGHT, **of_function(reward.function, 1)}, f"{name}.")
    weight = values.pop("weight", 1.0)
    if reward.goal and isinstance(weight, (int, float)) and weight <= 0:
        findings.say(node, f"{name}.weight must be greater than 0; it is {weight}")
    return RewardTerm(reward, weight, values)


FOREIGN = {
    "weight": WEIGHT,
    "low": Field(frozenset({"float"}), default=0.0),
    "high": Field(frozenset({"float"}), default=1.0),
    "goal": Field(frozenset({"bool"}), default=False),
    "wrong": Field(frozenset({"float", "none"}), default=None),
    "plain": Field(frozenset({"bool"}), default=False),
}
"""The keys of a function that TRL could call: its range, whether it says what is wanted, whether it takes texts."""


def _given(
    name: str, node: Node, known: dict[str, Field], example: str, findings: Findings, needed: Sequence[str] = ()
) -> dict[str, Any] | None:
    """The values of a reward's keys, with defaults; None where something is wrong with them."""
    if not isinstance(node.value, dict):
        findings.say(node, f"rewards.{name} is a group: {example}")
        return None
    before = len(findings.texts)
    given = findings.mapping(node, known, f"rewards.{name}.")
    if missing := [key for key in needed if key not in given]:
        findings.say(node, f"rewards.{name}: {', '.join(missing)} missing")
    if len(findings.texts) > before:
        return None
    return {**{key: field.default for key, field in known.items()}, **given}


def _renamed(node: Node, old: str, new: str) -> None:
    """Name a reward in full from now on, in its place."""
    entries = {new if key == old else key: value for key, value in node.value.items()}
    node.value.clear()
    node.value.update(entries)


def _foreign_term(name: str, node: Node, path: Path, findings: Findings) -> list[RewardTerm]:
    """A function of somebody else's as a reward; its file is named in full from then on."""
    entry = node.value[name]
    values = _given(name, entry, FOREIGN, f"{name}: {{weight: 1.0}}", findings)
    if values is None:
        return []
    try:
        function = foreign_function(name, folder_of(entry, path), values["plain"])
    except UserError as error:
        findings.say(entry, str(error))
        return []
    if not values["low"] < values["high"]:
        findings.say(
            entry, f"rewards.{name}.low must lie below high; they are {values['low']:g} and {values['high']:g}"
        )
    if function.path is not None:
        _renamed(node, name, f"{function.path.resolve()}:{name.rpartition(':')[2]}")
    word = name.rpartition(":")[2].rpartition(".")[2]
    return [_outside(word, function, values, optional=True)]


def _outside(word: str, function: Any, values: dict[str, Any], optional: bool = False) -> RewardTerm:
    """A term of a function with its range; the most that a wrong answer earns is the lowest value without another."""
    wrong = values["low"] if values["wrong"] is None else values["wrong"]
    reward = Reward(word, function, values["low"], values["high"], values["goal"], wrong, optional)
    return RewardTerm(reward, values["weight"])


JUDGE = {key: field for key, field in of_dataclass(Judge).items() if key != "task"}
"""The keys of a judge, beside those of other functions."""
PROMPTS = (".txt", ".j2", ".jinja", ".md")
"""Ends of the names of files that hold a judge's prompt."""


def _judge_term(name: str, node: Node, path: Path, findings: Findings) -> list[RewardTerm]:
    """A judge; its prompt may be the file of one."""
    known = {**{key: FOREIGN[key] for key in ("weight", "goal", "wrong")}, **JUDGE}
    needed = [key for key, field in JUDGE.items() if field.required]
    values = _given(name, node, known, "{weight: 0.2, server: http://..., model: ...}", findings, needed)
    if values is None:
        return []
    if values["prompt"].endswith(PROMPTS):
        file = folder_of(node, path) / values["prompt"]
        if not file.is_file():
            findings.say(node, f"rewards.{name}.prompt: the file {file} does not exist")
            return []
        values["prompt"] = file.read_text(encoding="utf-8")
        node.value["prompt"] = Node(values["prompt"], node.value["prompt"].origin, values["prompt"], quoted=True)
    try:
        judge = Judge(**{key: values[key] for key in JUDGE})
    except UserError as error:
        findings.say(node, f"rewards.{name}: {error}")
        return []
    return [_outside(name.replace(":", "_"), judge, {**values, "low": 0.0, "high": 1.0})]


def _model_term(name: str, node: Node, path: Path, findings: Findings) -> list[RewardTerm]:
    """A reward model, whose range has to be said; its folder is named in full from then on."""
    entry = node.value[name]
    known = {key: field for key, field in FOREIGN.items() if key != "plain"}
    values = _given(name, entry, known, "{weight: 0.2, low: -5, high: 5}", findings)
    if values is None:
        return []
    if not {"low", "high"} <= entry.value.keys() or not values["low"] < values["high"]:
        findings.say(entry, f"rewards.{name} wants low and high, between which its values are cut, low below high")
        return []
    place = name.removeprefix("model:")
    beside = folder_of(entry, path) / place
    if beside.is_dir():
        place = str(beside.resolve())
        _renamed(node, name, f"model:{place}")
    return [_outside("model", RewardModel(place, values["low"], values["high"]), values)]


def group(name: str, cls: type, tree: Node, findings: Findings) -> Any:
    """One of Ratchet's own groups, with its defaults; None where it is optional and absent."""
    without = None if name in OPTIONAL else cls()
    node = tree.value.get(name)
    if node is None or node.value is None:
        return without
    if not isinstance(node.value, dict):
        findings.say(node, f"{name} is a group of keys: {', '.join(OWN_FIELDS[name].group)}")
        return without
    return cls(**findings.value(name, node, OWN_FIELDS[name], name))
