"""Memory of one process, by what it is spent on and by phase of a step, from formulas.

The numbers of elements that a block keeps for its backward pass were read off the modelling code of transformers 5.23 (scaled-dot-product
attention) and checked against PyTorch's own list of saved tensors; ``benchmarks/memory.py`` compares the whole prediction with the
allocator's peak. e is the bytes of one element of the weights, N the tokens of one batch of one process.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ratchet.plan.placement import Placement
from ratchet.plan.shape import Shape
from ratchet.recipe import Recipe

MIB, GIB = 2**20, 2**30
# TRL 1.16 (kernels/chunked_logprob.py): the head works on tiles of so many tokens and so many words.
HEAD_TOKENS, HEAD_WORDS = 4096, 32768
STATE_BYTES = {
    "sgd": 0.0,
    "adafactor": 0.1,
    "adamw_8bit": 2.0,
    "adamw_bnb_8bit": 2.0,
    "paged_adamw_8bit": 2.0,
    "lion_8bit": 1.0,
    "lion_32bit": 4.0,
}
BUCKET, LIVE = (
    5e8,
    1e9,
)  # DeepSpeed's defaults: elements of reduce_bucket_size, parameters of stage3_max_live_parameters
CONTEXT = 0.8 * GIB  # of CUDA and NCCL in a process: never in the allocator's own figures
FRAGMENTATION = 0.04  # of what the caching allocator holds, between blocks


@dataclass(frozen=True)
class Lengths:
    """Tokens: the longest that a batch is padded to."""

    prompt: int
    completion: int
    row: int
    """Of SFT: prompt and target together."""
    evaluated: int
    """Longest evaluated answer."""


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
        return max(
            sum(v for k, v in parts.items() if k not in ("context", "fragmentation")) for parts in self.phases.values()
        )


@dataclass(frozen=True)
class Job:
    """What decides the memory of a process."""

    shape: Shape
    trainer: str
    lengths: Lengths
    processes: int
    kind: str
    stage: int
    offload_optimizer: bool
    offload_parameters: bool
    cpu: bool
    bytes: int
    """Of one element of the weights."""
    autocast: bool
    """Whether matrices are multiplied in bfloat16 although the weights are float32."""
    rank: int
    """LoRA's rank, 0 without."""
    targets: tuple[str, ...]
    dropout: bool
    """Of LoRA."""
    bits: int
    """4 or 8 where the frozen weights are quantised, else 0."""
    optim: str
    batch: int
    """Sequences of one forward and backward pass."""
    accumulated: bool
    """Whether gradients live on from one pass to the next."""
    generated: int
    """Sequences that a process generates at a time."""
    checkpointing: bool
    packing: bool
    reference: bool
    initial_copy: bool
    """The frozen copy from which the distance is measured, in main memory."""
    vllm: bool
    share: float
    """Of the GPU that vLLM takes."""
    sleep: bool
    evaluated: int
    """Sequences evaluated at a time; 0 where nothing is."""

    @property
    def served(self) -> bool:
        """Whether a vLLM server on other GPUs generates."""
        return self.share > 0 and not self.vllm

    @property
    def trainable(self) -> int:
        """Parameters with gradients."""
        return self.shape.lora(self.rank, list(self.targets)) if self.rank else self.shape.parameters

    @property
    def trained_bytes(self) -> int:
        """Of one element of what is trained: peft keeps adapters in float32 beside 16-bit weights (not under DeepSpeed, nor on quantised
        ones), FSDP2 all of it (accelerate, ``fsdp2_prepare_model``)."""
        return 4 if (self.rank and not self.bits and self.kind != "zero") or self.kind == "fsdp" else self.bytes

    @property
    def split(self) -> int:
        """Over how many processes weights are split."""
        return self.processes if self.kind in ("zero", "fsdp") and self.stage >= 3 else 1


def job_of(recipe: Recipe, shape: Shape, placement: Placement, lengths: Lengths) -> Job:
    """Read off a recipe and an accelerate configuration what decides the memory."""
    get = recipe.get
    size = 4 if get("dtype") in (None, "float32") else 2
    if get("load_in_4bit") or get("load_in_8bit") or (placement.kind == "zero" and placement.precision == "bf16"):
        size = 2
    use_peft, vllm = bool(get("use_peft")), recipe.trainer == "grpo" and bool(get("use_vllm"))
    sizes, cpu = recipe.batches, bool(get("use_cpu") or placement.use_cpu)
    bf16 = recipe.values.get("bf16", not recipe.values.get("fp16", False)) or bool(get("fp16"))
    targets = get("lora_target_modules") or ()
    evaluates = recipe.evaluation.before or recipe.evaluation.after or get("eval_strategy") != "no"
    return Job(
        shape=shape,
        trainer=recipe.trainer,
        lengths=lengths,
        processes=placement.processes,
        kind=placement.kind,
        stage=placement.stage,
        offload_optimizer=placement.offload_optimizer,
        offload_parameters=placement.offload_parameters,
        cpu=cpu,
        bytes=size,
        autocast=bool(bf16) and size == 4 and placement.kind != "zero",
        rank=int(get("lora_r")) if use_peft else 0,
        targets=(targets,) if isinstance(targets, str) else tuple(targets),
        dropout=bool(get("lora_dropout")),
        bits=4 if get("load_in_4bit") else 8 if get("load_in_8bit") else 0,
        optim=str(get("optim")),
        batch=get("per_device_train_batch_size"),
        accumulated=get("gradient_accumulation_steps") > 1,
        generated=max(1, sizes.generation_batch // placement.processes) if recipe.trainer == "grpo" else 0,
        checkpointing=bool(recipe.values.get("activation_checkpointing", not get("use_cpu"))),
        packing=recipe.trainer == "sft" and bool(get("packing")),
        reference=recipe.trainer == "grpo" and bool(get("beta")) and not use_peft,
        initial_copy=recipe.trainer == "grpo"
        and recipe.diagnostics.mode == "on"
        and recipe.diagnostics.kl
        and not get("beta")
        and not use_peft,
        vllm=vllm and get("vllm_mode") == "colocate",
        share=float(get("vllm_gpu_memory_utilization")) if vllm else 0.0,
        sleep=vllm and bool(get("vllm_enable_sleep_mode")),
        evaluated=recipe.evaluation.batch_size if evaluates else 0,
    )


def memory(job: Job, device_bytes: float = 0.0) -> Memory:
    """Bytes of one process in each phase.

    Args:
        device_bytes: of the GPU, of which vLLM takes its share.
    """
    standing = {"weights": weights(job), **_optimiser(job), "reference model": _reference(job)}
    if job.cpu and job.initial_copy:
        standing["initial model's copy"] = job.shape.parameters * job.bytes
    if job.kind == "ddp":  # the buckets in which gradients travel
        standing["buffers"] = job.trainable * job.trained_bytes
    if job.kind == "zero" and job.stage >= 3:  # made once, with the gradients' part
        standing |= {"buffers": _buckets(job), "gradients": _gradients(job)}
    vllm = {"vLLM": job.share * device_bytes} if job.vllm else {}
    training_too = {} if job.sleep else vllm
    phases = {
        "forward and backward": {**standing, **training_too, **training(job)},
        "optimiser step": {**standing, **training_too, **_step(job)},
    }
    if job.trainer == "grpo":
        here = {} if job.served else generation(job, job.generated, job.lengths.prompt, job.lengths.completion)
        phases["rollout"] = {**standing, **(vllm or here)}
        if job.reference:
            phases["scoring"] = {**standing, **training_too, **scoring(job)}
    if job.evaluated:
        phases["evaluation"] = {
            **standing,
            **training_too,
            **generation(job, job.evaluated, job.lengths.prompt, job.lengths.evaluated),
        }
    if gathered := _gathered(job):
        phases = {
            name: parts if name == "optimiser step" else {**parts, "gathered weights": gathered}
            for name, parts in phases.items()
        }
    if not job.cpu:
        phases = {name: _with_overhead(parts) for name, parts in phases.items()}
    return Memory({name: {k: v for k, v in parts.items() if v} for name, parts in phases.items()})


def _with_overhead(parts: Mapping[str, float]) -> dict[str, float]:
    ours = sum(size for name, size in parts.items() if name != "vLLM")
    return {**parts, "fragmentation": FRAGMENTATION * ours, "context": CONTEXT}


def weights(job: Job) -> float:
    """Bytes of the weights, LoRA's among them; quantised ones with their scales (Dettmers et al., 2023, arXiv:2305.14314)."""
    shape, size = job.shape, job.bytes
    if job.bits:
        per = {4: 0.5 + 1 / 64, 8: 1.01}[job.bits]
        return shape.matrices * per + (shape.parameters - shape.matrices) * size + job.trainable * job.trained_bytes
    held = 0 if job.offload_parameters else shape.parameters * (size if job.rank else job.trained_bytes) / job.split
    return held + (job.trainable * job.trained_bytes / job.split if job.rank else 0)


def _optimiser(job: Job) -> dict[str, float]:
    """Adam's two moments in the trained weights' type; under DeepSpeed and FSDP2 in float32 (with DeepSpeed's float32 master weights), split
    over the processes."""
    if job.offload_optimizer:
        return {}
    return {"optimiser": states(job) / (job.processes if job.kind == "zero" else job.split)}


def states(job: Job) -> float:
    """Bytes of the optimiser's states, all processes' parts together; DeepSpeed's master weights are among them."""
    quantised = STATE_BYTES.get(job.optim)
    if job.kind == "zero":
        return job.trainable * (4 + (8 if quantised is None else quantised))
    return job.trainable * (2 * job.trained_bytes if quantised is None else quantised)


def _buckets(job: Job) -> float:
    """DeepSpeed's buffer for gradients on their way: of fixed size, however small the model (reduce_bucket_size)."""
    return BUCKET * job.bytes if job.kind == "zero" else 0


def _gathered(job: Job) -> float:
    """Weights that are split and made whole for a pass: DeepSpeed keeps up to a thousand million of them, FSDP2 two blocks and the vocabulary."""
    shape = job.shape
    if job.split == 1:
        return 0
    if job.kind == "zero":
        return min(shape.parameters, LIVE) * job.bytes
    return (2 * shape.matrices / shape.layers + shape.embedding) * 2


def _reference(job: Job) -> float:
    return job.shape.parameters * job.bytes / job.split if job.reference else 0


def _gradients(job: Job) -> float:
    """Bytes of all gradients of one process at the end of a backward pass: split from ZeRO-2 on. Accumulated ones are kept beside new ones by
    ZeRO-2, and whole, in 16 bits, by FSDP2 (accelerate's no_sync)."""
    if job.kind == "zero" and job.stage == 2:
        return job.trainable * job.trained_bytes / job.processes * (2 if job.accumulated else 1)
    whole = 2 * job.trainable if job.kind == "fsdp" and job.accumulated else 0
    return job.trainable * job.trained_bytes / job.split + whole


def _step(job: Job) -> dict[str, float]:
    """While the optimiser is at work; DeepSpeed has its part of the gradients in float32."""
    more = (
        6 * job.trainable / job.processes if job.kind == "zero" and not job.offload_optimizer else 0
    )  # flattened, then in float32
    return {"gradients": _gradients(job) + more}


def block(job: Job, tokens: int) -> float:
    """Elements that one block keeps per token for its backward pass, ``tokens`` the length of a sequence.

    Two norms, attention (query, key, value repeated to all heads, output, the softmax's normaliser), the padding mask in the weights'
    type, the MLP. Norms compute in float32: of 16-bit weights they keep a float32 copy of their input. Under autocast each matrix keeps
    its own 16-bit copy of its input.
    """
    shape, half = job.shape, job.bytes == 2 or job.autocast
    h, q, k, heads = shape.hidden, shape.query, shape.key, shape.heads
    scaled = shape.family != "nanochat"  # norms with weights also keep what they scale
    if job.autocast:
        norm = (4 if scaled else 2) * h + 2 + (2.5 if shape.gated else 2) * h
    elif half:
        norm = (4 if scaled else 3) * h + 2
    else:
        norm = (3 if scaled else 2) * h + 1
    attention = 4 * q + (2 if half else 1) * heads
    if shape.qk_norm:
        attention += (
            (2 if scaled else 1) * (q + k) + (heads + shape.kv_heads) + half * (q + k + heads + shape.kv_heads)
        )
    mask = 0 if job.packing else tokens
    return 2 * norm + attention + mask + (4 if shape.gated else 2) * shape.intermediate + _adapters(job)


def _adapters(job: Job) -> float:
    """What LoRA adds to ``block``: frozen norms need not keep what they scale, nor frozen matrices their input; dropout keeps a mask and
    its own copy for each adapted matrix."""
    if not job.rank:
        return 0
    shape = job.shape
    adapted = {
        name: sizes for name, sizes in shape.linear.items() if name in job.targets or "all-linear" in job.targets
    }
    less = (2 * shape.hidden + (shape.query + shape.key) * shape.qk_norm) * (shape.family != "nanochat")
    for group in ({"q_proj", "k_proj", "v_proj"}, {"gate_proj", "up_proj", "fc1"}, {"down_proj", "fc2"}):
        if job.dropout or not group & adapted.keys():
            less += next(sizes[0] for name, sizes in shape.linear.items() if name in group)
    mask = (job.trained_bytes if job.cpu else 1) / (
        2 if job.autocast else job.bytes
    )  # a number on a CPU, a byte on a GPU
    dropped = sum(inputs for inputs, _ in adapted.values()) * (1 + mask) if job.dropout else 0
    return len(adapted) * job.rank + dropped - less


def workspace(job: Job) -> float:
    """Elements per token that the backward pass of a block needs beside what was kept: gradients within its MLP."""
    return (2 if job.shape.gated else 3) * job.shape.intermediate + (0 if job.shape.gated else job.shape.hidden)


def training(job: Job) -> dict[str, float]:
    """Forward and backward of one batch: what is kept, and the worst of the head and the blocks."""
    shape, size = job.shape, 2 if job.autocast else job.bytes
    length = job.lengths.row if job.trainer == "sft" else job.lengths.prompt + job.lengths.completion
    tokens = job.batch * length
    stream = shape.hidden * (2 if job.autocast else 1)  # between blocks, float32 under autocast
    one, ends = block(job, length), 3 * stream
    kept = shape.layers * stream + ends if job.checkpointing else shape.layers * one + ends
    again = one - stream if job.checkpointing else 0
    head = _head(job, length, job.batch)
    extra = (again + workspace(job)) * tokens * size
    gradients, early = _gradients(job), job.accumulated or (job.kind == "zero" and job.stage >= 3)
    buffers = _buckets(job)  # ZeRO-1 and 2 make theirs when the first gradient is there
    # Gradients appear block by block while what was kept goes, unless they live on from the pass before.
    start = {
        "activations": kept * tokens * size,
        "head": head,
        "gradients": gradients * early,
        "buffers": buffers * (job.stage >= 3),
    }
    first = {
        "activations": kept * tokens * size + extra,
        "head": 0,
        "gradients": gradients * early,
        "buffers": buffers,
    }
    ends_in = buffers + (
        min(job.trainable, BUCKET) * job.bytes if buffers else 0
    )  # the bucket is copied to be summed up
    last = {
        "activations": (stream if job.checkpointing else one) * tokens * size + extra,
        "head": 0,
        "gradients": gradients,
        "buffers": ends_in,
    }
    found = max((start, first, last), key=lambda parts: sum(parts.values()))
    if job.autocast:
        found = {**found, "weights in bfloat16": 2 * shape.matrices}
    # Without DeepSpeed there is nothing to say of buffers, and DDP's, which stand all the time, are not to be hidden.
    return found if buffers else {name: value for name, value in found.items() if name != "buffers"}


def _head(job: Job, length: int, batch: int, backward: bool = True) -> float:
    """TRL's fused head: a tile of logits, float32 gradients of the hidden states and of the vocabulary matrix."""
    shape, size = job.shape, 2 if job.autocast else job.bytes
    scored = batch * ((length - 1) if job.cpu or job.trainer == "sft" else job.lengths.completion)
    tile = min(scored, HEAD_TOKENS)
    found = tile * HEAD_WORDS * size
    if job.cpu:  # without Triton the tile is worked on in float32, operation by operation
        found += (7 if backward else 3) * tile * min(shape.vocabulary, HEAD_WORDS) * 4
    if backward:
        found += scored * shape.hidden * 4 + (0 if job.rank else shape.embedding * 4)
    return found


def scoring(job: Job) -> dict[str, float]:
    """A pass without gradients over prompts and completions: the reference model's, or the sampler's own."""
    length = job.lengths.prompt + job.lengths.completion
    size = 2 if job.autocast else job.bytes
    inner = max(4 * job.shape.intermediate, 4 * job.shape.query) + 3 * job.shape.hidden
    return {"activations": inner * job.batch * length * size, "head": _head(job, length, job.batch, backward=False)}


def generation(job: Job, batch: int, prompt: int, completion: int) -> dict[str, float]:
    """transformers' own generation: keys and values of all tokens, and the logits of the next one as they are sampled from."""
    shape = job.shape
    cache = 2 * shape.layers * shape.key * (prompt + completion) * batch * job.bytes
    growing = 2 * shape.key * (prompt + completion) * batch * job.bytes  # a layer's cache is made anew at each token
    prefill = (4 * shape.intermediate + 3 * shape.hidden) * prompt * batch * job.bytes
    logits = 5 * batch * shape.vocabulary * 4
    return {"KV cache": cache + growing, "activations": max(prefill, logits)}
