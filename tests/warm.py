"""Programs that load torch and trl, forked from one process that has, which saves some seconds for each start.

What the environment decides while these are imported is left to a fresh interpreter, and so is every launcher.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path

SCRIPTS = ("grpo.py", "sft.py")
VERBS = ("grpo", "sft", "evaluate", "chat")  # of the program; the others are light, or start others
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "TOKENIZERS_PARALLELISM": "false",
    "TRL_EXPERIMENTAL_SILENCE": "1",
}
_LOADED = [
    "torch",
    "trl",
    "transformers",
    "peft",
    "datasets",
    "safetensors.torch",
    "trl.trainer.grpo_trainer",
    "trl.trainer.sft_trainer",
    "ratchet.torture.processes",
]


def warm(words: Sequence[str]) -> bool:
    """Whether words start a program of those."""
    return Path(words[0]).name in SCRIPTS or (words[0] == "ratchet" and words[1:2] and words[1] in VERBS)


def feed(path: Path) -> None:
    """In a forked process: a file instead of standard input."""
    os.dup2(os.open(path, os.O_RDONLY), sys.stdin.fileno())


class Warm:
    """A started script, with what tests use of ``subprocess.Popen``.

    Args:
        stdin: a file with what it is told; without one there is nothing to read.
    """

    def __init__(self, words: Sequence[str], folder: Path, out: Path, err: Path, stdin: Path = Path(os.devnull)):
        from ratchet.torture.processes import become

        context = get_context("forkserver")
        context.set_forkserver_preload(_LOADED)  # of no effect once the server runs
        before = dict(os.environ)
        os.environ.update(ENVIRONMENT)  # the server is started with them
        try:
            self._process = context.Process(
                target=become, args=(folder, words, dict(os.environ), out, err, partial(feed, stdin))
            )
            self._process.start()
        finally:
            os.environ.clear()
            os.environ.update(before)
        self.words, self.pid = words, self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired(self.words, timeout)
        return self.poll()

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()
