"""``ratchet plan``: everything put together, as text and as JSON."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.plan import checks
from ratchet.plan.advice import largest_batch, remedies
from ratchet.plan.devices import Device, device
from ratchet.plan.disk import disk, download
from ratchet.plan.job import Job, job_of
from ratchet.plan.lengths import Tokens, rows_of, tokens_of
from ratchet.plan.measured import factors, length_histogram, mean_answer
from ratchet.plan.memory import GIB, Memory, memory
from ratchet.plan.placement import Placement, read_placement
from ratchet.plan.schedule import Links, Step, drawn_lengths, schedule, speeds
from ratchet.plan.shape import Shape, known, shape_of
from ratchet.plan.work import Range, Work, work
from ratchet.recipe import Recipe, load_recipe


@dataclass(frozen=True)
class Options:
    """What a plan is asked for; what is None is read from the recipe, its header, or assumed."""

    config_file: str | None = None
    gpu: str | None = None
    nodes: int | None = None
    processes: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    row_tokens: int | None = None
    shape_of: str | None = None
    measured: Path | None = None
    devices: Path | None = None
    price: float | None = None
    schedule: bool = False
    """Whether rollouts and training are simulated on 1 to 1,024 GPUs."""
    link: float = Links.between
    site_link: float | None = None
    """GB/s between machines, and between the sites that train and generate (``plan.schedule.Links``)."""


@dataclass(frozen=True)
class Plan:
    """What a run needs."""

    recipe: Recipe
    placement: Placement
    device: Device
    shape: Shape
    tokens: Tokens
    job: Job
    memory: Memory
    work: Work
    disk: Mapping[str, float]
    download: float
    errors: list[str]
    warnings: list[str]
    remedies: list[str]
    largest_batch: int
    basis: str
    """What the times rest on."""
    schedule: list[Step]
    """Steps on 1 to 1,024 GPUs, where they were asked for."""

    @property
    def fits(self) -> bool:
        """Whether the peak stays within the device."""
        return self.memory.peak <= self.device_bytes

    @property
    def device_bytes(self) -> float:
        """Memory of one device."""
        return self.device.memory_gib * GIB

    @property
    def hours(self) -> Range | None:
        """Time of the whole run."""
        return None if self.work.total is None else self.work.total.times(1 / 3600)

    @property
    def cost(self) -> Range | None:
        """USD, all devices together."""
        return None if self.hours is None else self.hours.times(self.device.price * self.placement.processes)

    @property
    def energy(self) -> Range | None:
        """kWh, all devices together, at half and at full load."""
        if self.hours is None:
            return None
        each = self.device.watts * self.placement.processes / 1000
        return Range(self.hours.low * each * 0.5, self.hours.high * each)


def plan(
    path: str | Path, overrides: Sequence[tuple[str, str]], options: Options, environ: Mapping[str, str] | None = None
) -> Plan:
    """Plan one recipe on one accelerate configuration.

    Raises:
        UserError: for a recipe, a configuration or an option that is wrong.
    """
    environ = os.environ if environ is None else environ
    as_written = read_placement(options.config_file or launch_line(Path(path)))
    placement = as_written.sized(options.processes, options.nodes)
    recipe = placed(path, overrides, placement, environ)
    chosen = device(
        options.gpu or ("cpu" if recipe.get("use_cpu") or placement.use_cpu else "h100"),
        options.devices,
        options.price,
    )
    shape = known(options.shape_of) if options.shape_of else shape_of(recipe)
    answer = options.completion_tokens
    given, basis = {}, "from the device's peak and assumed efficiencies; --measured RUN_DIR takes an earlier run's"
    if options.measured is not None:
        given, basis = factors(options.measured, chosen)
        answer = answer if answer is not None else mean_answer(options.measured)
    tokens = tokens_of(recipe, shape, options.prompt_tokens, answer, options.row_tokens)
    job = job_of(recipe, shape, placement, tokens.longest)
    size = chosen.memory_gib * GIB
    needed = memory(job, size)
    rows = rows_of(recipe)
    done = work(recipe, job, tokens, chosen, rows, given)
    written = disk(recipe, job, done.steps)
    more = (checks.sized_otherwise(as_written, placement), checks.room(recipe, sum(written.values())))
    cautions = [*checks.warnings(recipe, placement, job, size, environ), *(text for text in more if text)]
    too_much = needed.peak > size
    return Plan(
        recipe=recipe,
        placement=placement,
        device=chosen,
        shape=shape,
        tokens=tokens,
        job=job,
        memory=needed,
        work=done,
        disk=written,
        download=download(recipe, job),
        errors=list(checks.errors(recipe, placement, rows)),
        warnings=cautions,
        remedies=remedies(job, size) if too_much else [],
        largest_batch=largest_batch(job, size),
        basis=basis,
        schedule=_schedule(options, job, chosen, tokens, given) if options.schedule else [],
    )


def _schedule(options: Options, job: Job, device: Device, tokens: Tokens, given: dict[str, float]) -> list[Step]:
    if not (job.method.samples and job.method.rewarded):
        raise UserError("--schedule is about rollouts, and this recipe makes none")
    measured = length_histogram(options.measured) if options.measured and options.completion_tokens is None else []
    average = sum(tokens.completion) / 2
    lengths = drawn_lengths(average, job.lengths.completion, measured)
    links = Links(between=options.link, sites=options.site_link)
    return schedule(job, device, tokens.prompt, lengths, speeds(given), links)


def placed(
    path: str | Path, overrides: Sequence[tuple[str, str]], placement: Placement, environ: Mapping[str, str]
) -> Recipe:
    """A recipe for a placement's processes; the launcher that this process may have is not asked."""
    own = {name: value for name, value in environ.items() if not name.startswith("ACCELERATE_")}
    return load_recipe(path, overrides, {**own, "WORLD_SIZE": str(placement.processes)}, to_train=False)


def launch_line(path: Path) -> Path:
    """The accelerate configuration of the recipe's header, found beside the recipes or in this folder."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        text = ""
    said = re.search(r"^# Launch:.*--config_file\s+(\S+)", text, re.M)
    usual = "accelerate_configs/cpu.yaml" if "use_cpu: true" in text else "accelerate_configs/single_gpu.yaml"
    name = said.group(1) if said else usual
    places = [Path(name), *(parent / name for parent in path.resolve().parents)]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise UserError(
            f"name an accelerate configuration: --config_file accelerate_configs/FILE.yaml (there is no {name} here)"
        )
    return found


def as_dict(found: Plan) -> dict[str, Any]:
    """The plan for programs; sizes in bytes, times in seconds."""
    sizes = found.recipe.batches
    return {
        "recipe": str(found.recipe.path),
        "config_file": found.placement.file,
        "device": asdict(found.device),
        "processes": found.placement.processes,
        "machines": found.placement.machines,
        "model": {"name": found.shape.name, "parameters": found.shape.parameters, "trained": found.job.trainable},
        "memory": {
            "peak": found.memory.peak,
            "allocated": found.memory.allocated,
            "phase": found.memory.worst,
            "phases": {name: dict(parts) for name, parts in found.memory.phases.items()},
            "available": found.device_bytes,
            "fits": found.fits,
            "remedies": found.remedies,
            "largest_batch": found.largest_batch,
        },
        "lengths": {**asdict(found.tokens.longest), "source": found.tokens.source},
        "arithmetic": {
            "rows": found.work.rows,
            "steps": found.work.steps,
            "epochs": found.work.epochs,
            "prompts_per_step": sizes.prompts_per_step,
            "completions_per_step": sizes.completions_per_step,
            "generation_batch": sizes.generation_batch,
            "completions": found.work.completions,
            "lost_rows": found.work.lost_rows,
            "tokens": _ends(found.work.tokens),
        },
        "flops": _ends(found.work.flops),
        "seconds": {name: _ends(one) for name, one in found.work.seconds.items()} | {"total": _ends(found.work.total)},
        "basis": found.basis,
        "kwh": _ends(found.energy),
        "usd": _ends(found.cost),
        "disk": dict(found.disk),
        "download": found.download,
        "errors": found.errors,
        "warnings": found.warnings,
        "schedule": [asdict(step) for step in found.schedule],
    }


def _ends(one: Range | None) -> list[float] | None:
    return None if one is None else [one.low, one.high]
