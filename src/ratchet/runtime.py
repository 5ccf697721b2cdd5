"""How a process behaves: what was typed, what it prints, and whether it has the device that a recipe wants."""

import gc
import importlib
import logging
import os
import shlex
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

import ratchet
from ratchet.errors import UserError, to_nowhere
from ratchet.program import NAME, typed
from ratchet.recipe import Recipe

# For an engine on a machine that does other things too: GiB of keys and values, and no cores of its own.
VLLM_ON_A_CPU = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
}
PROGRAM = (NAME, "__main__.py")  # the file that runs as ``ratchet`` and as ``python -m ratchet``


def main_process() -> bool:
    """Whether this is the run's main process, by what the launcher set: known before any library is asked."""
    return os.environ.get("RANK", "0") == "0"


def quiet() -> None:
    """Warnings of libraries about themselves are kept away; those about the run stay. Other ranks say nothing."""
    sys.stdout, sys.stderr = (s if isinstance(s, Patient) else Patient(s) for s in (sys.stdout, sys.stderr))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    warnings.filterwarnings("ignore", message=".*(?:is_gradient_checkpointing|lr_scheduler.step|pin_memory).*")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.|transformers\.|trl\.")
    # TRL would print prompt and completion of a row that is left out, at every step; ``training.faults`` says it once.
    logging.getLogger("trl.trainer.grpo_trainer").addFilter(
        lambda record: "All reward functions returned None" not in record.getMessage()
    )
    level = logging.WARNING if main_process() else logging.ERROR
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it asks for kernels that a CPU can do without
    for name in ("transformers", "trl", "datasets", "accelerate", "DeepSpeed", "deepspeed"):
        logging.getLogger(name).setLevel(level)
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity(level)


def import_at_once(*modules: str) -> None:
    """Import modules, and what they import, without looking for garbage meanwhile.

    Classes and functions are none, and Python walks through all of them again and again while there are ever more: a
    fifth of the time that PyTorch, transformers and TRL take. From then on they are left out of its walks.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        for module in modules:
            importlib.import_module(module)
    finally:
        gc.freeze()
        if collects:
            gc.enable()


class Patient:
    """An output stream that outlives its reader: a run trains on without one.

    That is a pipe whose reader was killed (``| tee``), a closed terminal, or a file on a disk that is full. What is
    written from then on goes nowhere.
    """

    def __init__(self, stream: Any):
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or not."""
        try:
            return self._stream.write(text)
        except OSError:
            to_nowhere(self._stream)
            return len(text)

    def flush(self) -> None:
        """Flush, or not."""
        try:
            self._stream.flush()
        except OSError:
            to_nowhere(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def check_device(recipe: Recipe) -> None:
    """A configuration that wants a GPU needs one."""
    import torch

    if recipe.get("use_cpu"):
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # or DeepSpeed warns that it found nothing else
        _check_vllm_for_cpus(recipe)
        return
    if torch.accelerator.is_available():
        return
    raise UserError(
        "there is no GPU here, and the recipe wants one. On a CPU add --use_cpu true --bf16 false "
        "(accelerate_configs/cpu.yaml), or start with recipes/demo.yaml, which needs none"
    )


def _check_vllm_for_cpus(recipe: Recipe) -> None:
    """On a CPU the engine is another package than on a GPU, and cannot sleep."""
    if not (recipe.colocated or recipe.served):
        return
    try:
        is_for_cpus = "cpu" in version("vllm")
    except PackageNotFoundError:
        is_for_cpus = False
    if not is_for_cpus:
        raise UserError(
            "use_vllm on a CPU needs vLLM for CPUs, which has an environment of its own: start with "
            "$(python -m ratchet.integrations.vllm_cpu) instead of python, or leave use_vllm out"
        )
    if recipe.get("vllm_enable_sleep_mode"):
        raise UserError(
            "vllm_enable_sleep_mode: vLLM cannot sleep on a CPU, and nothing would be gained; leave it out"
        )
    for name, value in VLLM_ON_A_CPU.items():
        os.environ.setdefault(name, value)


def command_line() -> str:
    """What was typed, from the launcher on."""
    start = launcher()
    if Path(sys.argv[0]).name not in PROGRAM:
        return f"{start} {shlex.join(sys.argv)}"
    return typed(*sys.argv[1:]) if start == "python" else f"{start} -m {NAME} {shlex.join(sys.argv[1:])}"


def launcher() -> str:
    """What stands before the script: "accelerate launch" with its options, as the parent was called, or "python"."""
    script = Path(sys.argv[0]).name
    try:
        words = psutil.Process().parent().cmdline()
    except (psutil.Error, AttributeError):
        return "python"
    # A module stands there by its name, not as the file that sys.argv holds.
    names = PROGRAM if script in PROGRAM else (script,)
    start = next((i for i, word in enumerate(words) if _is_accelerate(word)), None)
    end = next((i for i, word in enumerate(words) if i > (start or 0) and Path(word).name in names), None)
    if start is None or end is None:
        return "python"
    options = [word for word in words[start + 1 : end] if word not in ("-m", "--module")]
    return shlex.join(["accelerate", "launch", *(options[1:] if options[:1] == ["launch"] else options)])


def _is_accelerate(word: str) -> bool:
    return Path(word).name in ("accelerate", "accelerate-launch") or word.endswith("accelerate.commands.launch")


def commit() -> str | None:
    """The repository's commit, marked where files differ from it; None where there is no repository."""
    folder = Path(ratchet.__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=20
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + (
            " with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
        )
    except (OSError, subprocess.SubprocessError):
        return None


def duration(seconds: float) -> str:
    """
    >>> duration(42), duration(135), duration(7260)
    ('42 s', '2 min 15 s', '2 h 1 min')
    """
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def attempt(what: str, draw: Callable[[], Any]) -> Any:
    """Draw something that is only looked at; None where that fails, which must not end a run that has trained."""
    try:
        return draw()
    except Exception as error:  # a picture can fail in any way
        print(
            f"warning: {what} could not be drawn ({type(error).__name__}: {error}); ratchet report tries again",
            flush=True,
        )
        return None


COMPILERS = ("ninja", "nvcc", "cicc", "cc1plus", "c++", "g++")
STALE = 60  # seconds after which a lock without a compiler at work is one that a killed build has left


def left_build_locks() -> list[Path]:
    """Locks of PyTorch's extension builds (DeepSpeed's operators) whose builder was killed: a start waits on them
    for ever, without a word.
    """
    locks = [path for path in built("lock") if time.time() - path.stat().st_mtime > STALE]
    if not locks:
        return []
    names = {process.info["name"] for process in psutil.process_iter(["name"])}
    return [] if names & set(COMPILERS) else locks


def built(name: str) -> list[Path]:
    """Files of that name among the extensions that PyTorch has built, one folder each."""
    own = os.environ.get("TORCH_EXTENSIONS_DIR")
    if own:
        return list(Path(own).glob(f"*/{name}"))
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    return list((cache / "torch_extensions").glob(f"*/*/{name}"))


def check_builds() -> None:
    """Before DeepSpeed builds its operators: say that it takes a while, or that it would never begin.

    Raises:
        UserError: for a lock that a killed build has left.
    """
    if os.environ.get("ACCELERATE_USE_DEEPSPEED") != "true" or not main_process():
        return
    left = left_build_locks()
    if left:
        raise UserError(
            f"a build of {left[0].parent.name} that was killed has left {left[0]}, on which this start would wait for "
            f"ever; remove it: rm {shlex.quote(str(left[0]))}"
        )
    if not built("*.so"):
        print("DeepSpeed may build operators before the first step, which takes some minutes once", flush=True)


def nvidia_smi(*fields: str) -> list[list[str]]:
    """The asked fields of each GPU, as the driver gives them (``nvidia-smi --help-query-gpu``); empty without one."""
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        query = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
        done = subprocess.run(query, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return []
    rows = (
        [[part.strip() for part in line.split(",")] for line in done.stdout.splitlines()]
        if done.returncode == 0
        else []
    )
    return [row for row in rows if len(row) == len(fields)]
