"""What the processes of a run split among themselves: DDP, ZeRO-1 to 3, FSDP2, as numbers for the formulas of memory.

| | weights | gradients | optimiser | float32 |
|---|---|---|---|---|
| one process, DDP | whole | whole | whole | peft's adapters beside 16-bit weights |
| ZeRO-1 | whole | whole | split | a master copy, among the optimiser's states |
| ZeRO-2 | whole | split | split | the same |
| ZeRO-3 | split | split | split | the same |
| FSDP2 | split | split | split | all trained weights (accelerate, ``fsdp2_prepare_model``) |

ZeRO is Rajbhandari et al., 2020 (arXiv:1910.02054); FSDP2 without resharding is counted as if it split nothing.
"""

from dataclasses import dataclass

from ratchet.plan.placement import Placement

# DeepSpeed's defaults: elements of reduce_bucket_size, and parameters of stage3_max_live_parameters.
BUCKET, LIVE = 5e8, 1e9
# While DeepSpeed's optimiser works, its part of the gradients is there flattened in 16 bits, and once more in float32.
STEP_GRADIENT_BYTES = 2 + 4


@dataclass(frozen=True)
class Sharding:
    """Over how many processes each part is split, and what the splitting itself needs."""

    processes: int
    weights_over: int = 1
    gradients_over: int = 1
    optimizer_over: int = 1
    splits_weights: bool = False
    """Whether weights are split as soon as there are several processes; quantised ones cannot be."""
    offload_optimizer: bool = False
    """Whether the optimiser's states live in main memory."""
    offload_weights: bool = False
    """Whether the weights do."""
    master_copy: bool = False
    """Whether the optimiser keeps a float32 copy of what is trained."""
    trains_in_float32: bool = False
    """Whether everything that is trained is kept in float32, for any type that the recipe loads."""
    adapters_in_float32: bool = True
    """Whether peft's float32 adapters stay float32 beside 16-bit weights."""
    bucket: float = 0.0
    """Elements of the buffer in which gradients travel: of fixed size, however small the model."""
    buckets_of_all_gradients: bool = False
    """Whether that buffer holds all gradients instead (DDP)."""
    gradients_stand: bool = False
    """Whether the gradients' part and the bucket are made once, and never given back."""
    live_parameters: float | None = None
    """Split weights that may be whole at a time; None where two blocks and the vocabulary are."""
    accumulates_beside: bool = False
    """Whether accumulated gradients are kept beside new ones."""
    accumulates_whole: bool = False
    """Whether accumulated gradients are kept whole, in 16 bits (accelerate's ``no_sync``)."""
    step_gradient_bytes: int = 0
    """Of each split gradient, beside itself, while the optimiser works."""


def unsharded(processes: int) -> Sharding:
    """One process, or DDP: every process has everything."""
    return Sharding(processes)


def ddp(processes: int) -> Sharding:
    """PyTorch's DistributedDataParallel, whose buckets hold every gradient once more."""
    return Sharding(processes, buckets_of_all_gradients=True)


def zero(stage: int, processes: int, offload_optimizer: bool = False, offload_weights: bool = False) -> Sharding:
    """DeepSpeed's ZeRO."""
    return Sharding(
        processes,
        weights_over=processes if stage >= 3 else 1,
        gradients_over=processes if stage >= 2 else 1,
        optimizer_over=processes,
        splits_weights=stage >= 3,
        offload_optimizer=offload_optimizer,
        offload_weights=offload_weights,
        master_copy=True,
        adapters_in_float32=False,
        bucket=BUCKET,
        gradients_stand=stage >= 3,
        live_parameters=LIVE,
        accumulates_beside=stage == 2,
        step_gradient_bytes=0 if offload_optimizer else STEP_GRADIENT_BYTES,
    )


def fsdp2(processes: int, reshards: bool = True, offloads: bool = False) -> Sharding:
    """PyTorch's fully sharded data parallel, second version."""
    over = processes if reshards else 1
    return Sharding(
        processes,
        weights_over=over,
        gradients_over=over,
        optimizer_over=over,
        splits_weights=reshards,
        offload_optimizer=offloads,
        offload_weights=offloads,
        trains_in_float32=True,
        accumulates_whole=True,
    )


def sharding_of(placement: Placement) -> Sharding:
    """The sharding that an accelerate configuration asks for."""
    if placement.kind == "zero":
        return zero(placement.stage, placement.processes, placement.offload_optimizer, placement.offload_parameters)
    if placement.kind == "fsdp":
        return fsdp2(placement.processes, reshards=placement.stage >= 3, offloads=placement.offload_optimizer)
    return ddp(placement.processes) if placement.kind == "ddp" else unsharded(placement.processes)
