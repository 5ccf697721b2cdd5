"""The model as it was when training began: ``diagnostics/kl`` measures how far the policy has moved from it.

With LoRA it is the model with the adapter switched off, or with a copy of the adapter that training goes on with. With
full training it is TRL's reference model where there is one that never changes, or a teacher that is the model as it
was, else a frozen copy that waits in main memory between uses.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import is_deepspeed_available
from trl.trainer.utils import use_adapter

from ratchet.diagnostics.observed_trainer import ObservedRolloutTrainer
from ratchet.models.adapters import REFERENCE


class Unavailable(Exception):
    """A figure that cannot be had here; the message says why."""


def plain(model: Any, accelerator: Accelerator) -> Any:
    """The causal language model itself, without what accelerate, DeepSpeed and peft wrap around it."""
    model = accelerator.unwrap_model(model, keep_torch_compile=False)
    return model.get_base_model() if hasattr(model, "get_base_model") else model


class InitialModel:
    """Keeps the initial model, or knows where it is kept already.

    Args:
        trainer: a GRPO trainer before its first step.

    Attributes:
        plain: the causal language model itself; with an adapter, the initial one only inside ``model``.

    Raises:
        Unavailable: where weights are split over processes and no reference model is kept.
    """

    def __init__(self, trainer: ObservedRolloutTrainer):
        self.accelerator = trainer.accelerator
        self.trainer, self.copy = trainer, None
        self.adapter = hasattr(trainer.model, "peft_config")
        # With sync_ref_model TRL moves its reference model after the policy: it is the initial one no more.
        self.reference = trainer.ref_model if not trainer.args.sync_ref_model else None
        if self.reference is None:
            self.reference = trainer.services.start_model  # a teacher's
        if self.adapter or self.reference is not None:
            self.plain = plain(trainer.model if self.adapter else self.reference, self.accelerator)
            return
        if is_split(self.accelerator):
            raise Unavailable(
                "the weights are split over processes, and a frozen copy cannot be kept "
                "(beta above 0 keeps a reference model, LoRA needs none)"
            )
        self.copy = copy.deepcopy(trainer.model).requires_grad_(False).eval().to("cpu")
        self.plain = self.copy

    @contextmanager
    def model(self) -> Iterator[Any]:
        """The model to call, on the training device, without gradients."""
        with torch.no_grad():
            if self.adapter:
                wrapped = self.accelerator.unwrap_model(self.trainer.model)
                kept = REFERENCE if REFERENCE in wrapped.peft_config else None  # an adapter that is trained further
                with use_adapter(wrapped, kept):
                    yield self.trainer.model
            elif self.reference is not None:
                yield self.reference
            else:
                try:
                    yield self.copy.to(self.accelerator.device)
                finally:
                    self.copy.to("cpu")


def is_split(accelerator: Accelerator) -> bool:
    """Whether no process holds the whole model: ZeRO-3, or FSDP."""
    if str(accelerator.distributed_type).endswith("FSDP"):
        return True
    if accelerator.state.deepspeed_plugin is None or not is_deepspeed_available():
        return False
    return accelerator.state.deepspeed_plugin.zero_stage == 3
