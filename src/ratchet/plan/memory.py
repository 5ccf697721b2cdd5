"""Memory of one process, by what it is spent on and by phase of a step, from formulas.

What stands for the whole run (weights, optimiser, ...) is here, and when what lives; what a pass needs while it runs
is in ``plan.activations``. ``benchmarks/memory.py`` compares the whole prediction with the allocator's peak.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ratchet.plan.activations import block, generation, head, row_tokens, scoring, stream, workspace
from ratchet.plan.job import Job

MIB, GIB = 2**20, 2**30
# Bytes of an optimiser's state for each trained parameter, where these are not Adam's two moments in the type of the
# weights. 8-bit states: Dettmers et al., 2022 (arXiv:2110.02861); Adafactor keeps sums of rows and columns of the
# second moment (Shazeer and Stern, 2018, arXiv:1804.04235).
STATE_BYTES = {
    "sgd": 0.0,
    "adafactor": 0.1,
    "adamw_8bit": 2.0,
    "adamw_bnb_8bit": 2.0,
    "paged_adamw_8bit": 2.0,
    "lion_8bit": 1.0,
    "lion_32bit": 4.0,
}
# Bytes of a quantised weight with its scales: one float32 for 64 weights, quantised once more (Dettmers et al., 2023,
# arXiv:2305.14314), and LLM.int8()'s one for each row (arXiv:2208.07339).
QUANTISED_BYTES = {4: 0.5 + 1 / 64, 8: 1.01}
CONTEXT = 0.8 * GIB  # of CUDA and NCCL in a process: never in the allocator's own figures
FRAGMENTATION = 0.04  # of what the caching allocator holds, between blocks

Parts = dict[str, float]


@dataclass(frozen=True)
class Memory:
    """Bytes of one process."""

    phases: Mapping[str, Mapping[str, float]]
    """Phase of a step -> what lives in it."""

    @property
    def worst(self) -> str:
        """The phase with the peak."""
        return max(self.phases, key=lambda name: sum(self.phases[name].values()))

    @property
    def parts(self) -> Mapping[str, float]:
        """What lives at the peak."""
        return self.phases[self.worst]

    @property
    def peak(self) -> float:
        """Bytes at the peak, with context and fragmentation where there is a GPU."""
        return sum(self.parts.values())

    @property
    def allocated(self) -> float:
        """Bytes at the peak as the allocator counts them."""
        return max(_allocated(parts) for parts in self.phases.values())


def _allocated(parts: Mapping[str, float]) -> float:
    return sum(size for name, size in parts.items() if name not in ("context", "fragmentation"))


def memory(job: Job, device_bytes: float = 0.0) -> Memory:
    """Bytes of one process in each phase.

    Args:
        device_bytes: of the GPU, of which vLLM takes its share.
    """
    standing = _standing(job)
    vllm = {"vLLM": job.rollout.share * device_bytes} if job.rollout.colocated else {}
    while_training = {**standing, **({} if job.rollout.sleep else vllm)}
    phases = {
        "forward and backward": {**while_training, **training(job)},
        "optimiser step": {**while_training, **_step(job)},
    }
    if job.method.samples:
        phases["rollout"] = {**standing, **(vllm or _generated_here(job))}
        if job.reference or job.distillation_passes:
            phases["scoring"] = {**while_training, **scoring(job)}
    if job.evaluated:
        phases["evaluation"] = {**while_training, **generation(job, job.evaluated, job.lengths.evaluated)}
    # The optimiser works on the parts: only a pass needs weights whole.
    if gathered := _gathered(job):
        for name in phases.keys() - {"optimiser step"}:
            phases[name]["gathered weights"] = gathered
    if not job.cpu:
        phases = {name: _with_overhead(parts) for name, parts in phases.items()}
    return Memory({name: _spent(parts) for name, parts in phases.items()})


def _spent(parts: Parts) -> Parts:
    return {name: size for name, size in parts.items() if size}


def _with_overhead(parts: Parts) -> Parts:
    ours = sum(size for name, size in parts.items() if name != "vLLM")
    return {**parts, "fragmentation": FRAGMENTATION * ours, "context": CONTEXT}


def _standing(job: Job) -> Parts:
    """What lives in every phase."""
    parts = {"weights": weights(job), **_optimiser(job), "reference model": _reference(job)}
    if job.teacher is not None:
        parts["teacher"] = job.teacher.parameters * job.precision.weight_bytes / job.sharding.weights_over
    if job.cpu and job.initial_copy:  # it lies in main memory, which only a CPU's run counts
        parts["initial model's copy"] = job.shape.parameters * job.precision.weight_bytes
    if job.sharding.buckets_of_all_gradients:
        parts["buffers"] = job.trainable * job.trained_bytes
    if job.sharding.gradients_stand:
        parts |= {"buffers": _bucket(job), "gradients": gradients(job)}
    return parts


def _generated_here(job: Job) -> Parts:
    if job.rollout.served:
        return {}
    return generation(job, job.rollout.sequences, job.lengths.completion)


def weights(job: Job) -> float:
    """Bytes of the weights, LoRA's among them."""
    shape, sharding, size = job.shape, job.sharding, job.precision.weight_bytes
    trained = job.trainable * job.trained_bytes
    if job.precision.quantised_bits:
        each = QUANTISED_BYTES[job.precision.quantised_bits]
        # Only the blocks' matrices are quantised; embeddings and norms stay as they are.
        return shape.matrices * each + (shape.parameters - shape.matrices) * size + trained
    frozen_size = job.trained_bytes if job.adapter is None else size
    held = 0 if sharding.offload_weights else shape.parameters * frozen_size / sharding.weights_over
    return held if job.adapter is None else held + trained / sharding.weights_over


def _optimiser(job: Job) -> Parts:
    if job.sharding.offload_optimizer:
        return {}
    return {"optimiser": states(job) / job.sharding.optimizer_over}


def states(job: Job) -> float:
    """Bytes of the optimiser's states, all processes' parts together.

    Adam's two moments are in the type of what is trained; under DeepSpeed in float32, with master weights beside them.
    """
    each = STATE_BYTES.get(job.optim)
    if job.sharding.master_copy:
        return job.trainable * (4 + (8 if each is None else each))
    return job.trainable * (2 * job.trained_bytes if each is None else each)


def _reference(job: Job) -> float:
    if not job.reference:
        return 0
    return job.shape.parameters * job.precision.weight_bytes / job.sharding.weights_over


def _bucket(job: Job) -> float:
    """The buffer of fixed size for gradients on their way."""
    return job.sharding.bucket * job.precision.weight_bytes


def _gathered(job: Job) -> float:
    """Weights that are split and made whole for a pass."""
    shape, sharding = job.shape, job.sharding
    if sharding.weights_over == 1:
        return 0
    if sharding.live_parameters is not None:
        return min(shape.parameters, sharding.live_parameters) * job.precision.weight_bytes
    # FSDP2 gathers in 16 bits: a block, the next one ahead of time, and the vocabulary's matrix.
    return (2 * shape.matrices / shape.layers + shape.embedding) * 2


def gradients(job: Job) -> float:
    """Bytes of all gradients of one process at the end of a backward pass, with those that were accumulated before."""
    sharding = job.sharding
    size = job.trainable * job.trained_bytes / sharding.gradients_over
    if not job.batch.accumulated:
        return size
    if sharding.accumulates_whole:
        return size + 2 * job.trainable
    return 2 * size if sharding.accumulates_beside else size


def _step(job: Job) -> Parts:
    """While the optimiser is at work."""
    more = job.sharding.step_gradient_bytes * job.trainable / job.sharding.optimizer_over
    return {"gradients": gradients(job) + more}


def training(job: Job) -> Parts:
    """Forward and backward of one batch, at the worst of three moments.

    Gradients appear block by block while what was kept for them goes, unless they live on from the pass before.
    """
    found = max(_moments(job), key=lambda parts: sum(parts.values()))
    if job.precision.autocast:
        found["weights in bfloat16"] = 2 * job.shape.matrices
    if not found["buffers"]:  # DDP's, which stand all the time, are not to be hidden by a zero
        del found["buffers"]
    return found


def _moments(job: Job) -> tuple[Parts, Parts, Parts]:
    """The head's pass, and the backward pass of the last block (which comes first) and of the first one."""
    length, sharding = row_tokens(job), job.sharding
    batch_bytes = job.batch.sequences * length * job.precision.computed_bytes  # N e
    one, between = block(job, length), stream(job)
    # Recomputing keeps a block's input alone, and makes the rest again when the block's turn comes.
    in_block = between if job.batch.checkpointing else one
    kept = job.shape.layers * in_block + 3 * between  # 3: around the blocks, of the embedding and the last norm
    again = (one - between if job.batch.checkpointing else 0) + workspace(job)
    whole, bucket = gradients(job), _bucket(job)
    early = whole if job.batch.accumulated or sharding.gradients_stand else 0
    # ZeRO-1 and 2 make their bucket when the first gradient is there, and copy it to be summed up over the processes.
    summed = min(job.trainable, sharding.bucket) * job.precision.weight_bytes if bucket else 0
    return (
        {
            "activations": kept * batch_bytes,
            "head": head(job, length),
            "gradients": early,
            "buffers": bucket if sharding.gradients_stand else 0,
        },
        {"activations": (kept + again) * batch_bytes, "head": 0, "gradients": early, "buffers": bucket},
        {"activations": (in_block + again) * batch_bytes, "head": 0, "gradients": whole, "buffers": bucket + summed},
    )
