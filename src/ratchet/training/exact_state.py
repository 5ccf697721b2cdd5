"""What TRL's checkpoints leave out, as plain data: with it a run that goes on computes what it would have computed.

transformers saves weights, optimiser, schedule, random states and its own counters. Left out are the completions that
are still to be trained on, where the samplers stand, sums for the next log, a reference model that moves, and what
Ratchet itself gathers (diagnostics, alarms, the curriculum, evaluations).
"""

import random
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from ratchet.evaluation.evaluate import Answered, Result


def of_step(trainer: Any) -> dict[str, Any]:
    """What changes in the middle of a step, copied; cheap enough for every step."""
    found = {
        "metrics": {name: list(values) for name, values in trainer._metrics["train"].items()},
        "loss": trainer._tr_loss.detach().clone(),
        "total_loss": trainer._total_loss_scalar,
        "last_logged": trainer._globalstep_last_logged,
        "first_step": trainer._initial_global_step,
        "tokens": trainer._total_train_tokens,
        "input_tokens": trainer.state.num_input_tokens_seen,
        "alarms": trainer.keeper.alarms.watch.state_dict(),
        "faults": trainer.faults.state_dict(),
    }
    if trainer.observer is not None:
        found["observer"] = trainer.observer.state_dict()
    if hasattr(trainer, "_buffered_inputs"):
        found |= _of_rollouts(trainer)
    return found


def _of_rollouts(trainer: Any) -> dict[str, Any]:
    every = trainer.args.steps_per_generation * trainer.num_iterations
    logs = trainer._logs
    found = {
        "micro_step": trainer._step,
        "buffer": trainer._buffered_inputs if trainer._step % every else None,
        "logs": {name: list(logs[name]) for name in ("prompt", "completion", "advantages")},
        "logs_by_name": {
            name: {key: list(values) for key, values in logs[name].items()} for name in ("rewards", "extra")
        },
    }
    if trainer.stages is not None:
        found["curriculum"] = trainer.stages.state_dict()
    return found


def restore_step(trainer: Any, found: Mapping[str, Any]) -> None:
    """Put back what ``of_step`` copied."""
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
    trainer.keeper.alarms.watch.load_state_dict(found["alarms"])
    trainer.faults.load_state_dict(found["faults"])
    if trainer.observer is not None and "observer" in found:
        trainer.observer.load_state_dict(found["observer"])
    if "micro_step" not in found:
        return
    trainer._step = found["micro_step"]
    trainer._buffered_inputs = (
        None if found["buffer"] is None else [_to(batch, trainer.args.device) for batch in found["buffer"]]
    )
    for name, values in found["logs"].items():
        trainer._logs[name].clear()
        trainer._logs[name].extend(values)
    for name, columns in found["logs_by_name"].items():
        for key, values in columns.items():
            trainer._logs[name][key].clear()
            trainer._logs[name][key].extend(values)
    if trainer.stages is not None and "curriculum" in found:
        trainer.stages.load_state_dict(found["curriculum"])


def of_run(trainer: Any) -> dict[str, Any]:
    """What changes between steps only: evaluations (the first and the last in full), and a reference model that moves."""
    results = trainer.results[:1] + trainer.results[1:][-1:]
    return {
        "results": [(step, asdict(result)) for step, result in results],
        "reference": [_local(p) for p in _moving(trainer)],
    }


def restore_run(trainer: Any, found: Mapping[str, Any]) -> None:
    """Put back what ``of_run`` kept."""
    trainer.results = [
        (step, Result(**{**values, "answered": [Answered(**a) for a in values["answered"]]}))
        for step, values in found["results"]
    ]
    for parameter, kept in zip(_moving(trainer), found["reference"], strict=False):
        if _local(parameter).shape == kept.shape:  # parts of other sizes are of another number of processes
            _local(parameter).copy_(kept)


def _moving(trainer: Any) -> list[torch.nn.Parameter]:
    return list(trainer.ref_model.parameters()) if getattr(trainer.args, "sync_ref_model", False) else []


def _local(parameter: torch.nn.Parameter) -> torch.Tensor:
    """This process's part of a parameter: under ZeRO-3 and FSDP each process holds one."""
    if hasattr(parameter, "ds_tensor"):
        return parameter.ds_tensor.data
    data = parameter.data
    return data.to_local() if hasattr(data, "to_local") else data


def _to(batch: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    return {key: value.to(device) if isinstance(value, torch.Tensor) else value for key, value in batch.items()}


def random_states() -> tuple[Any, ...]:
    """Of every generator that training draws from on this process."""
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return random.getstate(), np.random.get_state(), torch.random.get_rng_state(), cuda


def restore_random_states(found: tuple[Any, ...]) -> None:
    """Put back what ``random_states`` took."""
    random.setstate(found[0])
    np.random.set_state(found[1])
    torch.random.set_rng_state(found[2])
    if found[3] is not None:
        torch.cuda.set_rng_state(found[3])
