"""Divergences over the whole vocabulary, by TRL's tiles: no (batch, length, vocabulary) tensor is made."""

import inspect
from typing import Any

import torch
from trl import DistillationTrainer
from trl.models.utils import _ForwardRedirection

from ratchet.diagnostics.initial_model import plain
from ratchet.training.distillation.teachers import Student, Teacher
from ratchet.training.lean.rows import joined

TILE = 256  # tokens whose next ones are compared at a time
BETA = {"forward_kl": 0.0, "jsd": 0.5, "reverse_kl": 1.0}
"""TRL's name for the place between forward and reverse KL (generalised Jensen-Shannon, arXiv 2306.13649)."""


class Divergence(DistillationTrainer):
    """TRL's loss of its DistillationTrainer, with a teacher that reads another prompt than the student.

    It is no trainer of its own: TRL's loss asks for the few attributes that are set here.

    Args:
        trainer: of the student, TRL's GRPO trainer.
        form: one of ``BETA``.
    """

    def __init__(self, trainer: Any, teacher: Teacher, form: str):
        self.accelerator, self.temperature, self.beta = trainer.accelerator, trainer.temperature, BETA[form]
        base = plain(trainer.model, trainer.accelerator)
        self.model_kwarg_keys, self._is_vlm = inspect.signature(base.forward).parameters.keys(), False
        self.trainer, self.teacher = trainer, teacher
        self._forward_redirection = _ForwardRedirection()
        self._told: dict[str, torch.Tensor] = {}

    def loss(self, model: Any, inputs: dict[str, Any], tokens: torch.Tensor | float) -> tuple[torch.Tensor, float]:
        """The divergence of a micro-batch, summed over tokens and divided by ``tokens``; and its mean over them."""
        student = self.accelerator.unwrap_model(model)
        training = student.training
        self.teacher_model, self._told = self.teacher.wrapped, inputs
        with self.accelerator.autocast():
            loss, _, counted = self._forward_redirection(model, student, self._compute_loss, student, inputs, tokens)
        student.train(training)  # TRL switches the teacher to evaluation, which may be the student itself
        return loss, float(loss.detach() * tokens / max(1.0, float(counted)))

    @torch.no_grad()
    def agreement(self, inputs: dict[str, Any], mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """At how many tokens student and teacher would write the same next one, and of how many; a tile at a time."""
        kept = inputs["completion_ids"].shape[1]
        with Student(self.trainer, live=True).model() as model:
            student = self.accelerator.unwrap_model(model)
            own = self._hidden(student, *joined(inputs), kept)
        with self.teacher.model() as model:
            teacher = self.accelerator.unwrap_model(model)
            others = self._hidden(teacher, *joined(inputs, "teacher_prompt"), kept)
            heads = student.get_output_embeddings(), teacher.get_output_embeddings()
            counted = mask.bool()
            tiles = zip(own[counted].split(TILE), others[counted].split(TILE), strict=True)
            same = [(heads[0](a).argmax(-1) == heads[1](b).argmax(-1)).sum() for a, b in tiles]
        return sum(same, torch.zeros((), device=mask.device)), counted.sum()

    def _hidden(self, model: Any, ids: torch.Tensor, mask: torch.Tensor, kept: int) -> torch.Tensor:
        """Last hidden states (B, kept, H) of a model, before each of the last tokens."""
        return super()._get_last_hidden_state(model, ids, mask, kept)

    def _get_last_hidden_state(
        self, unwrapped_model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, kept: int, **more: Any
    ) -> torch.Tensor:
        if torch.is_grad_enabled():  # the student's
            return super()._get_last_hidden_state(unwrapped_model, input_ids, attention_mask, kept, **more)
        with self.teacher.model():
            told = joined(self._told, "teacher_prompt")
            return super()._get_last_hidden_state(unwrapped_model, *told, kept, **more)
