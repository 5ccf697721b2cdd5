"""A plan as a person reads it."""

from ratchet.files import size_text
from ratchet.plan.checks import launcher_environment
from ratchet.plan.plan import Plan
from ratchet.plan.schedule import Step
from ratchet.plan.work import Range
from ratchet.recipe.precision import described
from ratchet.runtime import duration


def page(plan: Plan) -> str:
    """The whole plan as text."""
    parts = (_head, _memory, _arithmetic, _time, _schedule, _disk, _findings)
    return "\n".join(line for part in parts for line in part(plan))


def _head(plan: Plan) -> list[str]:
    recipe, placement, device = plan.recipe, plan.placement, plan.device
    where = f"{placement.processes} process{'es' if placement.processes > 1 else ''}"
    where += f" on {placement.machines} machines" if placement.machines > 1 else ""
    size = f"{_millions(plan.shape.parameters)} parameters"
    size += f", {_millions(plan.job.trainable)} of them trained (LoRA)" if plan.job.adapter else ""
    names = {"one": "", "ddp": "DDP, ", "zero": f"ZeRO-{placement.stage}, ", "fsdp": "FSDP2, "}
    return [
        f"{recipe.path}: {recipe.trainer} of {plan.shape.name} ({size})",
        f"{placement.file}: {names[placement.kind]}{where}, each with one {device.name} ({device.memory_gib:g} GiB)",
        f"precision: {described(recipe, launcher_environment(placement))}",
    ]


def _memory(plan: Plan) -> list[str]:
    memory, size = plan.memory, plan.device_bytes
    share = memory.peak / size
    verdict = "fits" if plan.fits else "DOES NOT FIT"
    near = f"{share:.0%} of it" + (": near the edge" if 0.9 < share <= 1 else "")
    each = "process" if plan.job.cpu else "GPU"
    lines = ["", f"memory per {each}: {size_text(memory.peak)} of {size_text(size)}, {near}; {verdict}"]
    longest = plan.tokens.longest
    lengths = (
        f"prompts of {longest.prompt}, completions of {longest.completion}"
        if plan.job.method.samples
        else f"rows of {longest.row}"
    )
    lines.append(f"  at the peak ({memory.worst}), with {lengths} tokens, {plan.tokens.source}:")
    lines += [f"    {name:<22} {size_text(value):>11}" for name, value in memory.parts.items()]
    others = [
        f"{name} {size_text(sum(parts.values()))}" for name, parts in memory.phases.items() if name != memory.worst
    ]
    lines += [f"  elsewhere: {', '.join(others)}"] if others else []
    if not plan.fits:
        lines += [f"  it would fit with {change}" for change in plan.remedies] or [
            "  nothing that plan knows makes it fit on this device"
        ]
    lines.append(
        f"  largest per_device_train_batch_size that fits: {plan.largest_batch} (now {plan.job.batch.sequences})"
    )
    return lines


def _arithmetic(plan: Plan) -> list[str]:
    sizes, work = plan.recipe.batches, plan.work
    lines = ["", f"each step: {plan.recipe.method.each_step(sizes)}"]
    if work.steps is None:
        lines.append(
            "steps: not known before the rows are (max_steps is not set); "
            "name a data source that is here, or set max_steps"
        )
        return lines
    of = f" of {work.rows:,} rows" if work.rows else ""
    epochs = f", {work.epochs:.2f} passes over them" if work.epochs is not None else ""
    each = "completions" if sizes.generation_batch else "rows"
    lines.append(f"steps: {work.steps:,}{of}{epochs}; {work.completions:,} {each}")
    lines.append(f"tokens trained on: {_si(work.tokens)}, prompts included")
    if work.lost_rows:
        lines.append(
            f"  the last {work.lost_rows} rows of each pass fill no whole generation of "
            f"{sizes.prompts_per_generation} prompts and are left out"
        )
    return lines


def _time(plan: Plan) -> list[str]:
    work = plan.work
    steps = {name: one for name, one in work.seconds.items() if name not in ("start", "evaluation")}
    lines = ["", "seconds of a step: " + ", ".join(f"{name} {_span(one)}" for name, one in steps.items())]
    if work.total is None:
        return lines
    evaluations = f"evaluations ({_span(work.seconds['evaluation'])} s) included"
    lines.append(f"time: {duration(work.total.low)} to {duration(work.total.high)}, {evaluations}")
    lines.append(f"  {plan.basis}")
    lines.append(f"operations of training: {work.flops.low:.2g} to {work.flops.high:.2g}")
    cost = f"; {plan.cost.low:.2f} to {plan.cost.high:.2f} USD at {plan.device.price:g} an hour for each"
    lines.append(f"energy: {_span(plan.energy)} kWh{cost if plan.device.price else ''}")
    return lines


def _schedule(plan: Plan) -> list[str]:
    if not plan.schedule:
        return []
    each = plan.job.rollout.sequences
    lines = [
        "",
        f"{each} completions of a generation for each GPU: a step, idle share, new weights (GPUs that generate)",
    ]
    placements = [*dict.fromkeys(step.placement for step in plan.schedule)]
    lines.append("  " + f"{'GPUs':>5}" + "".join(f"  {name:>32}" for name in placements))
    for gpus in dict.fromkeys(step.gpus for step in plan.schedule):
        of = {step.placement: step for step in plan.schedule if step.gpus == gpus}
        cells = [_cell(of[name]) if name in of else "" for name in placements]
        lines.append("  " + f"{gpus:>5}" + "".join(f"  {cell:>32}" for cell in cells))
    return lines


def _cell(step: Step) -> str:
    some = f" ({step.generating})" if step.placement != "colocated" else ""
    return f"{step.seconds:.3g} s, {step.idle:.0%}, {step.broadcast:.2g} s{some}"


def _disk(plan: Plan) -> list[str]:
    parts = ", ".join(f"{name} {size_text(value)}" for name, value in plan.disk.items() if value >= 1000)
    lines = ["", f"disk: {size_text(sum(plan.disk.values()))} in {plan.recipe.output_dir} ({parts})"]
    return [*lines, f"download: {size_text(plan.download)} of weights"] if plan.download else lines


def _findings(plan: Plan) -> list[str]:
    lines = [""] if plan.errors or plan.warnings else []
    return [*lines, *(f"error: {text}" for text in plan.errors), *(f"warning: {text}" for text in plan.warnings)]


def _millions(count: int) -> str:
    return f"{count / 1e9:.2f} billion" if count >= 1e9 else f"{count / 1e6:.2f} million"


def _si(one: Range) -> str:
    for unit, name in ((1e9, " billion"), (1e6, " million"), (1e3, " thousand")):
        if one.high >= unit:
            return f"{one.low / unit:.3g} to {one.high / unit:.3g}{name}"
    return f"{one.low:.3g} to {one.high:.3g}"


def _span(one: Range) -> str:
    return f"{one.low:.2g} to {one.high:.2g}" if one.high < 100 else f"{one.low:.0f} to {one.high:.0f}"
