"""Everything in which SFT, GRPO and further methods differ, asked by all rooms instead of a trainer's name.

A new method is one ``Method`` here (or registered from elsewhere with ``register``), and one module in
``training/trainers`` with a ``build`` function. Nothing here imports torch or TRL.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ratchet.errors import UserError
from ratchet.recipe import batches
from ratchet.recipe.asynchronous import asynchronous_conflicts
from ratchet.recipe.batches import Batches
from ratchet.tasks import Task, packing
from ratchet.tasks.base import Message, Row

if TYPE_CHECKING:
    from ratchet.recipe.recipe import Recipe

Get = Callable[[str], Any]
"""Looks a recipe's key up: its value, or TRL's default."""
Shape = Callable[[list[Message]], list[Message]]
"""A conversation as a chat template is given it (``models.ChatFormat.messages``)."""
Phase = Literal["training", "rollout", "rest"]


def _no_conflicts(recipe: Recipe) -> Iterator[str]:
    yield from ()


@dataclass(frozen=True)
class Method:
    """One way of training: what it learns from, what its rows are, and which of TRL's classes carry it out."""

    name: str
    """The recipe's ``trainer``, unless it is a variant of another method."""
    title: str
    """For sentences: "supervised fine-tuning"."""
    section: str
    """The part of ``schema.json`` whose keys a recipe may hold."""
    config: str
    """TRL's configuration class, as "module:Class"."""
    trainer: str
    """TRL's trainer class, for the model card."""
    module: str
    """Where ``build(run)`` makes the trainer; ``adapt(recipe, values)`` there may change TRL's arguments before."""
    samples: bool
    """Whether completions are generated while it trains: rows are prompts, and batches are groups of completions."""
    rewarded: bool
    """Whether the recipe's rewards score what is generated; a recipe of another method must not name any."""
    audited: bool
    """Whether the rewards are audited before training starts."""
    imitates: bool
    """Whether it trains on the task's targets."""
    needs_rewards: bool = True
    """Where it is ``rewarded``: whether a recipe must name rewards."""
    overlapped: bool = False
    """Whether rollouts and training happen at the same time, on different devices."""
    deepspeed: bool = True
    """Whether it runs under DeepSpeed."""
    variant_of: str = ""
    """The method whose ``trainer`` and script it shares."""
    group: str = ""
    """The group of keys in a recipe that selects this variant."""
    distils: bool = False
    """Whether there must be a teacher."""
    conflicts: Callable[[Recipe], Iterable[str]] = _no_conflicts
    """What it cannot do, read off a whole recipe: a sentence each."""

    @property
    def script(self) -> str:
        """The name of the script that runs it, without its ending."""
        return self.variant_of or self.name

    @property
    def leans(self) -> bool:
        """Whether its steps leave out padding, and rows without a gradient (the group ``lean``)."""
        return not self.overlapped

    # Rows.

    def row(self, task: Task, row: Row, shape: Shape) -> Row:
        """What TRL is given for a row: the prompt and the row itself, packed; or the prompt and the target.

        Raises:
            UserError: where the row cannot be handed to the graders as it is.
        """
        prompt = shape(task.messages(row))
        if self.imitates:
            return {"prompt": prompt, "completion": shape([{"role": "assistant", "content": task.target(row)}])}
        return {"prompt": prompt, packing.COLUMN: packing.pack(row)}

    def completion_limit(self, get: Get) -> int | None:
        """Tokens that a sampled completion may have; None where nothing is sampled."""
        return get("max_completion_length") if self.samples else None

    def token_limit(self, get: Get, positions: int | None) -> int | None:
        """Tokens that a row (``imitates``) or its prompt (``samples``) may have; None without a limit.

        Args:
            positions: tokens that the model can read at once, where it says so.

        Raises:
            UserError: where completions leave no room for a prompt.
        """
        if not self.samples:
            limits = [n for n in (get("max_length"), positions) if n]
            return min(limits, default=None)
        whole = [n for n in (get("vllm_max_model_length"), positions) if n]
        if not whole:
            return None
        longest = self.completion_limit(get)
        left = min(whole) - longest
        if left < 1:
            raise UserError(
                f"max_completion_length: {longest} leaves no room for a prompt in the {min(whole)} tokens the model "
                "can read"
            )
        return left

    # Batches.

    def batches(self, get: Get, processes: int) -> Batches:
        """The derived batch sizes of a recipe."""
        return batches.of_groups(get, processes) if self.samples else batches.of_rows(get, processes)

    def batch_problems(self, get: Get, processes: int) -> list[str]:
        """Sentences about batch sizes that do not go together, each with the nearest that do."""
        return batches.group_problems(get, processes) if self.samples else []

    def each_step(self, sizes: Batches) -> str:
        """What an optimiser step takes in, in words."""
        if not self.samples:
            return f"{sizes.completions_per_step} rows"
        return f"{sizes.prompts_per_step} prompts x {sizes.num_generations} completions = {sizes.completions_per_step}"

    @property
    def phases(self) -> tuple[Phase, ...]:
        """What a step's time is made of, for the plan and the report."""
        return ("training", "rollout", "rest") if self.samples else ("training",)


def imported(place: str) -> Any:
    """What "module:name" names: a class of TRL's."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


METHODS: dict[str, Method] = {}
"""Every method by its name."""


def register(method: Method) -> Method:
    """Add a method to those that a recipe can name."""
    METHODS[method.name] = method
    return method


def method_of(trainer: str, groups: Collection[str] = ()) -> Method:
    """The method of a recipe.

    Args:
        trainer: what the recipe says.
        groups: the groups of keys that the recipe has; one of them may select a variant.
    """
    variants = [m for m in METHODS.values() if m.variant_of == trainer and m.group in groups]
    return variants[0] if variants else METHODS[trainer]


def recorded_method(recipe: Mapping[str, Any]) -> Method | None:
    """The method of a recipe that a run wrote down; None for one that is not known here."""
    trainer = recipe.get("trainer")
    groups = [name for name, value in recipe.items() if value is not None]
    known = isinstance(trainer, str) and trainer in METHODS  # a file may hold anything, also what cannot be looked up
    return method_of(trainer, groups) if known else None


def trainers() -> list[str]:
    """What ``trainer`` may be, in a recipe."""
    return [method.name for method in METHODS.values() if not method.variant_of]


def trainers_that(quality: Literal["samples", "rewarded", "imitates", "leans"]) -> str:
    """The trainers with a quality, as a recipe writes them, for messages.

    >>> trainers_that("imitates")
    'trainer: sft'
    """
    return "trainer: " + " or ".join(name for name in trainers() if getattr(METHODS[name], quality))


SFT = register(
    Method(
        name="sft",
        title="supervised fine-tuning",
        section="sft",
        config="trl:SFTConfig",
        trainer="SFTTrainer",
        module="ratchet.training.trainers.sft",
        samples=False,
        rewarded=False,
        audited=False,
        imitates=True,
    )
)
GRPO = register(
    Method(
        name="grpo",
        title="GRPO",
        section="grpo",
        config="trl:GRPOConfig",
        trainer="GRPOTrainer",
        module="ratchet.training.trainers.grpo",
        samples=True,
        rewarded=True,
        audited=True,
        imitates=False,
    )
)
DISTILL = register(replace(GRPO, name="distill", title="distillation", needs_rewards=False, distils=True))
ASYNC_GRPO = register(
    Method(
        name="async_grpo",
        title="asynchronous GRPO",
        section="grpo",
        config="trl.experimental.async_grpo:AsyncGRPOConfig",
        trainer="AsyncGRPOTrainer",
        module="ratchet.training.trainers.async_grpo",
        samples=True,
        rewarded=True,
        audited=True,
        imitates=False,
        overlapped=True,
        deepspeed=False,
        variant_of="grpo",
        group="asynchronous",
        conflicts=asynchronous_conflicts,
    )
)
