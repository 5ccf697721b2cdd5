"""Python, packages, GPUs, memory, disk, compilers, limits."""

import importlib.util
import os
import resource
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import psutil

from ratchet.doctor.findings import Finding
from ratchet.files import size_text
from ratchet.runtime import nvidia_smi

OLDEST_DRIVER = 525  # of those that run CUDA 12
GIB = 2**30


def machine(output_dir: Path) -> Iterator[Finding]:
    """Everything that one process can see by itself."""
    yield Finding("ok", "python", f"{sys.version.split()[0]} ({sys.executable})")
    yield from packages()
    yield from gpus()
    yield from _memory()
    yield from disks(output_dir)
    yield from _compilers()
    yield from _limits()


def packages() -> Iterator[Finding]:
    """What is installed against the set of versions that was run together (setup.cfg)."""
    from packaging.requirements import Requirement

    try:
        wanted = [Requirement(text) for text in requires("ratchet-recipes") or []]
    except PackageNotFoundError:
        yield Finding("error", "ratchet", "the package is not installed here", "pip install -e . in the repository")
        return
    right, seen = 0, set()
    for need in wanted:
        extra = need.marker is not None and "extra" in str(need.marker)
        if need.name in seen:
            continue
        seen.add(need.name)
        try:
            there = version(need.name)
        except PackageNotFoundError:
            if not extra:
                yield Finding(
                    "error",
                    need.name,
                    f"is missing; Ratchet needs {need.name}{need.specifier}",
                    f'pip install "{need.name}{need.specifier}"',
                )
            continue
        if need.specifier.contains(there.split("+")[0], prereleases=True):
            right += 1
        else:
            state = "warning" if extra else "error"
            yield Finding(
                state,
                need.name,
                f"{there} is not the version that was tried ({need.specifier})",
                f'pip install "{need.name}{need.specifier}"',
            )
    yield Finding("ok", "packages", f"{right} of the supported set are installed as they should be")


def gpus() -> Iterator[Finding]:
    """What the driver and PyTorch see; each can be wrong without the other."""
    said = nvidia_smi("name", "driver_version", "memory.total", "memory.used", "pstate")
    try:
        import torch
    except Exception as error:  # a broken installation fails in any way
        yield Finding(
            "error",
            "torch",
            f"cannot be imported ({type(error).__name__}: {error})",
            'pip install --force-reinstall "torch==2.13.0"',
        )
        return
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    built = torch.version.cuda
    if not said and not count:
        yield Finding(
            "note",
            "GPU",
            "none here (no nvidia-smi); recipes with use_cpu: true run, and ratchet plan plans for others",
        )
        return
    for name, driver, total, used, state in said:
        free = f", {used} MiB in use" if used.isdigit() and int(used) > 500 else ""
        busy = "warning" if free else "ok"
        yield Finding(
            busy,
            "GPU",
            f"{name}, {total} MiB{free}, driver {driver} {state}".strip(),
            "nvidia-smi shows whose processes hold it" if free else "",
        )
        if driver.split(".")[0].isdigit() and int(driver.split(".")[0]) < OLDEST_DRIVER:
            yield Finding(
                "error",
                "driver",
                f"{driver} is older than {OLDEST_DRIVER}, which CUDA 12 needs",
                "install a newer NVIDIA driver",
            )
    if said and not count:
        why = "is a CPU build" if built is None else f"(CUDA {built}) cannot use the driver"
        remedy = (
            "reinstall torch==2.13.0 from PyPI, which is the CUDA build"
            if built is None
            else "install a driver for it, or run inside a container that passes the GPUs on"
        )
        yield Finding("error", "torch", f"{torch.__version__} {why}, so no GPU will be used", remedy)
        return
    for index in range(count):
        if torch.cuda.get_device_capability(index) < (8, 0):
            yield Finding(
                "warning",
                "GPU",
                f"{torch.cuda.get_device_name(index)} has no bfloat16",
                "set bf16: false, fp16: true, dtype: float16",
            )
    yield Finding(
        "ok",
        "torch",
        f"{torch.__version__}, CUDA {built}, NCCL {'.'.join(map(str, torch.cuda.nccl.version()))}, {count} visible",
    )


def _memory() -> Iterator[Finding]:
    memory = psutil.virtual_memory()
    text = f"{size_text(memory.total)} of main memory, {size_text(memory.available)} free; {os.cpu_count()} cores"
    few = memory.available < 4 * GIB
    yield Finding(
        "warning" if few else "ok",
        "memory",
        text,
        "loading a model needs its size in main memory once per process" if few else "",
    )
    shared = Path("/dev/shm")
    if shared.is_dir() and shutil.disk_usage(shared).total < GIB:
        total = size_text(shutil.disk_usage(shared).total)
        yield Finding(
            "warning",
            "/dev/shm",
            f"only {total}; NCCL and data loaders hang or crash with little",
            "docker run --shm-size=8g, or --ipc=host",
        )


def disks(output_dir: Path) -> Iterator[Finding]:
    """Room where runs, downloads and temporary files go."""
    cache = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    for name, path in (
        ("output", output_dir.absolute()),
        ("HF_HOME", cache),
        ("temporary", Path(os.environ.get("TMPDIR") or "/tmp")),
    ):
        place = next(p for p in (path, *path.parents) if p.is_dir())
        free = shutil.disk_usage(place).free
        if not os.access(place, os.W_OK):
            yield Finding(
                "error",
                f"disk ({name})",
                f"{place} cannot be written",
                "name another folder (output_dir, HF_HOME, TMPDIR)",
            )
        elif free < 10 * GIB:
            yield Finding(
                "warning",
                f"disk ({name})",
                f"{size_text(free)} free at {place}",
                "ratchet plan says what a recipe writes; ratchet checkpoints prune RUN_DIR makes room",
            )
        else:
            yield Finding("ok", f"disk ({name})", f"{size_text(free)} free at {place}")


def _compilers() -> Iterator[Finding]:
    if importlib.util.find_spec("deepspeed") is None:
        yield Finding(
            "note", "deepspeed", "is not installed; the ZeRO configurations need it", 'pip install -e ".[deepspeed]"'
        )
    elif shutil.which("g++") is None:
        yield Finding(
            "warning",
            "g++",
            "is missing; DeepSpeed builds small extensions when it first needs them",
            "apt-get install g++",
        )
    else:
        yield Finding("ok", "g++", "is there, for what DeepSpeed builds")


def _limits() -> Iterator[Finding]:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files < 4096:
        yield Finding(
            "warning",
            "open files",
            f"at most {files} (ulimit -n); many processes and sockets need more",
            "ulimit -n 65536",
        )
    else:
        yield Finding("ok", "open files", f"at most {files}")
