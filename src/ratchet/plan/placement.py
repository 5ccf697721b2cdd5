"""Reads an accelerate configuration without accelerate: the processes of a run, and what is split over them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from ratchet.errors import UserError

ELSEWHERE = ("cpu", "nvme")  # DeepSpeed's devices beside the GPU
KINDS = {"NO": "one", "MULTI_GPU": "ddp", "MULTI_CPU": "ddp", "DEEPSPEED": "zero", "FSDP": "fsdp"}

PORT = 29500  # torch's own, where processes meet


@dataclass(frozen=True)
class Placement:
    """Processes, machines, and what is split over them."""

    file: str
    kind: Literal["one", "ddp", "zero", "fsdp"]
    processes: int
    machines: int
    precision: str
    """"no", "bf16" or "fp16": what autocast computes in."""
    stage: int = 0
    """ZeRO stage; FSDP2 splits like stage 3, or like 2 where it does not reshard."""
    offload_optimizer: bool = False
    """Whether optimiser states live in main memory."""
    offload_parameters: bool = False
    """Whether weights do."""
    use_cpu: bool = False
    port: int = PORT
    """Of the rendezvous, where the processes find each other."""
    accumulation: Any = None
    """gradient_accumulation_steps where the file has one, which it should not."""
    standard_launcher: bool = True
    """Whether DeepSpeed's processes on several machines are started by accelerate on each, not by pdsh from one."""
    saves_whole: bool = True
    """Whether a ZeRO-3 run writes a model that loads (zero3_save_16bit_model)."""

    @property
    def per_machine(self) -> int:
        """Processes on each machine."""
        return self.processes // self.machines

    def sized(self, processes: int | None, machines: int | None) -> "Placement":
        """The same with other numbers; machines alone keep the processes of each.

        Raises:
            UserError: where the processes cannot be spread evenly.
        """
        machines = machines or self.machines
        processes = processes or self.per_machine * machines
        if processes < 1 or machines < 1 or processes % machines:
            raise UserError(f"{processes} processes cannot be spread evenly over {machines} machines")
        kind = "ddp" if self.kind == "one" and processes > 1 else self.kind
        return replace(self, processes=processes, machines=machines, kind=kind)


def read_placement(path: str | Path) -> Placement:
    """An accelerate configuration file.

    Raises:
        UserError: where it cannot be read, or is of a kind that Ratchet does not launch.
    """
    path = Path(path)
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        near = sorted(other.name for other in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        there = f"; {path.parent} has {', '.join(near)}" if near else ""
        raise UserError(f"there is no accelerate configuration {path}{there}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict) or found.get("distributed_type") not in KINDS:
        kind = found.get("distributed_type") if isinstance(found, dict) else None
        raise UserError(f"{path}: distributed_type is {kind or 'missing'}; it should be one of {', '.join(KINDS)}")
    deepspeed, fsdp = found.get("deepspeed_config") or {}, found.get("fsdp_config") or {}
    kind = KINDS[found["distributed_type"]]
    try:
        processes, machines = int(found.get("num_processes") or 1), int(found.get("num_machines") or 1)
        stage = _stage(kind, deepspeed, fsdp)
        port = int(found.get("main_process_port") or PORT)
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: {error}") from None
    if found["distributed_type"] == "MULTI_CPU" and processes > 1:
        raise UserError(
            f"{path}: accelerate starts a single process on each machine for MULTI_CPU (it wants MPI for more), and "
            "these would collide on the output folder; write distributed_type: MULTI_GPU and use_cpu: true, as "
            "accelerate_configs/cpu2.yaml has it"
        )
    if "deepspeed_config_file" in deepspeed:
        raise UserError(
            f"{path}: plan reads what stands in the file itself; take deepspeed_config_file apart into its keys"
        )
    fsdp_offloads = bool(fsdp.get("fsdp_offload_params"))
    return Placement(
        file=str(path),
        kind=kind,
        processes=processes,
        machines=machines,
        precision=str(found.get("mixed_precision") or "no"),
        stage=stage,
        offload_optimizer=deepspeed.get("offload_optimizer_device") in ELSEWHERE or fsdp_offloads,
        offload_parameters=deepspeed.get("offload_param_device") in ELSEWHERE or fsdp_offloads,
        use_cpu=bool(found.get("use_cpu")),
        port=port,
        accumulation=deepspeed.get("gradient_accumulation_steps"),
        standard_launcher=kind != "zero" or deepspeed.get("deepspeed_multinode_launcher") == "standard",
        saves_whole=stage < 3 or kind == "fsdp" or bool(deepspeed.get("zero3_save_16bit_model")),
    )


def _stage(kind: str, deepspeed: dict[str, Any], fsdp: dict[str, Any]) -> int:
    if kind == "zero":
        return int(deepspeed.get("zero_stage", 0))
    if kind == "fsdp":
        return 3 if fsdp.get("fsdp_reshard_after_forward", True) else 2
    return 0
