"""The recipe's ``objective``: its name and parameters, and TRL's arguments that follow from it."""

import difflib
from dataclasses import asdict
from typing import Any

from ratchet.objectives import OBJECTIVES, Objective
from ratchet.recipe.fields import of_dataclass
from ratchet.recipe.findings import Findings
from ratchet.recipe.method import Method, trainers_that
from ratchet.recipe.source import Node

NAME = "name"
ELSEWHERE = {
    "clip": "grpo (its clipped ratio) or dr_grpo (its advantage without spread)",
    "ratio": "aipo (a cap from above alone)",
    "sequence": "gspo",
    "default": "dr_grpo",
    "ppo": "grpo: there is no value model",
    "reinforce": "rloo",
    "maxrl": "max_rl",
}
"""Names of other systems -> ours."""


def chosen(tree: Node, method: Method, values: dict[str, Any], findings: Findings) -> Objective | None:
    """The objective that a recipe names; its arguments are added to ``values``, and to the tree as it is saved.

    A key of TRL's that says something else is a finding; those below the objective have given way
    (``source.layered``).
    """
    node = tree.value.get("objective")
    if node is None or node.value is None:
        return None
    if not method.rewarded or method.overlapped:
        findings.say(node, f"objective is for {trainers_that('rewarded')}; {method.title} has a loss of its own")
        return None
    made = _made(node, findings)
    if made is None:
        return None
    for key, value in made.arguments().items():
        said = tree.value.get(key)
        given = values.get(key)
        if isinstance(given, bool):  # as TRL reads scale_rewards
            given = "group" if given else "none"
        if said is not None and given != value:
            why = made.because.get(key)
            findings.say(
                said,
                f"{key}: {said.text} contradicts objective: {made.name}, whose {key} is {value}"
                + (f" ({why})" if why else "")
                + "; take one of the two out",
            )
        values[key] = value
        tree.value[key] = Node(value, node.origin, str(value), quoted=isinstance(value, str))
    return made


def _made(node: Node, findings: Findings) -> Objective | None:
    entries = dict(node.value) if isinstance(node.value, dict) else {NAME: node}
    named = entries.pop(NAME, None)
    name = named.text if named is not None else ""
    if name not in OBJECTIVES:
        findings.say(node, f"objective: there is no {name or 'name'}; {_hint(name)}")
        return None
    kind = OBJECTIVES[name]
    before = len(findings.texts)
    given = findings.mapping(Node(entries, node.origin), of_dataclass(kind), "objective.")
    for key, value in given.items():
        if not value > 0:
            findings.say(entries[key], f"objective.{key} must be greater than 0; it is {value}")
    return kind(**given) if len(findings.texts) == before else None


def _hint(name: str) -> str:
    if name in ELSEWHERE:
        return f"what other systems call so is {ELSEWHERE[name]}"
    near = difflib.get_close_matches(name, OBJECTIVES, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(OBJECTIVES)}"


def described(objective: Objective) -> str:
    """An objective in a line: its parameters, and what TRL is told.

    >>> described(OBJECTIVES["rloo"]())
    'rloo (loss_type dr_grpo, scale_rewards none, importance_sampling_level token, epsilon 0.2, epsilon_high 0.2)'
    """
    given = ", ".join(f"{key} {value:g}" for key, value in asdict(objective).items())
    told = ", ".join(f"{key} {value}" for key, value in objective.arguments().items())
    return f"{objective.name}{f' with {given}' if given else ''} ({told})"
