"""A reward model: a classifier with one output, as TRL takes it, that reads the conversation with its completion.

rewards:
  model:OWNER/NAME: {weight: 0.2, low: -5, high: 5}

It is computed in one worker process, on the CPU, in float32: a small model is meant. A large one belongs behind a
server (``rewards.judge``).
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.rewards.functions import Sample
from ratchet.tasks.base import Task


@dataclass
class RewardModel:
    """One reward model.

    Args:
        name: a folder, or a model on the Hub.
        low, high: values beyond are cut to these; one model's have nothing to do with another's.
    """

    name: str
    low: float
    high: float
    task: Task | None = field(default=None, repr=False)

    path = None  # no file of code

    def __post_init__(self) -> None:
        self.__doc__ = f"What the reward model {Path(self.name).name} gives, cut to {self.low:g} to {self.high:g}."

    def bind(self, task: Task) -> None:
        """Take the task whose rows are asked about."""
        self.task = task

    def __call__(self, sample: Sample) -> float:
        """The model's output for the conversation that ends with the completion, as TRL 1.16 computes it."""
        import torch

        tokenizer, model = self._loaded
        messages = [*self.task.messages(sample.row), {"role": "assistant", "content": sample.completion}]
        text = tokenizer.apply_chat_template(messages, tokenize=False)
        inputs = tokenizer(text, return_tensors="pt", add_special_tokens=False)
        with torch.inference_mode():
            value = float(model(**inputs).logits[0, 0])
        return min(self.high, max(self.low, value))

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(self.name)
            model = AutoModelForSequenceClassification.from_pretrained(self.name, num_labels=1, dtype=torch.float32)
        except (OSError, ValueError) as error:
            said = " ".join(str(error).split())[:200]
            raise UserError(f"rewards.model:{self.name} cannot be loaded ({said})") from None
        if not tokenizer.chat_template:
            raise UserError(
                f"rewards.model:{self.name}: its tokenizer has no chat template to show a conversation with"
            )
        return tokenizer, model.eval()
