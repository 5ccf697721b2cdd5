"""From sources to a checked ``Recipe``: precedence, every key and value, all errors at once, and no torch."""

import difflib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from ratchet.errors import UserError, UserErrors
from ratchet.recipe import batches as arithmetic
from ratchet.recipe import groups, limits, source
from ratchet.recipe.conflicts import conflicts, launcher_conflicts
from ratchet.recipe.fields import Field, Mismatch, check, of_dataclass, of_function, schema
from ratchet.recipe.groups import DEFAULTS, GROUPS, OPTIONAL, OWN_FIELDS
from ratchet.recipe.source import Node
from ratchet.rewards import Reward, RewardTerm, check_weights, rewards_of
from ratchet.tasks import Task, find_task

WEIGHT = Field(frozenset({"float"}), default=1.0)


@lru_cache(maxsize=4)
def trl_fields(trainer: str) -> dict[str, Field]:
    """The keys of TRL's trainer and model configurations that a recipe may hold."""
    found = {}
    for section in ("model", trainer):
        choices = limits.CHOICES.get(section, {})
        for name, entry in schema()[section].items():
            if name in limits.NOT_IN_RECIPES or name in limits.DEPRECATED_FIELDS:
                continue
            kinds, allowed = set(entry["kinds"]), choices.get(name) or entry["choices"]
            if allowed and any(isinstance(choice, bool) for choice in allowed):
                kinds.add("bool")
            default = DEFAULTS.get(name, entry["default"])
            found[name] = Field(frozenset(kinds), tuple(allowed) if allowed else None, default)
    found.setdefault("chat_template_path", Field(frozenset({"str", "none"})))
    # TRL declares these with null although null means nothing there.
    for name in ("learning_rate", "num_generations", "max_completion_length"):
        if name in found:
            found[name] = Field(found[name].kinds - {"none"}, found[name].choices, found[name].default)
    return found


@dataclass
class Recipe:
    """A checked recipe: everything a run needs to know, typed."""

    path: Path
    trainer: str
    task: Task
    values: dict[str, Any]
    """TRL's, transformers' and peft's keys that are set somewhere."""
    rewards: list[RewardTerm]
    audit: groups.Audit
    checkpointing: groups.Checkpointing
    faults: groups.Faults
    publish: groups.Publish
    curriculum: groups.Curriculum | None
    evaluation: groups.Evaluation
    diagnostics: groups.Diagnostics
    tracking: groups.Tracking
    report: groups.ReportPage
    from_scratch: groups.FromScratch | None
    asynchronous: groups.Asynchronous | None
    processes: int
    tree: Node = field(repr=False)
    """The merged sources."""

    def get(self, key: str) -> Any:
        """A TRL key's value, or its default."""
        return self.values[key] if key in self.values else trl_fields(self.trainer)[key].default

    @property
    def output_dir(self) -> Path:
        """Where checkpoints, the final model and the results go."""
        return Path(self.values["output_dir"])

    @property
    def answer_limit(self) -> int:
        """Tokens that an evaluated answer may have: the evaluation's own limit, else that of training, else 512."""
        return self.evaluation.max_new_tokens or self.values.get("max_completion_length") or 512

    @property
    def batches(self) -> arithmetic.Batches:
        """The derived batch sizes for this number of processes."""
        return arithmetic.batches(self.trainer, self.get, self.processes)

    @property
    def served(self) -> bool:
        """Whether a vLLM server samples."""
        return self.trainer == "grpo" and bool(self.get("use_vllm")) and self.get("vllm_mode") == "server"

    @property
    def server_url(self) -> str:
        """Where it is."""
        return (
            self.get("vllm_server_base_url") or f"http://{self.get('vllm_server_host')}:{self.get('vllm_server_port')}"
        ).rstrip("/")

    def arguments(self, section: str) -> dict[str, Any]:
        """The set values that belong to the trainer's ("sft", "grpo") or the "model" configuration."""
        own = schema()[section]
        return {key: value for key, value in self.values.items() if key in own}

    def as_yaml(self) -> str:
        """The resolved recipe: one file that can be run as it is."""
        tree = self.tree.plain()
        tree["output_dir"] = str(self.output_dir)
        tree.pop("trust_remote_code", None)  # for the command line to say
        return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)


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
    tree = source.merge(source.from_environment(environ), source.read_file(Path(path)))
    tree = source.merge(tree, source.from_command_line(overrides))
    return _Checker(Path(path), tree, environ, to_train).recipe(trainer)


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
    tree = source.merge(source.from_environment(environ), written)
    tree = source.merge(tree, source.from_command_line(overrides))
    return _Checker(Path(origin), tree, environ, to_train).recipe(None)


class _Checker:
    """Collects findings while it types one merged tree."""

    def __init__(self, path: Path, tree: Node, environ: Mapping[str, str], to_train: bool):
        self.path, self.tree, self.environ, self.to_train = path, tree, environ, to_train
        self.findings: list[str] = []
        self.faulty: set[str] = set()

    def recipe(self, wanted: str | None) -> Recipe:
        self._secrets("", self.tree)
        top = self.tree.value
        trainer = self._trainer(wanted)
        known = {**OWN_FIELDS, **trl_fields(trainer)}
        values = {}
        for key, node in top.items():
            if key in OWN_FIELDS:
                continue
            if self._known(key, node, known):
                values[key] = self._value(key, node, known[key], key)
        values.setdefault("output_dir", f"outputs/{_run_name(self.path)}")
        values.setdefault("report_to", DEFAULTS["report_to"])
        task_class = self._task_class()
        task = self._task(task_class)
        rewards = self._rewards(task_class, trainer)
        self._modes_as_written()
        own = {name: self._group(name, cls) for name, cls in GROUPS.items()}
        recipe = Recipe(
            path=self.path,
            trainer=trainer,
            task=task,
            values=values,
            rewards=rewards,
            **own,
            processes=self._processes(),
            tree=self.tree,
        )
        if task is not None:
            self._together(recipe)
        if self.findings:
            raise UserErrors(
                self.findings,
                f"{self.path}: {len(self.findings)} {'finding' if len(self.findings) == 1 else 'findings'}",
            )
        return recipe

    def _say(self, node: Node, text: str) -> None:
        self.findings.append(f"{node.origin}: {text}")

    def _processes(self) -> int:
        try:
            return max(1, int(self.environ.get("WORLD_SIZE", "1")))
        except ValueError:
            raise UserError(
                f"the environment variable WORLD_SIZE must be a number, it is {self.environ['WORLD_SIZE']!r}"
            ) from None

    def _trainer(self, wanted: str | None) -> str:
        node = self.tree.value.get("trainer")
        if node is None:
            self.findings.append(f"{self.path}: trainer is missing; write trainer: {wanted or 'grpo'} (or sft)")
            return wanted or "grpo"
        if node.value not in ("sft", "grpo"):
            self._say(node, f"trainer must be sft or grpo, it is {node.text or node.value!r}")
            return wanted or "grpo"
        if wanted and node.value != wanted:
            raise UserError(
                f"{node.origin}: this recipe is for scripts/{node.value}.py (trainer: {node.value}), not for scripts/{wanted}.py"
            )
        return node.value

    def _known(self, key: str, node: Node, known: Mapping[str, Field], path: str = "") -> bool:
        if key in known:
            return True
        name = path + key
        if not path and key in limits.RETIRED:
            self._say(node, f"{name} is no longer a key; use {limits.RETIRED[key]}")
        elif not path and key in limits.NOT_IN_RECIPES:
            self._say(node, f"{name} does not belong in a recipe: {limits.NOT_IN_RECIPES[key]}")
        else:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
            where = next((group for group in GROUPS if not path and key in OWN_FIELDS[group].group), None)
            hint = (
                f"; did you mean {path}{near[0]}?"
                if near
                else (
                    f"; it belongs under {where}:"
                    if where
                    else f"; {path.rstrip('.') or 'the recipe'} {'knows ' + _few(known) if known else 'takes no keys'}"
                )
            )
            self._say(node, f"unknown key {name}{hint}")
        return False

    def _value(self, key: str, node: Node, field_: Field, name: str) -> Any:
        try:
            if field_.group is not None and isinstance(node.value, dict):
                return {
                    k: self._value(k, n, field_.group[k], f"{name}.{k}")
                    for k, n in node.value.items()
                    if self._known(k, n, field_.group, f"{name}.")
                }
            value = check(node, field_)
        except Mismatch as mismatch:
            shown = node.text if node.text or node.value == "" else json.dumps(node.plain(), default=str)
            self._say(node, f"{name} {mismatch}; it is {shown or 'empty'!s}")
            self.faulty.add(name)
            return field_.default
        wrong = limits.out_of_range(key, value)
        if wrong:
            self._say(node, f"{name} {wrong}; it is {value}")
            self.faulty.add(name)
        return value

    def _task_class(self) -> type[Task] | None:
        node = self.tree.value.get("task")
        if node is None or not isinstance(node.value, str):
            place = node.origin if node else self.path
            self.findings.append(f"{place}: task must name a task (aquarat) or the Python file of one")
            return None
        name = node.value
        if name.endswith(".py") and not Path(name).is_absolute() and (self.path.parent / name).is_file():
            name = str((self.path.parent / name).resolve())
            self.tree.value["task"] = Node(name, node.origin, name)
        try:
            return find_task(name)
        except UserError as error:
            self._say(node, str(error))
            return None

    def _task(self, cls: type[Task] | None) -> Task | None:
        node = self.tree.value.get("data", Node({}, str(self.path)))
        if cls is None:
            return None
        if not isinstance(node.value, dict):
            self._say(node, "data is a group of keys")
            return None
        try:
            known = of_dataclass(cls)
        except TypeError:
            known = of_function(cls.__init__, 1) if "__init__" in vars(cls) else {}
        before = len(self.findings)
        values = {
            k: self._value(k, n, known[k], f"data.{k}")
            for k, n in node.value.items()
            if self._known(k, n, known, "data.")
        }
        missing = [k for k, f in known.items() if f.required and k not in values]
        if missing:
            self._say(node, f"data: {', '.join(missing)} missing")
        if len(self.findings) > before:
            return None
        try:
            return cls(**{key: _built(cls, key, value) for key, value in values.items()})
        except UserError as error:
            self._say(node, str(error))
            return None

    def _rewards(self, cls: type[Task] | None, trainer: str) -> list[RewardTerm]:
        node = self.tree.value.get("rewards")
        if cls is None:
            return []
        if trainer == "sft":
            if node is not None and node.value:
                self._say(node, "rewards are for trainer: grpo; sft imitates the task's targets")
            return []
        if node is None or not isinstance(node.value, dict):
            self.findings.append(
                f"{node.origin if node else self.path}: rewards is missing; write rewards: {{correctness: {{weight: 1.0}}}}"
            )
            return []
        known, terms = rewards_of(cls) if cls else {}, []
        for name, entry in node.value.items():
            if entry.value is None or cls is None:
                continue  # an inherited reward taken away
            if name not in known:
                self._known(name, entry, dict.fromkeys(known, WEIGHT), "rewards.")
                continue
            terms.append(self._term(known[name], entry))
        if not any(name.startswith("rewards.") for name in self.faulty):
            try:
                check_weights(terms)
            except UserError as error:
                self._say(node, str(error))
        return terms

    def _term(self, reward: Reward, node: Node) -> RewardTerm:
        name = f"rewards.{reward.name}"
        if not isinstance(node.value, dict):
            self._say(node, f"{name} is a group: {reward.name}: {{weight: 1.0}}")
            return RewardTerm(reward)
        known = {"weight": WEIGHT, **of_function(reward.function, 1)}
        values = {
            k: self._value(k, n, known[k], f"{name}.{k}")
            for k, n in node.value.items()
            if self._known(k, n, known, f"{name}.")
        }
        weight = values.pop("weight", 1.0)
        if reward.goal and isinstance(weight, (int, float)) and weight <= 0:
            self._say(node, f"{name}.weight must be greater than 0; it is {weight}")
        return RewardTerm(reward, weight, values)

    def _group(self, name: str, cls: type) -> Any:
        without = None if name in OPTIONAL else cls()
        node = self.tree.value.get(name)
        if node is None or node.value is None:
            return without
        if not isinstance(node.value, dict):
            self._say(node, f"{name} is a group of keys: {', '.join(OWN_FIELDS[name].group)}")
            return without
        values = self._value(name, node, OWN_FIELDS[name], name)
        return cls(**values) if isinstance(values, dict) else without

    def _modes_as_written(self) -> None:
        """``audit: off``, which YAML reads as false, for ``audit: {mode: off}``; and findings by their names.

        On the command line and in the environment the hyphens of a finding's name have become underscores.
        """
        for name, yes in (("audit", "stop"), ("diagnostics", "on"), ("report", "on")):
            node = self.tree.value.get(name, Node({}, ""))
            if isinstance(node.value, (bool, str)):
                word = {"true": yes, "on": yes, "false": "off", "no": "off"}.get(node.text.lower(), node.text)
                self.tree.value[name] = Node({"mode": Node(word, node.origin, word, quoted=True)}, node.origin)
            elif isinstance(node.value, dict) and isinstance(getattr(node.value.get("mode"), "value", None), bool):
                word = yes if node.value["mode"].value else "off"
                node.value["mode"] = Node(word, node.value["mode"].origin, word, quoted=True)
        node = self.tree.value.get("audit", Node({}, ""))
        accept = node.value.get("accept") if isinstance(node.value, dict) else None
        if accept is not None and isinstance(accept.value, dict):
            named = {name.replace("_", "-"): reason for name, reason in accept.value.items()}
            self.tree.value["audit"] = Node({**node.value, "accept": Node(named, accept.origin)}, node.origin)

    def _secrets(self, key: str, node: Node) -> None:
        if isinstance(node.value, dict):
            for name, child in node.value.items():
                self._secrets(name, child)
        elif isinstance(node.value, list):
            for child in node.value:
                self._secrets(key, child)
        elif node.value and isinstance(node.value, str):
            named = limits.SECRET_KEY.search(key) and key not in limits.NOT_SECRET_KEYS
            if named or (limits.SECRET_VALUE.search(node.value) and not key.endswith("revision")):
                # Raised alone and at once, so that no other message can print the value.
                raise UserError(
                    f"{node.origin}: {key} looks like a secret; recipes are saved and published. Put it in the environment (.env) and take it out here"
                )

    def _together(self, recipe: Recipe) -> None:
        """Checks that need several values."""
        if self.to_train and not self.faulty & arithmetic.KEYS:
            for text in arithmetic.problems(recipe.trainer, recipe.get, recipe.processes):
                self.findings.append(f"{self.path}: {text}")
        self.findings += conflicts(recipe)
        self.findings += [f"{self.path}: {text}" for text in launcher_conflicts(recipe, self.environ)]


def _run_name(path: Path) -> str:
    """recipes/aquarat/sft.yaml -> aquarat-sft, so that two recipes never share a folder by their file names alone.

    >>> _run_name(Path("recipes/aquarat/sft.yaml")), _run_name(Path("recipes/demo.yaml")), _run_name(Path("mine.yaml"))
    ('aquarat-sft', 'demo', 'mine')
    """
    folders = path.parent.parts
    below = folders[len(folders) - folders[::-1].index("recipes") :] if "recipes" in folders else ()
    return "-".join([*below, path.stem])


def _built(cls: type, key: str, value: Any) -> Any:
    """Turn a checked mapping into the dataclass that the task's field wants, and a list into its tuple."""
    import dataclasses
    import typing

    hint = typing.get_type_hints(cls).get(key)
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return hint(**{k: tuple(v) if isinstance(v, list) else v for k, v in value.items()})
    return value


def _few(names: Mapping[str, Any]) -> str:
    names = sorted(names)
    return (
        ", ".join(names)
        if len(names) <= 12
        else f"{len(names)} keys (scripts/grpo.py RECIPE --show-config prints them)"
    )
