"""``run.json``: what was run, on what, and how to type it again."""

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil
import torch
from transformers import Trainer

from ratchet.checkpoints.origin import origin
from ratchet.diagnostics.observer import Observer
from ratchet.runtime import command_line, commit, launcher
from ratchet.training.prepare import Run

PACKAGES = ("ratchet-recipes", "torch", "trl", "transformers", "accelerate", "peft", "datasets", "deepspeed", "vllm")


def about(trainer: Trainer, run: Run, observer: Observer | None) -> dict[str, Any]:
    """Command, commit, data, versions, hardware, model."""
    rows = run.data.train
    model = trainer.accelerator.unwrap_model(trainer.model)
    parameters = [
        (p.numel() if not hasattr(p, "ds_numel") else p.ds_numel, p.requires_grad) for p in model.parameters()
    ]
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": command_line(),
        "launcher": launcher(),
        "processes": trainer.accelerator.num_processes,
        "distributed": _distribution(trainer),
        "commit": commit(),
        "origin": origin(run.recipe),
        "question": rows[0]["prompt"][-1]["content"],
        "data": {"rows": len(rows), "sha256": run.data.sha256, "notes": run.data.notes},
        "model": {
            "parameters": sum(n for n, _ in parameters),
            "trained": sum(n for n, learns in parameters if learns),
        },
        "versions": versions(),
        "hardware": hardware(),
        "left_out": observer.notes if observer is not None else ["everything: diagnostics: off"],
    }


def made_from(trainer: Trainer, run: Run) -> dict[str, Any]:
    """What a checkpoint's manifest says about where it comes from."""
    about = {
        "processes": trainer.accelerator.num_processes,
        "distributed": _distribution(trainer),
        "versions": versions(),
    }
    return {**about, "data": run.data.sha256, **origin(run.recipe)}


def versions() -> dict[str, str]:
    """Of Python and of the packages that compute."""
    return {"python": platform.python_version(), **{name: v for name in PACKAGES if (v := _version(name))}}


def _distribution(trainer: Trainer) -> str:
    return str(trainer.accelerator.distributed_type).rpartition(".")[2]


def hardware() -> dict[str, Any]:
    """Processor, memory, and GPUs of this machine; the machine's name is left out, since reports are published."""
    found = {
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
    }
    if torch.cuda.is_available():
        found["gpus"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return found


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
