"""What a pass needs while it runs: what blocks keep for the backward pass, the head, and generation.

The numbers of elements that a block keeps were read off the modelling code of transformers 5.23 (scaled-dot-product
attention) and checked against PyTorch's own list of saved tensors (``torch.autograd.graph.saved_tensors_hooks``).

Legend, as the functions below use it:

    T   tokens of one sequence                        h   width of the hidden states
    N   tokens of one batch of one process            q   width of all query heads together
    L   blocks                                        k   width of all key heads together, and of the values
    V   words of the vocabulary                       i   inner width of the MLP
    e   bytes of one element that blocks compute      n   query heads; m key heads
"""

from ratchet.plan.job import Job

# TRL 1.16 (kernels/chunked_logprob.py): the head works on tiles of so many tokens and so many words.
HEAD_TOKENS, HEAD_WORDS = 4096, 32768
# Passes' worth of float32 tiles on a CPU: without Triton, PyTorch's operations each make their own.
CPU_TILES, CPU_TILES_FORWARD = 7, 3
# Float32 copies of the next token's logits while transformers samples: cast, warped, turned into probabilities.
LOGITS_COPIES = 5
# Matrices that get the same input: LoRA frees it where none of them is adapted.
SAME_INPUT = ({"q_proj", "k_proj", "v_proj"}, {"gate_proj", "up_proj", "fc1"}, {"down_proj", "fc2"})


def row_tokens(job: Job) -> int:
    """T: tokens of the longest sequence that is trained on."""
    return job.lengths.row if not job.method.samples else job.lengths.prompt + job.lengths.completion


def stream(job: Job) -> int:
    """Elements per token between two blocks: h, twice as many under autocast, where they stay float32."""
    return job.shape.hidden * (2 if job.precision.autocast else 1)


def block(job: Job, tokens: int) -> float:
    """Elements of e bytes that one block keeps per token for its backward pass.

    Args:
        tokens: T, the length of a sequence.
    """
    shape, wide = job.shape, job.precision.float32_elements
    q, i, n = shape.query, shape.intermediate, shape.heads
    kept = job.shape.norms * _norm(job)  # before attention and before the MLP, and with Gemma behind them too
    kept += 4 * q  # [N, q] each: query, key, value (repeated to all heads) and output, by attention
    kept += wide * n  # [N, n]: the softmax's normaliser in float32, by attention
    kept += _head_norms(job)  # of query and key, by their norms
    kept += 0 if job.batch.packing else tokens  # [N, T]: the padding mask, by attention
    if shape.gated:
        kept += 4 * i  # [N, i] each: gate, its activation, up, and their product, by the MLP
    else:
        kept += 2 * i  # [N, i] each: relu and its square, by the MLP
    return kept + _adapters(job)


def _norm(job: Job) -> float:
    """Elements per token that a norm and the matrices after it keep; norms always compute in float32."""
    shape, scaled = job.shape, job.shape.scaled_norms
    h = shape.hidden
    if job.precision.autocast:
        # Each matrix keeps a 16-bit copy of its own: q, k, v after the first norm; gate, up (or fc1) after the other.
        copies = 2.5 if shape.gated else 2
        kept = 2 * h  # [N, h]: the input in float32, by the norm
        kept += 2 * h if scaled else 0  # [N, h]: the normalised input in float32, by the scaling
        kept += 2  # [N, 1]: the deviation in float32, by the norm
        return kept + copies * h  # [N, h] each: the output, by the matrices
    wide = job.precision.float32_elements
    kept = wide * h  # [N, h]: the input in float32, by the norm
    kept += h if scaled else 0  # [N, h]: the normalised input, by the scaling
    kept += wide  # [N, 1]: the deviation in float32, by the norm
    return kept + h  # [N, h]: the output, by the matrices


def _head_norms(job: Job) -> float:
    """Elements per token that the norms of queries and keys keep, each head on its own."""
    shape, wide = job.shape, job.precision.float32_elements
    if not shape.qk_norm:
        return 0
    width = shape.query + shape.key
    kept = wide * width  # [N, q + k]: the inputs in float32, by the norms
    kept += width if shape.scaled_norms else 0  # [N, q + k]: the normalised inputs, by the scaling
    return kept + wide * (shape.heads + shape.kv_heads)  # [N, n + m]: the deviations in float32, by the norms


def _adapters(job: Job) -> float:
    """Elements per token that LoRA adds to ``block``; often less than nothing, as frozen weights need no gradients."""
    if job.adapter is None:
        return 0
    shape, adapted = job.shape, job.adapter.adapted(job.shape)
    kept: float = len(adapted) * job.adapter.rank  # [N, rank] each: between the two small matrices, by the second
    if job.adapter.dropout:
        # A CPU keeps the mask as numbers of the adapter's type, a GPU as bytes.
        mask = (job.trained_bytes if job.cpu else 1) / job.precision.computed_bytes
        inputs = sum(inputs for inputs, _ in adapted.values())
        kept += inputs * (1 + mask)  # [N, inputs] each: what was dropped to, by the first small matrix; the mask
    if shape.scaled_norms:
        kept -= shape.norms * shape.hidden  # [N, h] each: what the frozen norms would scale
        kept -= (shape.query + shape.key) * shape.qk_norm  # [N, q + k]: the same of queries and keys
    for group in SAME_INPUT:
        if job.adapter.dropout or not group & adapted.keys():
            inputs = next(inputs for name, (inputs, _) in shape.linear.items() if name in group)
            kept -= inputs  # [N, inputs]: of the frozen matrices, by them
    return kept


def workspace(job: Job) -> float:
    """Elements per token that the backward pass of a block needs beside what was kept: gradients within its MLP."""
    h, i = job.shape.hidden, job.shape.intermediate
    if job.shape.gated:
        return 2 * i  # [N, i] each: of gate and up
    return 3 * i + h  # [N, i] each: of the square, of relu, of fc1's output; [N, h]: of fc1's input


def head(job: Job, length: int, backward: bool = True) -> float:
    """Bytes of TRL's fused head: a tile of logits, float32 gradients of hidden states and vocabulary matrix."""
    shape, every_token = job.shape, job.cpu or not job.method.samples
    scored = job.batch.sequences * ((length - 1) if every_token else job.lengths.completion)
    tile = min(scored, HEAD_TOKENS)
    size = tile * HEAD_WORDS * job.precision.computed_bytes
    if job.cpu:
        tiles = CPU_TILES if backward else CPU_TILES_FORWARD
        size += tiles * tile * min(shape.vocabulary, HEAD_WORDS) * 4
    if backward:
        size += scored * shape.hidden * 4
        size += shape.embedding * 4 if job.adapter is None else 0
    return size


def scoring(job: Job) -> dict[str, float]:
    """Bytes of a pass without gradients over prompts and completions: the reference model's, or the sampler's own."""
    shape, length = job.shape, job.lengths.prompt + job.lengths.completion
    # The widest moment of a block, in its MLP or its attention, with the stream around it.
    inner = max(4 * shape.intermediate, 4 * shape.query) + 3 * shape.hidden
    activations = inner * job.batch.sequences * length * job.precision.computed_bytes
    return {"activations": activations, "head": head(job, length, backward=False)}


def generation(job: Job, sequences: int, completion: int) -> dict[str, float]:
    """Bytes of transformers' own generation: keys and values of all tokens, and the logits of the next one."""
    shape, size, prompt = job.shape, job.precision.weight_bytes, job.lengths.prompt
    cache = 2 * shape.layers * shape.key * (prompt + completion) * sequences * size
    # transformers' DynamicCache concatenates: one layer's keys and values are there twice at each token.
    growing = 2 * shape.key * (prompt + completion) * sequences * size
    prefill = (4 * shape.intermediate + 3 * shape.hidden) * prompt * sequences * size
    logits = LOGITS_COPIES * sequences * shape.vocabulary * 4
    return {"KV cache": cache + growing, "activations": max(prefill, logits)}
