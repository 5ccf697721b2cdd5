"""What TRL's checkpoints leave out, as plain data: with it a resumed run computes what it would have computed.

transformers saves weights, optimiser, schedule, random states and its own counters. Left out are the completions that
are still to be trained on, where the samplers stand, sums for the next log, a reference model that moves, and what
Ratchet itself gathers (diagnostics, alarms, the curriculum, evaluations). Each such part registers itself once in a
``StateRegistry``; saving and restoring is a loop over it.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, Protocol

import numpy as np
import torch
from transformers import Trainer

from ratchet.evaluation.evaluate import Answered, Result

When = Literal["step", "run"]
"""Whether a part changes in the middle of a step, so that undoing a step restores it, or between steps only."""


class Stateful(Protocol):
    """A part of a run whose state is plain data: numbers, strings, tensors, lists and dictionaries of them."""

    def state_dict(self) -> dict[str, Any]:
        """The state, copied."""

    def load_state_dict(self, found: Mapping[str, Any], /) -> None:
        """Put back what ``state_dict`` returned."""


class StateRegistry:
    """The parts of a run that a checkpoint must hold."""

    def __init__(self) -> None:
        self.parts: dict[str, tuple[Stateful, When]] = {}

    def register(self, name: str, part: Stateful, when: When = "step") -> None:
        """Have a part saved and restored under a name."""
        self.parts[name] = (part, when)

    def capture(self, when: When) -> dict[str, Any]:
        """The states of all parts of a kind; those of a step are cheap enough to be taken before every step."""
        return {name: part.state_dict() for name, (part, kind) in self.parts.items() if kind == when}

    def restore(self, found: Mapping[str, Any], when: When) -> None:
        """Put back what ``capture`` returned; a part that was switched on since then stays as it is."""
        for name, (part, kind) in self.parts.items():
            if kind == when and name in found:
                part.load_state_dict(found[name])


class TrainerSums:
    """What transformers' Trainer adds up for its next log, and TRL's trainers beside it."""

    def __init__(self, trainer: Trainer):
        self.trainer = trainer

    def state_dict(self) -> dict[str, Any]:
        """The sums, copied."""
        trainer = self.trainer
        return {
            "metrics": {name: list(values) for name, values in trainer._metrics["train"].items()},
            "loss": trainer._tr_loss.detach().clone(),
            "total_loss": trainer._total_loss_scalar,
            "last_logged": trainer._globalstep_last_logged,
            "first_step": trainer._initial_global_step,
            "tokens": trainer._total_train_tokens,
            "input_tokens": trainer.state.num_input_tokens_seen,
        }

    def load_state_dict(self, found: Mapping[str, Any]) -> None:
        """Put the sums back."""
        trainer = self.trainer
        metrics = trainer._metrics["train"]
        metrics.clear()
        for name, values in found["metrics"].items():
            metrics[name] = list(values)
        trainer._tr_loss = found["loss"].to(trainer.args.device).clone()
        trainer._total_loss_scalar = found["total_loss"]
        trainer._globalstep_last_logged = found["last_logged"]
        trainer._initial_global_step = found["first_step"]
        trainer._total_train_tokens = found["tokens"]
        trainer.state.num_input_tokens_seen = found["input_tokens"]


class Rollouts:
    """GRPO's completions that are still to be trained on, and those that it shows in its table."""

    LISTS, COLUMNS = ("prompt", "completion", "advantages"), ("rewards", "extra")

    def __init__(self, trainer: Trainer):
        self.trainer = trainer

    def state_dict(self) -> dict[str, Any]:
        """The completions, copied but for their tensors, which nothing changes."""
        trainer, logs = self.trainer, self.trainer._logs
        every = trainer.args.steps_per_generation * trainer.num_iterations
        return {
            "micro_step": trainer._step,
            "buffer": trainer._buffered_inputs if trainer._step % every else None,
            "logs": {name: list(logs[name]) for name in self.LISTS},
            "logs_by_name": {name: {key: list(values) for key, values in logs[name].items()} for name in self.COLUMNS},
        }

    def load_state_dict(self, found: Mapping[str, Any]) -> None:
        """Put the completions back, on the trainer's device."""
        trainer, device = self.trainer, self.trainer.args.device
        trainer._step = found["micro_step"]
        buffer = found["buffer"]
        # Of a run with another ``lean``: TRL generates again, as where it finds none.
        if buffer and isinstance(buffer[0], list) != trainer.regroups:
            buffer = None
        trainer._buffered_inputs = None if buffer is None else _to(buffer, device)
        for name, values in found["logs"].items():
            _refill(trainer._logs[name], values)
        for name, columns in found["logs_by_name"].items():
            for key, values in columns.items():
                _refill(trainer._logs[name][key], values)


class MovingReference:
    """The weights of a reference model that follows the policy (``sync_ref_model``), this process's part of each."""

    def __init__(self, trainer: Trainer):
        self.trainer = trainer

    def state_dict(self) -> dict[str, Any]:
        """The weights; none of a reference model that stays as it is."""
        return {"weights": [_local(parameter) for parameter in self._parameters()]}

    def load_state_dict(self, found: Mapping[str, Any]) -> None:
        """Put the weights back; parts of other sizes are of another number of processes, and are left out."""
        for parameter, kept in zip(self._parameters(), found["weights"], strict=False):
            if _local(parameter).shape == kept.shape:
                _local(parameter).copy_(kept)

    def _parameters(self) -> list[torch.nn.Parameter]:
        moves = getattr(self.trainer.args, "sync_ref_model", False)
        return list(self.trainer.ref_model.parameters()) if moves else []


class EvaluationHistory(list[tuple[int, Result]]):
    """Every evaluation of a run so far, each with the step that it was made at."""

    def state_dict(self) -> dict[str, Any]:
        """The first and the last in full, which the summary compares."""
        return {"results": [(step, asdict(result)) for step, result in (self[:1] + self[1:][-1:])]}

    def load_state_dict(self, found: Mapping[str, Any]) -> None:
        """Put them back."""
        self[:] = [(step, _result(values)) for step, values in found["results"]]


def _result(values: Mapping[str, Any]) -> Result:
    return Result(**{**values, "answered": [Answered(**answered) for answered in values["answered"]]})


def _refill(kept: Any, values: Sequence[Any]) -> None:
    kept.clear()
    kept.extend(values)


def _local(parameter: torch.nn.Parameter) -> torch.Tensor:
    """This process's part of a parameter: under ZeRO-3 and FSDP each process holds one."""
    if hasattr(parameter, "ds_tensor"):
        return parameter.ds_tensor.data
    data = parameter.data
    return data.to_local() if hasattr(data, "to_local") else data


def _to(found: Any, device: torch.device) -> Any:
    """Batches, or lists of them, on a device."""
    if isinstance(found, list):
        return [_to(each, device) for each in found]
    if isinstance(found, dict):
        return {key: _to(each, device) for key, each in found.items()}
    return found.to(device) if isinstance(found, torch.Tensor) else found


def random_states() -> tuple[Any, ...]:
    """The state of every generator that training draws from on this process."""
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return random.getstate(), np.random.get_state(), torch.random.get_rng_state(), cuda


def restore_random_states(found: tuple[Any, ...]) -> None:
    """Put back what ``random_states`` took."""
    random.setstate(found[0])
    np.random.set_state(found[1])
    torch.random.set_rng_state(found[2])
    if found[3] is not None:
        torch.cuda.set_rng_state(found[3])
