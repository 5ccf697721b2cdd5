"""Out of memory: which knobs of this recipe would help, with its numbers. Nothing is changed behind the user's back."""

from collections.abc import Iterator

from ratchet.recipe import Recipe


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an accelerator's or the machine's memory was not enough."""
    said = str(error)
    return (
        type(error).__name__ == "OutOfMemoryError"
        or isinstance(error, MemoryError)
        or "can't allocate memory" in said
        or "out of memory" in said
    )


def advice(recipe: Recipe, error: BaseException) -> str:
    """What was wanted, and what to change, the mildest first."""
    lines = [
        f"out of memory: {' '.join(str(error).split())[:300] or 'the machine has no more'}",
        "any of these needs less:",
    ]
    return "\n".join([*lines, *(f"  {knob}" for knob in _knobs(recipe))])


def _knobs(recipe: Recipe) -> Iterator[str]:
    get, size = recipe.get, recipe.get("per_device_train_batch_size")
    steps = get("gradient_accumulation_steps") or 1
    if size > 1:
        half = max(1, size // 2)
        yield f"per_device_train_batch_size: {half} with gradient_accumulation_steps: {steps * -(-size // half)} (now {size} and {steps}): the same step, in smaller parts"
    if not recipe.values.get("activation_checkpointing", not get("use_cpu")):
        yield "activation_checkpointing: true (now false): less memory for about a third more time"
    if recipe.method.samples:
        yield f"max_completion_length below {get('max_completion_length')}, or num_generations below {get('num_generations')}"
        if get("use_vllm") and get("vllm_mode") == "colocate":
            yield f"vllm_gpu_memory_utilization below {get('vllm_gpu_memory_utilization')}, or vllm_enable_sleep_mode: true: vLLM shares this GPU"
        if get("beta") and not get("use_peft"):
            yield f"beta: 0 (now {get('beta')}): without it there is no reference model"
    else:
        yield f"max_length below {get('max_length')}"
    if recipe.evaluation.batch_size > 1:
        yield f"evaluation: {{batch_size: {max(1, recipe.evaluation.batch_size // 2)}}} (now {recipe.evaluation.batch_size}), if it happened while evaluating"
    if not get("use_peft"):
        yield "use_peft: true with lora_target_modules: [all-linear]: gradients and optimiser for a few per cent of the weights"
        yield "optim: adamw_8bit (needs bitsandbytes): a quarter of the optimiser's memory"
    elif not get("load_in_4bit"):
        yield "load_in_4bit: true (needs bitsandbytes): the frozen weights in a quarter of the memory"
    yield f"accelerate_configs/zero3.yaml on more than {recipe.processes} process{'es' if recipe.processes > 1 else ''}: weights, gradients and optimiser are split over them"
