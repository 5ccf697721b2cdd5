"""What would make a run fit, the mildest change first, and the largest batch that does."""

from collections.abc import Iterator
from dataclasses import replace

from ratchet.plan.job import Adapter, Job
from ratchet.plan.memory import memory
from ratchet.plan.sharding import zero

Change = tuple[str, Job]
LONGEST = 12  # changes that are tried one upon another
WORTHWHILE = 0.995  # of the peak: what a change must leave at the most, to be worth naming
LEAST_SHARE, SHARE_STEP = 0.15, 0.1  # of the GPU, for vLLM
SHORTEST = 128  # tokens, below which no length is cut


def fits(job: Job, device_bytes: float) -> bool:
    """Whether the peak stays within the device."""
    return memory(job, device_bytes).peak <= device_bytes


def remedies(job: Job, device_bytes: float) -> list[str]:
    """Changes that make a job fit: the three mildest single ones, else several together; none where none help."""
    alone = [name for name, changed in _changes(job) if fits(changed, device_bytes)]
    if alone:
        return alone[:3]
    taken: list[str] = []
    for _ in range(LONGEST):
        better = _first_that_helps(job, device_bytes)
        if better is None:
            return []
        name, job = better
        taken = [old for old in taken if _key(old) != _key(name)] + [name]
        if fits(job, device_bytes):
            return [" and ".join(taken)]
    return []


def _first_that_helps(job: Job, device_bytes: float) -> Change | None:
    enough = WORTHWHILE * memory(job, device_bytes).peak
    for name, changed in _changes(job):
        if memory(changed, device_bytes).peak < enough:
            return name, changed
    return None


def _key(change: str) -> str:
    """The recipe's key that a change sets: a later value of the same key takes the earlier one's place."""
    return change.split(":")[0]


def _changes(job: Job) -> Iterator[Change]:
    """Every change that the job leaves open, mildest first: speed, then precision, lengths, and what is trained."""
    yield from _smaller_batches(job)
    yield from _less_for_vllm(job)
    yield from _smaller_numbers(job)
    yield from _more_sharding(job)
    yield from _shorter(job)
    yield from _fewer_parameters(job)


def _smaller_batches(job: Job) -> Iterator[Change]:
    if job.evaluated > 1:
        size = max(1, job.evaluated // 4)
        yield f"evaluation.batch_size: {size}", replace(job, evaluated=size)
    if job.batch.sequences > 1:
        size = job.batch.sequences // 2
        batch = replace(job.batch, sequences=size, accumulated=True)
        name = f"per_device_train_batch_size: {size} (with twice the gradient_accumulation_steps)"
        yield name, replace(job, batch=batch)
    if not job.batch.checkpointing:
        yield "activation_checkpointing: true", replace(job, batch=replace(job.batch, checkpointing=True))


def _less_for_vllm(job: Job) -> Iterator[Change]:
    rollout = job.rollout
    if not rollout.colocated:
        return
    if not rollout.sleep:
        yield "vllm_enable_sleep_mode: true", replace(job, rollout=replace(rollout, sleep=True))
    if rollout.share > LEAST_SHARE:
        share = round(max(LEAST_SHARE, rollout.share - SHARE_STEP), 2)
        yield f"vllm_gpu_memory_utilization: {share:g}", replace(job, rollout=replace(rollout, share=share))


def _smaller_numbers(job: Job) -> Iterator[Change]:
    if job.precision.weight_bytes == 4 and not job.cpu and job.adapter is not None:  # else no update would be kept
        yield "dtype: bfloat16", replace(job, precision=replace(job.precision, weight_bytes=2, autocast=False))
    if job.adapter is None and "8bit" not in job.optim:
        yield "optim: adamw_8bit", replace(job, optim="adamw_8bit")
    if job.reference:
        yield "beta: 0.0", replace(job, reference=False)


def _more_sharding(job: Job) -> Iterator[Change]:
    now = job.sharding
    zero3 = zero(3, now.processes, now.offload_optimizer, now.offload_weights)
    if now.processes > 1 and not job.precision.quantised_bits and now != zero3:
        yield "accelerate_configs/zero3.yaml", replace(job, sharding=zero3)


def _shorter(job: Job) -> Iterator[Change]:
    lengths, sequences = job.lengths, job.batch.sequences
    if job.method.samples and job.rollout.sequences > sequences:
        rollout = replace(job.rollout, sequences=sequences)
        yield f"generation_batch_size: {sequences * job.sharding.processes}", replace(job, rollout=rollout)
    if job.method.samples and lengths.completion > SHORTEST:
        half = lengths.completion // 2
        shorter = replace(lengths, completion=half, evaluated=min(lengths.evaluated, half))
        yield f"max_completion_length: {half}", replace(job, lengths=shorter)
    if not job.method.samples and lengths.row > SHORTEST:
        half = lengths.row // 2
        yield f"max_length: {half}", replace(job, lengths=replace(lengths, row=half))


def _fewer_parameters(job: Job) -> Iterator[Change]:
    if job.adapter is None:
        # The frozen base is the reference then: no second copy is needed.
        yield "use_peft: true", replace(job, adapter=Adapter(32, ("all-linear",)), reference=False)
    elif not job.precision.quantised_bits and not job.sharding.splits_weights:
        yield "load_in_4bit: true", replace(job, precision=replace(job.precision, quantised_bits=4))


def largest_batch(job: Job, device_bytes: float) -> int:
    """The largest per_device_train_batch_size that fits; 0 where not even one sequence does."""
    if not fits(job.with_batch(1), device_bytes):
        return 0
    low, high = 1, 2
    while high <= 65_536 and fits(job.with_batch(high), device_bytes):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if fits(job.with_batch(middle), device_bytes):
            low = middle
        else:
            high = middle
    return low
