"""Python, packages, GPUs, memory, disk, compilers, limits."""

import importlib.util
import os
import resource
import shlex
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from ratchet.doctor.findings import Finding
from ratchet.files import room_under, size_text
from ratchet.runtime import left_build_locks, nvidia_smi

if TYPE_CHECKING:
    from packaging.requirements import Requirement

OLDEST_DRIVER = 525  # of those that run CUDA 12
AMPERE = (8, 0)  # the first architecture with bfloat16
BUSY = 500  # MiB: less is held by the driver itself
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
    right = 0
    needs: dict[str, Requirement] = {}
    for need in wanted:
        needs.setdefault(need.name, need)  # an extra may name again what the package itself needs
    for need in needs.values():
        extra = need.marker is not None and "extra" in str(need.marker)
        finding = _package(need, extra)
        if finding is not None:
            yield finding
        elif _installed(need.name) is not None:
            right += 1
    yield Finding("ok", "packages", f"{right} of the supported set are installed as they should be")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _package(need: "Requirement", extra: bool) -> Finding | None:
    """What is wrong with one package; None where nothing is."""
    there, remedy = _installed(need.name), f'pip install "{need.name}{need.specifier}"'
    if there is None:
        missing = f"is missing; Ratchet needs {need.name}{need.specifier}"
        return None if extra else Finding("error", need.name, missing, remedy)
    # A local version, as +cu126 of PyTorch's own builds, is the same release.
    if need.specifier.contains(there.split("+")[0], prereleases=True):
        return None
    text = f"{there} is not the version that was tried ({need.specifier})"
    return Finding("warning" if extra else "error", need.name, text, remedy)


def gpus() -> Iterator[Finding]:
    """What the driver and PyTorch see; each can be wrong without the other."""
    rows = nvidia_smi("name", "driver_version", "memory.total", "memory.used", "pstate")
    try:
        import torch
    except Exception as error:  # a broken installation fails in any way
        text = f"cannot be imported ({type(error).__name__}: {error})"
        yield Finding("error", "torch", text, 'pip install --force-reinstall "torch==2.13.0"')
        return
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not rows and not count:
        text = "none here (no nvidia-smi); recipes with use_cpu: true run, and ratchet plan plans for others"
        yield Finding("note", "GPU", text)
        yield _vllm_for_cpus()
        return
    for row in rows:
        yield from _gpu(*row)
    yield from _unused_gpus() if rows and not count else _used_gpus(count)


def _vllm_for_cpus() -> Finding:
    """Whether this Python has the release of vLLM that computes on a CPU."""
    there = _installed("vllm")
    if there is not None and "cpu" in there:
        return Finding("ok", "vLLM", f"{there.split('+')[0]} for CPUs")
    remedy = "only for use_vllm on a CPU: python -m ratchet.integrations.vllm_cpu (docs/vllm_on_cpu.md)"
    return Finding("note", "vLLM", "the release for CPUs has an environment of its own", remedy)


def _gpu(name: str, driver: str, total: str, used: str, state: str) -> Iterator[Finding]:
    """One GPU as its driver sees it."""
    busy = used.isdigit() and int(used) > BUSY
    in_use = f", {used} MiB in use" if busy else ""
    text = f"{name}, {total} MiB{in_use}, driver {driver} {state}".strip()
    remedy = "nvidia-smi shows whose processes hold it" if busy else ""
    yield Finding("warning" if busy else "ok", "GPU", text, remedy)
    major = driver.split(".")[0]
    if major.isdigit() and int(major) < OLDEST_DRIVER:
        text = f"{driver} is older than {OLDEST_DRIVER}, which CUDA 12 needs"
        yield Finding("error", "driver", text, "install a newer NVIDIA driver")


def _unused_gpus() -> Iterator[Finding]:
    """There are GPUs, and PyTorch sees none."""
    import torch

    if torch.version.cuda is None:
        why, remedy = "is a CPU build", "reinstall torch==2.13.0 from PyPI, which is the CUDA build"
    else:
        why = f"(CUDA {torch.version.cuda}) cannot use the driver"
        remedy = "install a driver for it, or run inside a container that passes the GPUs on"
    yield Finding("error", "torch", f"{torch.__version__} {why}, so no GPU will be used", remedy)


def _used_gpus(count: int) -> Iterator[Finding]:
    """The GPUs that PyTorch sees."""
    import torch

    for index in range(count):
        if torch.cuda.get_device_capability(index) < AMPERE:
            text = f"{torch.cuda.get_device_name(index)} has no bfloat16"
            yield Finding("warning", "GPU", text, "set bf16: false, fp16: true")
    nccl = ".".join(map(str, torch.cuda.nccl.version()))
    yield Finding("ok", "torch", f"{torch.__version__}, CUDA {torch.version.cuda}, NCCL {nccl}, {count} visible")


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
        place, free = room_under(path)
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
    for lock in left_build_locks():
        text = f"a build of {lock.parent.name} that was killed has left {lock}: DeepSpeed waits on it for ever"
        yield Finding("error", "build lock", text, f"rm {shlex.quote(str(lock))}")


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
