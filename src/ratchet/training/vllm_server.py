"""A vLLM server that is late, gone, slow, or restarted: waited for within a limit, joined again, and given the
weights.

TRL's client has no time limits, retries without a word, and takes a restarted server for the one it knew:
the run would continue with completions of the initial weights. Here nothing of TRL is copied: what its
``vllm_generation`` and its client call is wrapped, so that a failing call is remembered on the main process, agreed on
by all, and made again.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from accelerate.utils import broadcast_object_list
from transformers import Trainer

from ratchet.diagnostics.clock import Clock
from ratchet.errors import Stopped, UserError
from ratchet.recipe import Recipe
from ratchet.training.faults import Fault
from ratchet.training.vllm_requests import make_all_end

PERMANENT = ("400", "401", "403", "404", "422")  # statuses that no waiting changes
PAUSE = 0.5


class ServerGone(Fault):
    """The server did not come back in time; known to all processes."""

    code, word = Stopped.code, Stopped.word


def wait_until_ready(recipe: Recipe) -> None:
    """Wait for a server that is still loading, saying so; call it on the main process before TRL connects.

    Raises:
        UserError: when it does not come up in ``vllm_server_timeout`` seconds, with the end of its log where that is
            named.
    """
    url, seconds = recipe.server_url, recipe.get("vllm_server_timeout")
    until, told = time.monotonic() + seconds, False
    while (fault := _unhealthy(url)) is not None:
        if time.monotonic() > until:
            raise UserError(
                f"the vLLM server at {url} did not come up in {seconds:g} s ({fault}){tail(recipe)}\nStart it "
                "(docs/launch.md), look at its log, "
                "or raise vllm_server_timeout"
            )
        if not told:
            print(f"waiting for the vLLM server at {url} ({fault}), {seconds:g} s at most", flush=True)
            told = True
        time.sleep(PAUSE)


def tail(recipe: Recipe, lines: int = 15) -> str:
    """The end of the server's log, where ``faults.server_log`` names it."""
    path = recipe.faults.server_log
    if path is None:
        return "; faults: {server_log: FILE} would show the end of its log here"
    try:
        with Path(path).open("rb") as file:
            file.seek(max(0, Path(path).stat().st_size - 8000))
            found = file.read().decode(errors="replace").splitlines()[-lines:]
    except OSError as error:
        return f"; its log {path} cannot be read ({error.strerror})"
    return "\n".join([f"\nthe end of {path}:", *(f"  {line}" for line in found)])


def _unhealthy(url: str) -> str | None:
    """What is wrong with a server; None where it is well."""
    import requests

    try:
        status = requests.get(f"{url}/health", timeout=5).status_code
    except requests.RequestException as error:
        return type(error).__name__
    return None if status == 200 else f"/health answers {status}"


class WeightSync:
    """Stands in for TRL's ``vllm_generation.sync_weights``, and is all that replaces it.

    Several parts want something of that method: ``Server`` retries it, diagnostics time it. Here each has its place,
    so that it does not matter which of them came first.

    Attributes:
        send: gives the weights to vLLM; TRL's own method at first.
        phases: surround every call, the retries with it.
    """

    def __init__(self, generation: Any):
        self.send: Callable[[], None] = generation.sync_weights
        self.phases: list[Callable[[], AbstractContextManager]] = []

    def __call__(self) -> None:
        with ExitStack() as stack:
            for phase in self.phases:
                stack.enter_context(phase())
            self.send()


def weight_sync(generation: Any) -> WeightSync:
    """What synchronises the weights of a ``vllm_generation``, in the trainer's process or on a server."""
    if not isinstance(generation.sync_weights, WeightSync):
        generation.sync_weights = WeightSync(generation)
    return generation.sync_weights


def time_weight_sync(trainer: Trainer, clock: Clock) -> None:
    """Charge the seconds of a weight synchronisation to a phase of their own, where the trainer samples with vLLM."""
    generation = getattr(trainer, "vllm_generation", None)
    if generation is not None:
        weight_sync(generation).phases.append(lambda: clock.phase("weight_sync"))


class Server:
    """Stands between a GRPO trainer and its vLLM server.

    Args:
        trainer: built, and connected.
    """

    def __init__(self, trainer: Trainer, recipe: Recipe, beat: Callable[[], None] = lambda: None):
        self.trainer, self.recipe, self.beat = trainer, recipe, beat
        self.accelerator, self.generation = trainer.accelerator, trainer.vllm_generation
        self.failure: Exception | None = None
        self.version: str | None = None
        """The name that the server's weights were given; None where the server knows no names (vLLM before 0.27)."""
        self._synced = 0
        self._generate, self.generation.generate = self.generation.generate, self.generate
        sync = weight_sync(self.generation)
        self._sync, sync.send = sync.send, self.sync_weights
        if self.accelerator.is_main_process:
            self.client = self.generation.vllm_client
            make_all_end(self.client.session, self.client.base_url, self.recipe.faults.server_timeout)
            self._plain = {
                name: getattr(self.client, name) for name in ("generate", "update_named_params", "reset_prefix_cache")
            }
            self.client.generate, self.client.update_named_params = self._generate_once, self._update_once
            self.client.reset_prefix_cache = self._reset_once

    # On the main process alone, inside TRL's collective operations: nothing may be raised here, or the others wait for
    # ever.

    def _generate_once(self, prompts: Any, **settings: Any) -> dict[str, Any]:
        self.failure = None
        try:
            found = self._plain["generate"](prompts=prompts, **settings)
            self._check_weights()
            return found
        except Exception as error:  # TRL raises bare Exceptions for statuses
            self.failure = error
            count = settings["n"] * len(prompts)  # of the right shape; all processes throw it away
            return {"prompt_ids": prompts, "completion_ids": [[0]] * count, "logprobs": [[[0.0]]] * count}

    def _update_once(self, metadata: Any, parameters: Any) -> None:
        self.failure = None
        try:
            self._plain["update_named_params"](metadata, parameters)
        except Exception as error:
            self.failure = error
        for _ in (
            parameters
        ):  # to its end: other processes gather along with it, and peft takes its adapter out of the weights after it
            pass

    def _reset_once(self) -> None:
        if self.failure is None:
            self._attempt(self._plain["reset_prefix_cache"])

    def _attempt(self, act: Callable[[], Any]) -> None:
        self.failure = None
        try:
            act()
        except Exception as error:
            self.failure = error

    def _check_weights(self) -> None:
        if self.version is None:
            return
        found = self.client.session.get(f"{self.client.base_url}/weight_info")
        if found.status_code == 200 and found.json()["weight_version"] != self.version:
            raise ConnectionError("the server was restarted, and its weights are not the trainer's")

    def _name_weights(self) -> None:
        self._synced += 1
        name = f"{id(self):x}-{self.trainer.state.global_step}-{self._synced}"
        done = self.client.session.post(f"{self.client.base_url}/update_weight_version", json={"new_version": name})
        self.version = name if done.status_code == 200 else None

    # On all processes.

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """TRL's, made again until it succeeds or time is up."""
        until = time.monotonic() + self.recipe.faults.server_wait
        while True:
            self.beat()
            found = self._generate(*args, **kwargs)
            failure = self._agreed()
            if failure is None:
                return found
            self._come_back(failure, until, sync=True)

    def sync_weights(self) -> None:
        """TRL's, made again until it succeeds or time is up; first whether it is still the server that was joined."""
        until = time.monotonic() + self.recipe.faults.server_wait
        while True:
            self.beat()
            if self.accelerator.is_main_process:
                self._attempt(self._check_weights)
            failure = self._agreed() or self._sync_once()
            if failure is None:
                return
            self._come_back(failure, until, sync=False)

    def _sync_once(self) -> Exception | None:
        self._sync()
        if self.accelerator.is_main_process and self.failure is None:
            self._attempt(self._name_weights)
        return self._agreed()

    def _agreed(self) -> Exception | None:
        """What went wrong on the main process; raised at once where no waiting helps."""
        failure = broadcast_object_list([self.failure])[0]
        if failure is not None and not _passing(failure):
            raise Fault(f"the vLLM server at {self.recipe.server_url} refuses: {failure}{tail(self.recipe)}")
        return failure

    def _come_back(self, failure: Exception, until: float, sync: bool) -> None:
        """Wait for a server and join it; in the middle of a step also give it the weights.

        Raises:
            ServerGone: when time is up.
        """
        said = f"{type(failure).__name__}: {' '.join(str(failure).split())[:200]}"
        wait = self.recipe.faults.server_wait
        self.accelerator.print(
            f"warning: the vLLM server failed ({said}); waiting for it {wait:g} s at most", flush=True
        )
        while True:
            self.beat()
            if self.accelerator.is_main_process:
                self._attempt(self._join)
            found = self._agreed()
            if found is None and sync:
                found = self._sync_once()
            if found is None:
                self.accelerator.print(
                    "the vLLM server is back, with the trainer's weights" if sync else "the vLLM server is back",
                    flush=True,
                )
                return
            if time.monotonic() > until:
                raise ServerGone(
                    f"the vLLM server at {self.recipe.server_url} did not come back in {wait:g} s "
                    f"({found}){tail(self.recipe)}\n"
                    "The step before is saved: start the server, and type the same command again"
                )
            time.sleep(PAUSE)

    def _join(self) -> None:
        fault = _unhealthy(self.client.base_url)
        if fault is not None:
            raise ConnectionError(fault)
        self.version = None
        self.client.close_communicator()
        self.client.init_communicator(device=self.accelerator.device)


def _passing(error: Exception) -> bool:
    """Whether it is worth another try: connections, time limits, 5xx, what is no JSON, and TRL's bare Exception for a
    status."""
    text = str(error)
    return isinstance(error, OSError) or (
        type(error) is Exception and text.startswith("Request failed: ") and text[16:19] not in PERMANENT
    )
