"""What would make a run fit, the mildest change first, and the largest batch that does."""

from collections.abc import Iterator
from dataclasses import replace

from ratchet.plan.memory import Job, memory

Change = tuple[str, Job]


def fits(job: Job, device_bytes: float) -> bool:
    """Whether the peak stays within the device."""
    return memory(job, device_bytes).peak <= device_bytes


def remedies(job: Job, device_bytes: float) -> list[str]:
    """The single changes that are enough, mildest first; else the shortest list of them, one upon another, that is; empty where none is."""
    alone = [name for name, changed in _changes(job) if fits(changed, device_bytes)]
    if alone:
        return alone[:3]
    taken: list[str] = []
    for _ in range(12):
        before = memory(job, device_bytes).peak
        better = [
            (name, changed) for name, changed in _changes(job) if memory(changed, device_bytes).peak < 0.995 * before
        ]
        if not better:
            return []
        name, job = better[0]
        taken = [old for old in taken if old.split(":")[0] != name.split(":")[0]] + [name]
        if fits(job, device_bytes):
            return [" and ".join(taken)]
    return []


def _changes(job: Job) -> Iterator[Change]:
    if job.evaluated > 1:
        size = max(1, job.evaluated // 4)
        yield f"evaluation.batch_size: {size}", replace(job, evaluated=size)
    if job.batch > 1:
        size = job.batch // 2
        yield (
            f"per_device_train_batch_size: {size} (with twice the gradient_accumulation_steps)",
            replace(job, batch=size, accumulated=True),
        )
    if not job.checkpointing:
        yield "activation_checkpointing: true", replace(job, checkpointing=True)
    if job.vllm and not job.sleep:
        yield "vllm_enable_sleep_mode: true", replace(job, sleep=True)
    if job.vllm and job.share > 0.15:
        share = round(max(0.15, job.share - 0.1), 2)
        yield f"vllm_gpu_memory_utilization: {share:g}", replace(job, share=share)
    if job.bytes == 4 and not job.cpu:
        yield "dtype: bfloat16", replace(job, bytes=2, autocast=False)
    if not job.rank and "8bit" not in job.optim:
        yield "optim: adamw_8bit", replace(job, optim="adamw_8bit")
    if job.reference:
        yield "beta: 0.0", replace(job, reference=False)
    if job.processes > 1 and not job.bits and (job.kind != "zero" or job.stage < 3):
        yield "accelerate_configs/zero3.yaml", replace(job, kind="zero", stage=3)
    if job.trainer == "grpo" and job.generated > job.batch:
        yield f"generation_batch_size: {job.batch * job.processes}", replace(job, generated=job.batch)
    if job.trainer == "grpo" and job.lengths.completion > 128:
        shorter = replace(
            job.lengths,
            completion=job.lengths.completion // 2,
            evaluated=min(job.lengths.evaluated, job.lengths.completion // 2),
        )
        yield f"max_completion_length: {shorter.completion}", replace(job, lengths=shorter)
    if job.trainer == "sft" and job.lengths.row > 128:
        yield (
            f"max_length: {job.lengths.row // 2}",
            replace(job, lengths=replace(job.lengths, row=job.lengths.row // 2)),
        )
    if not job.rank:
        yield "use_peft: true", replace(job, rank=32, targets=("all-linear",), dropout=False, reference=False)
    elif not job.bits and job.stage < 3:
        yield "load_in_4bit: true", replace(job, bits=4)


def largest_batch(job: Job, device_bytes: float) -> int:
    """The largest per_device_train_batch_size that fits; 0 where not even one sequence does."""
    if not fits(replace(job, batch=1), device_bytes):
        return 0
    low, high = 1, 2
    while high <= 65_536 and fits(replace(job, batch=high), device_bytes):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(replace(job, batch=middle), device_bytes) else (low, middle)
    return low
