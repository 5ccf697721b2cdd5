"""The keys that Ratchet adds to TRL's, all of them. Everything else in a recipe is TRL's, transformers' or peft's own.

trainer     sft or grpo: which script runs the recipe
task        what is learned: a task's name, or the path of a Python file with one (relative to the recipe)
data        where the task's rows come from; the keys are the fields of the task's class
rewards     reward name -> {weight, parameters of that reward}; null takes an inherited one away (GRPO)
evaluation  what is measured before, during and after training (``Evaluation`` below)
from_scratch  a model with random weights instead of ``model_name_or_path`` (``FromScratch`` below)
extends     another recipe, on which this one is laid key by key; where it names another task, data and rewards
            are not inherited
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from ratchet.recipe.fields import Field, from_annotation, of_dataclass


@dataclass(frozen=True)
class Evaluation:
    """What is measured on held-out rows, always with the grader that also gives the reward."""

    split: Literal["train", "validation", "test"] = "validation"
    """The rows evaluated on."""
    max_rows: int | None = None
    """At most so many of them (a random sample with ``seed``)."""
    before: bool = False
    """Whether the model is measured before training too."""
    after: bool = True
    """Whether the trained model is measured."""
    samples: int = 0
    """Completions sampled per row for pass@k, next to the greedy one; 0 leaves pass@k out."""
    temperature: float = 1.0
    """Of these samples."""
    top_p: float = 1.0
    """Of these samples."""
    max_new_tokens: int | None = None
    """Longest completion; without it ``max_completion_length``, or 512 where the trainer has none."""
    batch_size: int = 32
    """Completions generated at a time on each process."""
    show: int = 3
    """Completions printed and kept for comparison."""
    seed: int = 0
    """Of the sample of rows and of the sampled completions."""


@dataclass(frozen=True)
class FromScratch:
    """A model built from a configuration, with a tokenizer trained on the task's rows (see ``models.scratch``)."""

    config: dict[str, Any] = field(default_factory=dict)
    """``model_type`` and the fields of that model's transformers configuration."""
    vocab_size: int = 1024
    """Of the tokenizer, at most."""
    seed: int = 0
    """Of the weights."""


OWN_FIELDS: dict[str, Field] = {
    "trainer": from_annotation(Literal["sft", "grpo"], required=True),
    "task": from_annotation(str, required=True),
    "data": Field(frozenset({"dict"})),
    "rewards": Field(frozenset({"dict"})),
    "evaluation": Field(frozenset({"dict"}), group=of_dataclass(Evaluation)),
    "from_scratch": Field(frozenset({"dict", "none"}), group=of_dataclass(FromScratch)),
}

# Where Ratchet's default differs from TRL's.
DEFAULTS: dict[str, Any] = {"report_to": "none"}
