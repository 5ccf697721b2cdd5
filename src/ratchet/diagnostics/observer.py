"""Watches a training run from inside the trainer: what both SFT and GRPO show.

Everything is read off what training computes anyway, except the probes: every ``diagnostics.every`` steps a few fixed
rows go through the model once more for attention, and (GRPO) a few sampled completions through the initial model.
"""

import copy
import re
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from ratchet.diagnostics import attention
from ratchet.diagnostics.accumulator import Gathered, MetricAccumulator
from ratchet.diagnostics.artifacts import Artifacts
from ratchet.diagnostics.clock import Clock
from ratchet.diagnostics.initial_model import plain
from ratchet.recipe.groups import Diagnostics
from ratchet.record.catalogue import PHASES

_LAYER = re.compile(r"\.(?:layers|h|blocks|block)\.(\d+)\.")
KEPT_DIMENSIONS = 256  # of a hidden state, for the embedding trajectory


class Observer:
    """What is watched in any run.

    Args:
        settings: the recipe's ``diagnostics`` group.
        rows: token ids of some fixed rows, for the attention probe.
    """

    def __init__(self, settings: Diagnostics, rows: Sequence[Sequence[int]]):
        self.settings, self.rows = settings, rows
        self.clock, self.window = Clock(), MetricAccumulator()
        self.rich = Artifacts()
        self.notes: list[str] = []
        """What cannot be had here, a sentence each."""
        self.pending = False
        """Whether a probe that needs fresh completions is still to come."""
        self._steps, self._tokens, self._passed = 0, 0.0, 0.0

    def attach(self, trainer: Any) -> None:
        """Look at the trainer that was built, before its first step."""
        self.trainer, self.accelerator = trainer, trainer.accelerator
        self.model = plain(trainer.model, self.accelerator)
        vllm = getattr(trainer, "vllm_generation", None)
        if vllm is not None:
            vllm.sync_weights = self._timed("weight_sync", vllm.sync_weights)
        if self.settings.gradients and trainer.is_deepspeed_enabled:
            why = "DeepSpeed has used the gradients up before a callback can see them; grad_norm is of the whole model"
            self.leave_out(f"grad/layer: {why}", "gradients")
        if self.settings.gradients and getattr(self.accelerator, "scaler", None) is not None:
            self.leave_out(
                "grad/layer: with fp16 gradients are scaled until they are clipped; use bf16, or read grad_norm",
                "gradients",
            )
        config = self.model.config.get_text_config() if hasattr(self.model, "config") else None
        for layer, head in self.settings.heat_maps if config is not None and self.settings.attention else ():
            if layer >= config.num_hidden_layers or head >= config.num_attention_heads:
                self.leave_out(
                    f"the heat map [{layer}, {head}]: the model has {config.num_hidden_layers} layers of {config.num_attention_heads} heads"
                )

    def _timed(self, phase: str, call: Callable) -> Callable:
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.clock.phase(phase):
                return call(*args, **kwargs)

        return timed

    def leave_out(self, why: str, kind: str | None = None) -> None:
        """Say once what is missing, and why; a whole ``kind`` of the settings is switched off with it."""
        if kind is not None:
            self.settings = self.settings.without(kind)
        if why not in self.notes:
            self.notes.append(why)
            self.accelerator.print(f"diagnostics: left out: {why}", flush=True)

    # What the trainer and its callbacks call.

    def begin(self, tokens: float) -> None:
        """Training begins, or goes on after so many tokens."""
        self._tokens = tokens

    def step_begins(self, step: int, last: int) -> None:
        """Probe where it is time."""
        due = step % self.settings.every == 0 or step == last - 1
        self.pending |= due
        if due and self.settings.attention:
            with self.clock.phase("diagnostics"):
                self._look()

    def step_ends(self) -> None:
        """Count the step."""
        self._steps += 1

    def gradients(self, model: Any) -> None:
        """Take the norm of each layer's gradient, before clipping."""
        if not self.settings.gradients:
            return
        groups: dict[str, list[torch.Tensor]] = {}
        for name, parameter in model.named_parameters():
            if parameter.grad is not None:
                layer = _LAYER.search(name)
                gradient = parameter.grad.to_local() if hasattr(parameter.grad, "to_local") else parameter.grad
                groups.setdefault(f"grad/layer/{layer[1]}" if layer else "grad/other", []).append(gradient)
        squares = {
            name: torch.stack(torch._foreach_norm(parts)).float().square().sum() for name, parts in groups.items()
        }
        if str(self.accelerator.distributed_type).endswith("FSDP") and squares:
            total = self.accelerator.reduce(torch.stack([*squares.values()]), "sum")
            squares = dict(zip(squares, total, strict=True))
        for name, square in squares.items():
            self.window.add_sum(name, square.sqrt(), 1)

    def close(self, logs: Mapping[str, float], tokens: float | None) -> dict[str, float]:
        """End the window: its figures, the same on every process; every process must call this.

        Args:
            tokens: trained on so far, over all processes.
        """
        seconds = self.clock.take()
        rank = {phase: seconds.get(phase, 0.0) / max(1, self._steps) for phase in PHASES}
        rank["memory"] = peak_memory(self.accelerator.device)
        gathered = self.window.close(rank, self.extra(), self.accelerator.num_processes)
        self._steps = 0
        found = {"policy/loss": logs["loss"], "distributed/world_size": float(self.accelerator.num_processes)}
        for phase in PHASES:
            each = [own[phase] for own in gathered.ranks]
            found |= {
                f"time/{phase}": sum(each) / len(each),
                f"time/{phase}_min": min(each),
                f"time/{phase}_max": max(each),
            }
        whole = sum(found[f"time/{phase}"] for phase in PHASES)
        self._passed += sum(seconds.get(phase, 0.0) for phase in PHASES)
        if (
            tokens is not None and self._passed > 0
        ):  # TRL counts them when they are generated, which may be some logs ago
            found["time/tokens_per_second"] = max(0.0, tokens - self._tokens) / self._passed
            self._tokens, self._passed = tokens, 0.0
        found["time/step"] = whole
        memory = [own["memory"] for own in gathered.ranks]
        found |= {"memory/peak_gib": max(memory), "memory/peak_gib_min": min(memory)}
        found |= {name: total / count for name, (total, count) in gathered.sums.items() if count}
        self.summarise(gathered, found)
        return found

    # What subclasses add.

    def extra(self) -> Any:
        """What this process sends besides numbers."""
        return None

    def summarise(self, gathered: Gathered, found: dict[str, float]) -> None:
        """Add figures to ``found``, and distributions and tables to ``self.rich``."""

    # The attention probe.

    def _look(self) -> None:
        rank, processes = self.accelerator.process_index, self.accelerator.num_processes
        rows = [
            self.rows[(rank + i * processes) % len(self.rows)]
            for i in range(min(self.settings.rows, -(-len(self.rows) // processes)))
        ]
        queries = min(self.settings.queries, *(len(row) for row in rows))
        width, pad = max(len(row) for row in rows), self.trainer.processing_class.pad_token_id
        ids = torch.tensor([[pad] * (width - len(row)) + list(row) for row in rows], device=self.accelerator.device)
        mask = torch.tensor(
            [[0] * (width - len(row)) + [1] * len(row) for row in rows], device=self.accelerator.device
        )
        wanted = [tuple(pair) for pair in self.settings.heat_maps]
        try:
            with self.accelerator.autocast():
                seen = attention.look(self.model, {"input_ids": ids, "attention_mask": mask}, queries, wanted)
        except attention.CannotProbe as why:
            self.leave_out(f"attn: {why}", "attention")
            return
        for layer, value in seen.entropy.items():
            self.window.add_sum(f"attn/entropy_layer/{layer}", value, 1)
            self.window.add_sum("attn/entropy_mean", value, 1)
        if self.accelerator.is_main_process:
            self._keep(seen, rows[0])

    def _keep(self, seen: attention.Seen, row: Sequence[int]) -> None:
        size = min(attention.MAP_SIZE, len(row))
        tokens = [self.trainer.processing_class.decode([token]) for token in row[-size:]]
        for (layer, head), weights in seen.maps.items():
            kept = [[round(w, 4) for w in line] for line in weights[-size:, -size:].tolist()]
            self.rich.maps.append({"layer": layer, "head": head, "tokens": tokens, "weights": kept})
        hidden = seen.hidden.cpu()
        if hidden.shape[1] > KEPT_DIMENSIONS:  # a random projection keeps distances (Johnson and Lindenstrauss, 1984)
            draw = torch.Generator().manual_seed(0)
            hidden = hidden @ torch.randn(hidden.shape[1], KEPT_DIMENSIONS, generator=draw) / KEPT_DIMENSIONS**0.5
        self.rich.embeddings = [[float(f"{x:.5g}") for x in vector] for vector in hidden.tolist()]

    # Going on from a checkpoint.

    def state_dict(self) -> dict[str, Any]:
        """What has gathered for the next log, copied; times are not."""
        return {
            "window": self.window.state_dict(),
            "pending": self.pending,
            "rich": {name: copy.copy(value) for name, value in vars(self.rich).items()},
        }

    def load_state_dict(self, found: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.window.load_state_dict(found["window"])
        self.pending, self.rich = (
            found["pending"],
            Artifacts(**{name: copy.copy(value) for name, value in found["rich"].items()}),
        )

    def take_rich(self) -> Artifacts:
        """What has gathered since the last log and is more than a number."""
        found, self.rich = self.rich, Artifacts()
        return found


def peak_memory(device: torch.device) -> float:
    """Highest memory so far in GiB: the accelerator's allocator where there is one, else this process's resident set."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
