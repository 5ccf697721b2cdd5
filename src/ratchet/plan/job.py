"""What decides the memory of one process, read off recipe and accelerate configuration: an object for each concern."""

from dataclasses import dataclass, replace
from math import ceil

from ratchet.plan.placement import Placement
from ratchet.plan.shape import Shape, shape_of_name
from ratchet.plan.sharding import Sharding, sharding_of
from ratchet.recipe import Method, Recipe
from ratchet.recipe.distillation import OWN, is_server
from ratchet.recipe.precision import SHORT, weights_dtype


@dataclass(frozen=True)
class Lengths:
    """Tokens: the longest that a batch is padded to."""

    prompt: int
    completion: int
    row: int
    """A row of SFT: prompt and target together."""
    evaluated: int
    """Longest evaluated answer."""


@dataclass(frozen=True)
class Precision:
    """The types of the numbers."""

    weight_bytes: int
    """Bytes of one element of the weights."""
    autocast: bool = False
    """Whether matrices are multiplied in bfloat16 although the weights are float32."""
    quantised_bits: int = 0
    """4 or 8 where the frozen weights are quantised, else 0."""

    @property
    def computed_bytes(self) -> int:
        """Bytes of one element of what the blocks compute."""
        return 2 if self.autocast else self.weight_bytes

    @property
    def float32_elements(self) -> int:
        """How many elements of what the blocks compute are as large as one float32."""
        return 4 // self.computed_bytes


@dataclass(frozen=True)
class Adapter:
    """LoRA: two small matrices beside each targeted one."""

    rank: int
    targets: tuple[str, ...]
    """Names of matrices, or "all-linear"; peft's default where there are none."""
    dropout: bool = False
    """Whether inputs of the adapters are dropped."""

    def adapted(self, shape: Shape) -> dict[str, tuple[int, int]]:
        """The matrices of one block that are named: name -> (inputs, outputs)."""
        everything = "all-linear" in self.targets
        return {name: sizes for name, sizes in shape.linear.items() if everything or name in self.targets}


@dataclass(frozen=True)
class Batch:
    """One forward and backward pass of one process."""

    sequences: int
    accumulated: bool
    """Whether gradients live on from one pass to the next."""
    checkpointing: bool
    """Whether blocks are computed again in the backward pass instead of being kept."""
    packing: bool = False
    """Whether rows are packed without padding, so that no mask is kept."""


@dataclass(frozen=True)
class Rollout:
    """Who generates how much; an SFT run generates nothing."""

    sequences: int = 0
    """That a process generates at a time."""
    colocated: bool = False
    """Whether vLLM shares the GPU."""
    share: float = 0.0
    """Of a GPU that vLLM takes."""
    sleep: bool = False
    """Whether vLLM gives its share back while the trainer trains."""

    @property
    def served(self) -> bool:
        """Whether a vLLM server on other GPUs generates."""
        return self.share > 0 and not self.colocated

    @property
    def by_vllm(self) -> bool:
        """Whether vLLM generates, wherever it is."""
        return self.colocated or self.share > 0


@dataclass(frozen=True)
class Job:
    """What decides the memory of a process."""

    method: Method
    shape: Shape
    lengths: Lengths
    sharding: Sharding
    precision: Precision
    adapter: Adapter | None
    batch: Batch
    rollout: Rollout
    optim: str
    cpu: bool = False
    reference: bool = False
    """Whether a frozen copy of the model scores what is trained on."""
    initial_copy: bool = False
    """The frozen copy from which the distance is measured, in main memory."""
    teacher: Shape | None = None
    """Of a teacher whose own weights are beside the student's."""
    distillation_passes: float = 0.0
    """Passes without gradient that a teacher costs in each step, its own and the student's, in the student's size."""
    evaluated: int = 0
    """Sequences evaluated at a time; 0 where nothing is."""

    @property
    def trainable(self) -> int:
        """Parameters with gradients."""
        if self.adapter is None:
            return self.shape.parameters
        return self.shape.lora(self.adapter.rank, list(self.adapter.targets))

    @property
    def trained_bytes(self) -> int:
        """Bytes of one element of what is trained; ``plan.sharding`` says who keeps float32."""
        sharded = self.precision.quantised_bits > 0 and self.sharding.trains_in_float32  # FSDP2 keeps TRL's bfloat16
        in_float32 = self.adapter is not None and not sharded and self.sharding.adapters_in_float32
        return 4 if in_float32 or self.sharding.trains_in_float32 else self.precision.weight_bytes

    def with_batch(self, sequences: int) -> "Job":
        """The same with another per_device_train_batch_size."""
        return replace(self, batch=replace(self.batch, sequences=sequences))


def job_of(recipe: Recipe, shape: Shape, placement: Placement, lengths: Lengths) -> Job:
    """Read off a recipe and an accelerate configuration what decides the memory."""
    get = recipe.get
    evaluates = recipe.evaluation.before or recipe.evaluation.after or get("eval_strategy") != "no"
    reference, initial_copy = _copies(recipe)
    teacher, passes = _teacher(recipe, shape, reference)
    return Job(
        method=recipe.method,
        shape=shape,
        lengths=lengths,
        sharding=sharding_of(placement),
        precision=_precision(recipe, placement),
        adapter=_adapter(recipe),
        batch=Batch(
            sequences=_sequences(recipe, lengths),
            accumulated=get("gradient_accumulation_steps") > 1 or _makes_several_passes(recipe, placement),
            checkpointing=bool(recipe.values.get("activation_checkpointing", not get("use_cpu"))),
            packing=recipe.method.imitates and bool(get("packing")),
        ),
        rollout=_rollout(recipe, placement.processes),
        optim=str(get("optim")),
        cpu=bool(get("use_cpu") or placement.use_cpu),
        reference=reference,
        initial_copy=initial_copy and not (teacher is not None and recipe.distillation.teacher == "start"),
        teacher=teacher,
        distillation_passes=passes,
        evaluated=recipe.evaluation.batch_size if evaluates else 0,
    )


def _sequences(recipe: Recipe, lengths: Lengths) -> int:
    """Of one pass: the recipe's, or as many of the longest as its budget of tokens begins."""
    budget = recipe.lean_steps and recipe.lean_steps.tokens_per_micro_batch
    if budget is None:
        return recipe.get("per_device_train_batch_size")
    longest = lengths.prompt + lengths.completion if recipe.method.samples else lengths.row
    return ceil(budget / max(1, longest))


def _makes_several_passes(recipe: Recipe, placement: Placement) -> bool:
    """Whether lean steps make several passes of what TRL would do in one; FSDP reduces the gradients of each."""
    packs = recipe.method.imitates and recipe.get("packing")
    return recipe.lean_steps is not None and placement.kind != "fsdp" and not packs


def _precision(recipe: Recipe, placement: Placement) -> Precision:
    get, deepspeed = recipe.get, placement.kind == "zero"
    quantised_bits = 4 if get("load_in_4bit") else 8 if get("load_in_8bit") else 0
    size = 2 if weights_dtype(recipe) in SHORT else 4
    # DeepSpeed's bf16 mode casts the whole model; what stays beside quantised matrices is 16-bit too.
    if quantised_bits or (deepspeed and placement.precision == "bf16"):
        size = 2
    mixed = recipe.values.get("bf16", not recipe.values.get("fp16", False)) or bool(get("fp16"))
    return Precision(size, autocast=bool(mixed) and size == 4 and not deepspeed, quantised_bits=quantised_bits)


def _adapter(recipe: Recipe) -> Adapter | None:
    get = recipe.get
    if not get("use_peft"):
        return None
    targets = get("lora_target_modules") or ()
    names = (targets,) if isinstance(targets, str) else tuple(targets)
    return Adapter(int(get("lora_r")), names, dropout=bool(get("lora_dropout")))


def _rollout(recipe: Recipe, processes: int) -> Rollout:
    get = recipe.get
    if not recipe.method.samples:
        return Rollout()
    sequences = max(1, recipe.batches.generation_batch // processes)
    if not get("use_vllm"):
        return Rollout(sequences)
    return Rollout(
        sequences,
        colocated=get("vllm_mode") == "colocate",
        share=float(get("vllm_gpu_memory_utilization")),
        sleep=bool(get("vllm_enable_sleep_mode")),
    )


def _copies(recipe: Recipe) -> tuple[bool, bool]:
    """Whether there is a reference model, and a copy of the initial one; with adapters the frozen base is both."""
    if not recipe.method.samples or recipe.get("use_peft"):
        return False, False
    if recipe.get("beta"):
        return True, False
    return False, recipe.diagnostics.mode == "on" and recipe.diagnostics.kl


def _teacher(recipe: Recipe, shape: Shape, reference: bool) -> tuple[Shape | None, float]:
    """The shape of a teacher that stands beside the student, and the passes that distillation costs in each step."""
    settings = recipe.distillation
    if settings is None:
        return None, 0.0
    student = 0.0 if settings.form == "teacher_samples" else 1.0
    if is_server(settings.teacher):
        return None, student
    if settings.teacher == "live" or (settings.teacher == "start" and (recipe.get("use_peft") or reference)):
        return None, 2 * student
    own = shape if settings.teacher in OWN else shape_of_name(settings.teacher, recipe)
    return own, student * (1 + own.parameters / shape.parameters)
