"""A checked recipe: everything that a run needs to know, typed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from ratchet.objectives import Objective
from ratchet.recipe import groups, limits
from ratchet.recipe.batches import Batches
from ratchet.recipe.fields import Field, schema
from ratchet.recipe.groups import DEFAULTS
from ratchet.recipe.method import METHODS, Method, method_of
from ratchet.recipe.source import Node
from ratchet.rewards import RewardTerm
from ratchet.rewards.foreign import ForeignFunction
from ratchet.rewards.judge import Judge
from ratchet.rewards.reward_model import RewardModel
from ratchet.tasks import Task
from ratchet.tasks.dataset.sources import is_function
from ratchet.tasks.mixture import Mixture

Outside = ForeignFunction | Judge | RewardModel
# How prompts are rendered, for every method: some of TRL's configurations know some of these.
PROMPT_FIELDS = {
    "chat_template_path": Field(frozenset({"str", "none"})),
    "chat_template_kwargs": Field(frozenset({"dict", "none"})),
    "eos_token": Field(frozenset({"str", "none"})),
    "merge_system": Field(frozenset({"bool"}), default=False),
}
# How training goes on where ``model_name_or_path`` is an adapter's folder.
MODEL_FIELDS = {"adapter": Field(frozenset({"str", "none"}), ("continue", "merge"))}
# TRL declares these with null although null means nothing there.
NEVER_NULL = ("learning_rate", "num_generations", "max_completion_length")


@lru_cache(maxsize=4)
def trl_fields(section: str) -> dict[str, Field]:
    """The keys of a trainer's section of the schema, and of the model's, that a recipe may hold."""
    found = {}
    for part in ("model", section):
        choices = limits.CHOICES.get(part, {})
        for name, entry in schema()[part].items():
            if name not in limits.NOT_IN_RECIPES and name not in limits.DEPRECATED_FIELDS:
                found[name] = _field(name, entry, choices.get(name) or entry["choices"])
    for name, field_ in {**PROMPT_FIELDS, **MODEL_FIELDS}.items():
        found.setdefault(name, field_)
    for name in NEVER_NULL:
        if name in found:
            found[name] = Field(found[name].kinds - {"none"}, found[name].choices, found[name].default)
    return found


def _field(name: str, entry: Mapping[str, Any], allowed: Any) -> Field:
    kinds = set(entry["kinds"])
    if allowed and any(isinstance(choice, bool) for choice in allowed):
        kinds.add("bool")
    default = DEFAULTS.get(name, entry["default"])
    return Field(frozenset(kinds), tuple(allowed) if allowed else None, default)


@dataclass
class Recipe:
    """A checked recipe: everything a run needs to know, typed."""

    path: Path
    trainer: str
    """As the recipe says it; ``method`` is what it means."""
    task: Task
    values: dict[str, Any]
    """TRL's, transformers' and peft's keys that are set somewhere."""
    rewards: list[RewardTerm]
    audit: groups.Audit
    checkpointing: groups.Checkpointing
    lean: groups.Lean
    faults: groups.Faults
    publish: groups.Publish
    curriculum: groups.Curriculum | None
    evaluation: groups.Evaluation
    diagnostics: groups.Diagnostics
    tracking: groups.Tracking
    report: groups.ReportPage
    from_scratch: groups.FromScratch | None
    asynchronous: groups.Asynchronous | None
    distillation: groups.Distillation | None
    processes: int
    objective: Objective | None
    """What is minimised, where the recipe names it; its arguments are in ``values``."""
    tree: Node = field(repr=False)
    """The merged sources."""
    by_task: Mapping[str, list[RewardTerm]] = field(default_factory=dict)
    """Of a mixture: name of a task -> the rewards of its rows."""

    @property
    def method(self) -> Method:
        """How it is trained: what the trainers differ in."""
        variants = {method.group for method in METHODS.values() if method.group}
        return method_of(self.trainer, {name for name in variants if getattr(self, name) is not None})

    def get(self, key: str) -> Any:
        """A TRL key's value, or its default."""
        return self.values[key] if key in self.values else trl_fields(self.method.section)[key].default

    @property
    def lean_steps(self) -> groups.Lean | None:
        """How steps leave out what nobody needs; None where they are TRL's."""
        return self.lean if self.method.leans and self.lean.mode == "on" else None

    @property
    def output_dir(self) -> Path:
        """Where checkpoints, the final model and the results go."""
        return Path(self.values["output_dir"])

    @property
    def answer_limit(self) -> int:
        """Tokens that an evaluated answer may have: the evaluation's own limit, else that of training, else 512."""
        return self.evaluation.max_new_tokens or self.values.get("max_completion_length") or 512

    @property
    def completion_limit(self) -> int | None:
        """Tokens that a completion sampled in training may have; None where nothing is sampled."""
        return self.method.completion_limit(self.get)

    @property
    def batches(self) -> Batches:
        """The derived batch sizes for this number of processes."""
        return self.method.batches(self.get, self.processes)

    @property
    def foreign(self) -> list[Outside]:
        """The rewards that are functions of somebody else's, judges, or models."""
        terms = {id(term): term for terms in (self.rewards, *self.by_task.values()) for term in terms}.values()
        functions = (term.reward.function for term in terms)
        return [function for function in functions if isinstance(function, Outside)]

    @property
    def own_files(self) -> list[Path]:
        """Python files of the user's own that the recipe names: of its task, and of its rewards."""
        named = [Path(f"{name.partition('.py')[0]}.py") for name in self.task_names if ".py" in name]
        rewards = [function.path for function in self.foreign if function.path is not None]
        context = self.distillation.context if self.distillation is not None else None
        contexts = [Path(context.rpartition(":")[0])] if context is not None and is_function(context) else []
        return [*named, *self.task.own_files, *rewards, *contexts]

    @property
    def task_names(self) -> list[str]:
        """What stands under ``task``, of a mixture for each of its tasks."""
        entries = self.tree.value.get("tasks")
        nodes = [self.tree] if entries is None else [one for one in entries.value.values() if one.value]
        return [str(node.value["task"].plain()) for node in nodes]

    def each_task(self) -> "dict[str, Recipe]":
        """Of a mixture its tasks, each as a recipe with its own rewards; of any other recipe itself, under no name."""
        if not isinstance(self.task, Mixture):
            return {"": self}
        return {
            name: replace(self, task=part.task, rewards=self.by_task.get(name, []), by_task={})
            for name, part in self.task.parts.items()
        }

    @property
    def learns_from_rewards(self) -> bool:
        """Whether a reward has any weight in what is learned."""
        return self.method.rewarded and (self.distillation is None or self.distillation.adv_tau > 0)

    @property
    def has_user_code(self) -> bool:
        """Whether completions are judged by code that is not Ratchet's, and may hang or crash."""
        return bool(self.foreign or self.own_files)

    @property
    def colocated(self) -> bool:
        """Whether a vLLM engine samples inside the training process."""
        return self.method.samples and bool(self.get("use_vllm")) and not self.served

    @property
    def served(self) -> bool:
        """Whether a vLLM server samples."""
        return self.method.samples and bool(self.get("use_vllm")) and self.get("vllm_mode") == "server"

    @property
    def server_url(self) -> str:
        """Base URL of the vLLM server, without a slash at its end."""
        host, port = self.get("vllm_server_host"), self.get("vllm_server_port")
        return (self.get("vllm_server_base_url") or f"http://{host}:{port}").rstrip("/")

    def arguments(self, section: str) -> dict[str, Any]:
        """The set values that belong to a section of the schema: the method's own, or "model"."""
        own = schema()[section]
        return {key: value for key, value in self.values.items() if key in own}

    def as_yaml(self, root: Path | None = None) -> str:
        """The resolved recipe: one file that can be run as it is.

        Args:
            root: a folder from which what lies below it is named, for others who have that folder elsewhere.
        """
        tree = self.tree.plain() if root is None else _named_from(root.resolve(), self.tree.plain())
        tree["output_dir"] = str(self.output_dir)
        tree.pop("trust_remote_code", None)  # for the command line to say
        return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)


def _named_from(root: Path, value: Any) -> Any:
    """Values, and names of rewards, with paths below a folder relative to it."""
    if isinstance(value, dict):
        return {_named_from(root, key): _named_from(root, one) for key, one in value.items()}
    if isinstance(value, list):
        return [_named_from(root, one) for one in value]
    return value.removeprefix(f"{root}/") if isinstance(value, str) else value
