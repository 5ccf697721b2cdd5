"""What goes wrong late, or silently: found in recipe, accelerate file and environment before anything is started."""

import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from ratchet.files import room_under, size_text
from ratchet.models.folder import faults
from ratchet.plan.job import Job
from ratchet.plan.memory import GIB, weights
from ratchet.plan.placement import Placement
from ratchet.recipe import Recipe
from ratchet.recipe.batches import too_few_rows
from ratchet.recipe.conflicts import launcher_conflicts
from ratchet.recipe.limits import tracker_names
from ratchet.recipe.precision import precision_conflicts

BUFFERS = GIB  # vLLM's own, about
# Keys of sampling -> values that leave the model's distribution as it is.
NOT_BIASED = {"top_p": (1.0, None), "top_k": (0, None), "min_p": (None, 0.0), "repetition_penalty": (1.0,)}


def launcher_environment(placement: Placement) -> dict[str, str]:
    """What ``accelerate launch`` would set for a placement, as far as a recipe is checked against it."""
    found = {"WORLD_SIZE": str(placement.processes), "ACCELERATE_MIXED_PRECISION": placement.precision}
    found |= {"ACCELERATE_USE_DEEPSPEED": "true"} if placement.kind == "zero" else {}
    found |= {"ACCELERATE_USE_FSDP": "true"} if placement.kind == "fsdp" else {}
    if placement.accumulation not in (None, "auto"):
        found["ACCELERATE_GRADIENT_ACCUMULATION_STEPS"] = str(placement.accumulation)
    return found


def errors(recipe: Recipe, placement: Placement, rows: int | None) -> Iterator[str]:
    """What would stop the run."""
    yield from recipe.method.batch_problems(recipe.get, recipe.processes)
    environ = launcher_environment(placement)
    yield from launcher_conflicts(recipe, environ)
    yield from precision_conflicts(recipe, environ)
    folder = Path(str(recipe.values.get("model_name_or_path"))).expanduser()
    yield from (f"{folder}: {text}" for text in (faults(folder) if folder.is_dir() else ()))
    if rows is not None and (few := too_few_rows(recipe.batches, rows)):
        yield few
    if recipe.get("load_in_4bit") and placement.stage >= 3:
        yield (
            f"4-bit weights cannot be split over processes ({placement.file}); "
            "use ddp.yaml or zero2.yaml, or take load_in_4bit out"
        )
    if placement.machines > 1 and not placement.standard_launcher:
        yield (
            f"{placement.file}: on {placement.machines} machines DeepSpeed would start them from one, with pdsh; "
            "use a file with deepspeed_multinode_launcher: standard, as accelerate_configs/zero2_2nodes.yaml "
            "(with --nodes N for another number)"
        )
    if not placement.saves_whole:
        yield f"{placement.file}: a ZeRO-3 run without zero3_save_16bit_model: true saves no model that loads"


def warnings(
    recipe: Recipe, placement: Placement, job: Job, device_bytes: float, environ: Mapping[str, str]
) -> Iterator[str]:
    """What would run, and surprise."""
    yield from _header(recipe, placement)
    yield from _sampler(recipe)
    if job.rollout.colocated and not job.cpu:
        yield from _share(recipe, job, device_bytes)
    if placement.machines > 1:
        yield from _network(recipe, placement, environ)
    yield from _ports(recipe, placement)
    yield from _secrets(recipe, environ)


def _network(recipe: Recipe, placement: Placement, environ: Mapping[str, str]) -> Iterator[str]:
    """What several machines have to share."""
    if not environ.get("NCCL_SOCKET_IFNAME"):
        yield (
            "NCCL_SOCKET_IFNAME is not set: with several networks NCCL may take one that the nodes do not share "
            "(ip -brief address shows them)"
        )
    shared = f"output_dir ({recipe.output_dir}) must be on a file system that all of them see"
    yield f"{placement.machines} machines: {shared}"


def _header(recipe: Recipe, placement: Placement) -> Iterator[str]:
    """Whether the recipe's own header names this configuration."""
    try:
        text = recipe.path.read_text(encoding="utf-8")
    except OSError:
        return
    said = re.search(r"^# Runs with:\s*(.+)$", text, re.M)
    if said and Path(placement.file).stem not in said.group(1).split():
        yield f"{recipe.path} is written for {said.group(1).strip()}, not for {Path(placement.file).stem}"


def sized_otherwise(placement: Placement, asked: Placement) -> str | None:
    """A sentence where the number of processes is not that of the accelerate file."""
    if placement.processes == asked.processes:
        return None
    command = f"accelerate launch --num_processes {asked.processes}"
    return f"{placement.file} is for {placement.processes} processes; {asked.processes} need {command}"


def _sampler(recipe: Recipe) -> Iterator[str]:
    if not recipe.method.samples:
        return
    for key, harmless in NOT_BIASED.items():
        value = recipe.get(key)
        if value not in harmless:
            yield (
                f"{key}: {value} samples from another distribution than the one that the loss takes the ratio of, "
                f"which biases it; use {key}: {harmless[0]}"
            )


def _share(recipe: Recipe, job: Job, device_bytes: float) -> Iterator[str]:
    """vLLM's share holds the weights once more, and the keys and values of at least one whole sequence."""
    computed = job.precision.computed_bytes  # vLLM holds them in the type that training computes with
    held = weights(job) * job.sharding.weights_over * computed / job.precision.weight_bytes
    longest = recipe.get("vllm_max_model_length") or job.lengths.prompt + job.lengths.completion
    one = 2 * job.shape.layers * job.shape.key * computed * longest
    share = job.rollout.share * device_bytes
    if share < held + one + BUFFERS:
        enough = (held + one + 1.5 * BUFFERS) / device_bytes
        yield (
            f"vllm_gpu_memory_utilization: {job.rollout.share:g} is {size_text(share)}; "
            f"the weights ({size_text(held)}), one sequence of {longest} tokens ({size_text(one)}) "
            f"and vLLM's own buffers (about 1 GiB) do not fit; use at least {enough:.2f}"
        )
    elif (many := int((share - held - BUFFERS) / one)) < job.rollout.sequences:
        yield (
            f"vLLM's share holds the keys and values of about {many} whole sequences, "
            f"and {job.rollout.sequences} are generated at a time: some wait"
        )


def _ports(recipe: Recipe, placement: Placement) -> Iterator[str]:
    ports = {"main_process_port": placement.port} if placement.processes > 1 and placement.machines > 1 else {}
    if recipe.served:
        ports["vllm_group_port"] = recipe.get("vllm_group_port")
    for name, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", int(port)))
            except (OSError, OverflowError):
                yield f"{name}: port {port} is taken on this machine"


def _secrets(recipe: Recipe, environ: Mapping[str, str]) -> Iterator[str]:
    """Logins that the recipe needs and nobody has: names only, never what they hold."""
    trackers = tracker_names(recipe.get("report_to"))
    logged_in = environ.get("HF_TOKEN") or Path("~/.cache/huggingface/token").expanduser().is_file()
    if recipe.get("push_to_hub") and not logged_in:
        yield "push_to_hub: neither HF_TOKEN is set nor a login kept (hf auth login)"
    offline = recipe.tracking.offline or environ.get("WANDB_MODE") in ("offline", "disabled")
    known = environ.get("WANDB_API_KEY") or Path("~/.netrc").expanduser().is_file()
    if "wandb" in trackers and not offline and not known:
        yield "report_to: wandb, and WANDB_API_KEY is not set"


def room(recipe: Recipe, needed: float) -> str | None:
    """A sentence where the disk under ``output_dir`` has not the room."""
    place, free = room_under(recipe.output_dir)
    if free > needed:
        return None
    return f"output_dir: {place} has {size_text(free)} free, and the run writes {size_text(needed)}"
