"""The environment package with its arguments, and the recipe's rewards in its words."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.integrations.prime_rl.lost import Lost
from ratchet.integrations.prime_rl.refusals import ENVIRONMENTS
from ratchet.recipe import Recipe
from ratchet.tasks import Task, train_split

# A Python file of rewards that the environment has not by itself; verifiers calls its functions with a trace.
HEAD = (
    '"""Rewards of the recipe that the environment has not by itself, with their parameters; '
    'verifiers calls them with a trace."""\n'
)
FUNCTIONS = {
    "answer_format": """

async def answer_format(trace) -> float:
    return trace.metrics.get("format", 0.0)
""",
    "overlong": """

async def overlong(trace, limit: int = {limit}, cache: int = {cache}) -> float:
    return -min(1.0, max(0.0, (trace.num_output_tokens - (limit - cache)) / max(1, cache)))
""",
}
CACHE = 64  # of the reward overlong: its own default


@dataclass(frozen=True)
class Rewards:
    """The recipe's rewards, as far as the environment has them."""

    chosen: Mapping[str, Mapping[str, Any]]
    """Name there -> weight, and the function's place where it is ours."""
    file: str
    """Text of rewards.py; nothing where none is needed."""
    lost: list[Lost]


@dataclass(frozen=True)
class Sources:
    """The environment, to train on and to evaluate on."""

    train: Mapping[str, Any]
    held_out: Mapping[str, Any]


def rewards_of(recipe: Recipe, folder: Path) -> Rewards:
    """Translate the rewards.

    Args:
        folder: where rewards.py is written; prime-rl imports it by its absolute path.
    """
    weights = {term.reward.name: float(term.weight) for term in recipe.rewards}
    settings = {term.reward.name: term.parameters for term in recipe.rewards}
    chosen: dict[str, Any] = {"correctness": {"weight": weights.pop("correctness", 0.0)}}
    if "score" in weights:
        if recipe.task.name != "dakota":
            raise UserError("rewards.score: the environment package of this task has no partial credit")
        chosen["partial_credit"] = {"weight": weights.pop("score")}
    functions = ""
    for name, template in FUNCTIONS.items():
        if name in weights:
            chosen[name] = {"fn": f"{folder.resolve() / 'rewards.py'}:{name}", "weight": weights.pop(name)}
            limit, cache = recipe.get("max_completion_length"), settings[name].get("cache", CACHE)
            functions += template.format(limit=limit, cache=cache)
    lost = [(f"rewards.{name}", "left out: it has no counterpart in the environment package") for name in weights]
    return Rewards(chosen, HEAD + functions if functions else "", lost)


def sources_of(recipe: Recipe, rewards: Rewards) -> Sources:
    """The environment's arguments for the rows of training and of evaluation."""
    task, split = recipe.task, recipe.evaluation.split
    common = _common(task)
    train = {**common, "split": "train", "train_split": train_split(task)}
    if getattr(task, "max_train", None):
        train["num_train_examples"] = task.max_train
    train["task"] = {**common.get("task", {}), "rewards": rewards.chosen}
    held_out = {**common, "split": "eval", "eval_split": split}
    return Sources(
        {"name": task.name, "env": {"taskset": train}},
        {"name": f"{task.name}-{split}", "env": {"taskset": held_out}},
    )


def _common(task: Task) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "id": ENVIRONMENTS[task.name],
        "data_dir": _place(str(task.source)),
        "seed": task.seed,
    }
    if task.system_prompt:
        arguments["system_prompt"] = task.system_prompt
    for name in ("kinds", "difficulties"):
        if getattr(task, name, None):
            arguments[name] = list(getattr(task, name))
    if getattr(task, "orthography", "riggs") != "riggs":
        arguments["task"] = {"orthography": task.orthography}
    return arguments


def _place(source: str) -> str:
    """A folder by its absolute path, since prime-rl is started elsewhere; a data set on the Hub by its name."""
    folder = Path(source).expanduser()
    is_folder = folder.exists() or source.startswith((".", "/", "~"))
    return str(folder.resolve()) if is_folder else source
