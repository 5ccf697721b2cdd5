"""Watches a training run from inside the trainer: what every method shows.

Everything is read off what training computes anyway, except the probes: every ``diagnostics.every`` steps a few fixed
rows go through the model once more for attention, and (GRPO) a few sampled completions through the initial model.
"""

import re
import resource
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ratchet.diagnostics import attention
from ratchet.diagnostics.accumulator import Gathered, MetricAccumulator
from ratchet.diagnostics.artifacts import Artifacts
from ratchet.diagnostics.clock import Clock
from ratchet.diagnostics.initial_model import plain
from ratchet.diagnostics.observed_trainer import ObservedTrainer
from ratchet.recipe.groups import Diagnostics
from ratchet.record.catalogue import PHASES

_LAYER = re.compile(r"\.(?:layers|h|blocks|block)\.(\d+)\.")
KEPT_DIMENSIONS = 256  # of a hidden state, for the embedding trajectory


class Observer:
    """What is watched in any run.

    Args:
        trainer: built, before its first step.
        settings: the recipe's ``diagnostics`` group.
        rows: token ids of some fixed rows, for the attention probe.

    Attributes:
        clock: charges seconds to the phases of a step.
        metrics: what has gathered since the last log.
        artifacts: what has gathered and is more than a number.
        notes: what cannot be had here, a sentence each.
        pending: whether a probe that needs fresh completions is still to come.
    """

    def __init__(self, trainer: ObservedTrainer, settings: Diagnostics, rows: Sequence[Sequence[int]]):
        self.trainer, self.settings, self.rows = trainer, settings, rows
        self.accelerator, self.model = trainer.accelerator, plain(trainer.model, trainer.accelerator)
        self.clock, self.metrics, self.artifacts = Clock(), MetricAccumulator(), Artifacts()
        self.notes: list[str] = []
        self.pending = False
        self._steps, self._tokens, self._passed = 0, 0.0, 0.0
        self._check_gradients()
        self._check_heat_maps()

    def _check_gradients(self) -> None:
        """Leave layers' gradients out where they cannot be read before clipping."""
        if self.settings.gradients and self.trainer.is_deepspeed_enabled:
            why = "DeepSpeed has used the gradients up before a callback can see them; grad_norm is of the whole model"
            self.leave_out(f"grad/layer: {why}", "gradients")
        if self.settings.gradients and getattr(self.accelerator, "scaler", None) is not None:
            why = "with fp16 gradients are scaled until they are clipped; use bf16, or read grad_norm"
            self.leave_out(f"grad/layer: {why}", "gradients")

    def _check_heat_maps(self) -> None:
        """Say which heat maps the model has no head for."""
        if not self.settings.attention or not hasattr(self.model, "config"):
            return
        config = self.model.config.get_text_config()
        layers, heads = config.num_hidden_layers, config.num_attention_heads
        for layer, head in self.settings.heat_maps:
            if layer >= layers or head >= heads:
                self.leave_out(f"the heat map [{layer}, {head}]: the model has {layers} layers of {heads} heads")

    def leave_out(self, why: str, kind: str | None = None) -> None:
        """Report once what is missing, and why; a whole ``kind`` of the settings is switched off with it."""
        if kind is not None:
            self.settings = self.settings.without(kind)
        if why not in self.notes:
            self.notes.append(why)
            self.accelerator.print(f"diagnostics: left out: {why}", flush=True)

    # What the trainer and its callbacks call.

    def begin(self, tokens: float) -> None:
        """Training starts, or resumes after so many tokens."""
        self._tokens = tokens

    def step_begins(self, step: int, last: int) -> None:
        """Probe where it is time."""
        due = step % self.settings.every == 0 or step == last - 1
        self.pending |= due
        if due and self.settings.attention:
            with self.clock.phase("diagnostics"):
                self._probe_attention()

    def step_ends(self) -> None:
        """Count the step."""
        self._steps += 1

    def gradients(self, model: torch.nn.Module) -> None:
        """Take the norm of each layer's gradient, before clipping."""
        if not self.settings.gradients:
            return
        squares = {name: _sum_of_squares(parts) for name, parts in _by_layer(model).items()}
        if str(self.accelerator.distributed_type).endswith("FSDP") and squares:
            # Each process holds a part of every gradient; squares of parts add up, norms do not.
            total = self.accelerator.reduce(torch.stack([*squares.values()]), "sum")
            squares = dict(zip(squares, total, strict=True))
        for name, square in squares.items():
            self.metrics.add_sum(name, square.sqrt(), 1)

    def close(self, logs: Mapping[str, float], tokens: float | None) -> dict[str, float]:
        """End what gathers for one log: its figures, the same on every process; every process must call this.

        Args:
            tokens: trained on so far, over all processes.
        """
        seconds = self.clock.take()
        phases = [phase for phase in PHASES if phase != "teacher" or phase in seconds]  # most runs have none
        rank = {phase: seconds.get(phase, 0.0) / max(1, self._steps) for phase in phases}
        rank["memory"] = peak_memory(self.accelerator.device)
        gathered = self.metrics.close(rank, self.extra(), self.accelerator.num_processes)
        self._steps = 0
        figures = {"policy/loss": logs["loss"], "distributed/world_size": float(self.accelerator.num_processes)}
        figures |= _times(gathered.ranks)
        figures |= self._speed(seconds, tokens)
        memory = [own["memory"] for own in gathered.ranks]
        figures |= {"memory/peak_gib": max(memory), "memory/peak_gib_min": min(memory)}
        figures |= {name: total / count for name, (total, count) in gathered.sums.items() if count}
        self.summarise(gathered, figures)
        return figures

    def _speed(self, seconds: Mapping[str, float], tokens: float | None) -> dict[str, float]:
        """Tokens per second since the last log that knew a count."""
        self._passed += sum(seconds.get(phase, 0.0) for phase in PHASES)
        # TRL counts tokens when they are generated, which may be some logs ago: seconds gather until then.
        if tokens is None or self._passed <= 0:
            return {}
        speed = max(0.0, tokens - self._tokens) / self._passed
        self._tokens, self._passed = tokens, 0.0
        return {"time/tokens_per_second": speed}

    # What subclasses add.

    def extra(self) -> Any:
        """What this process sends besides numbers."""
        return None

    def summarise(self, gathered: Gathered, figures: dict[str, float]) -> None:
        """Add to ``figures``, and distributions and tables to ``self.artifacts``."""

    # The attention probe.

    def _probe_attention(self) -> None:
        rows = self._own_rows()
        queries = min(self.settings.queries, *(len(row) for row in rows))
        wanted = [tuple(pair) for pair in self.settings.heat_maps]
        try:
            with self.accelerator.autocast():
                seen = attention.look(self.model, self._padded(rows), queries, wanted)
        except attention.CannotProbe as why:
            self.leave_out(f"attn: {why}", "attention")
            return
        for layer, value in seen.entropy.items():
            self.metrics.add_sum(f"attn/entropy_layer/{layer}", value, 1)
            self.metrics.add_sum("attn/entropy_mean", value, 1)
        if self.accelerator.is_main_process:
            self._keep(seen, rows[0])

    def _own_rows(self) -> list[Sequence[int]]:
        """This process's share of the fixed rows, as many as any other has: a split model needs that."""
        rank, processes = self.accelerator.process_index, self.accelerator.num_processes
        count = min(self.settings.rows, -(-len(self.rows) // processes))
        return [self.rows[(rank + i * processes) % len(self.rows)] for i in range(count)]

    def _padded(self, rows: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        """Input ids and attention mask (rows, tokens), padded on the left: the last tokens stand below each other."""
        width, pad = max(len(row) for row in rows), self.trainer.processing_class.pad_token_id
        ids = [[pad] * (width - len(row)) + list(row) for row in rows]
        mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
        device = self.accelerator.device
        return {
            "input_ids": torch.tensor(ids, device=device),
            "attention_mask": torch.tensor(mask, device=device),
        }

    def _keep(self, seen: attention.Seen, row: Sequence[int]) -> None:
        size = min(attention.MAP_SIZE, len(row))
        tokens = [self.trainer.processing_class.decode([token]) for token in row[-size:]]
        for (layer, head), weights in seen.maps.items():
            kept = [[round(w, 4) for w in line] for line in weights[-size:, -size:].tolist()]
            self.artifacts.maps.append({"layer": layer, "head": head, "tokens": tokens, "weights": kept})
        self.artifacts.embeddings = _projected(seen.hidden.cpu())

    # Checkpoints.

    def state_dict(self) -> dict[str, Any]:
        """What has gathered for the next log, copied; times are not."""
        return {
            "metrics": self.metrics.state_dict(),
            "pending": self.pending,
            "artifacts": self.artifacts.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume with what ``state_dict`` copied."""
        self.metrics.load_state_dict(state["metrics"])
        self.pending = state["pending"]
        self.artifacts = Artifacts.from_state_dict(state["artifacts"])

    def take_artifacts(self) -> Artifacts:
        """What has gathered since the last log and is more than a number, which is then forgotten."""
        taken, self.artifacts = self.artifacts, Artifacts()
        return taken


def _by_layer(model: torch.nn.Module) -> dict[str, list[torch.Tensor]]:
    """This process's gradients by the figure that they belong to."""
    groups: dict[str, list[torch.Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is None:
            continue
        layer = _LAYER.search(name)
        gradient = parameter.grad.to_local() if hasattr(parameter.grad, "to_local") else parameter.grad
        groups.setdefault(f"grad/layer/{layer[1]}" if layer else "grad/other", []).append(gradient)
    return groups


def _sum_of_squares(tensors: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack(torch._foreach_norm(tensors)).float().square().sum()


def _times(ranks: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Seconds of a step by phase: mean over processes, fastest and slowest process; ``time/step`` is their sum."""
    figures: dict[str, float] = {}
    phases = [phase for phase in PHASES if phase in ranks[0]]
    for phase in phases:
        each = [own[phase] for own in ranks]
        figures[f"time/{phase}"] = sum(each) / len(each)
        figures[f"time/{phase}_min"] = min(each)
        figures[f"time/{phase}_max"] = max(each)
    figures["time/step"] = sum(figures[f"time/{phase}"] for phase in phases)
    return figures


def _projected(hidden: torch.Tensor) -> list[list[float]]:
    """Hidden states (rows, hidden) in at most ``KEPT_DIMENSIONS`` dimensions, the same ones at every probe."""
    if hidden.shape[1] > KEPT_DIMENSIONS:
        # A random projection keeps distances (Johnson and Lindenstrauss, 1984); a fixed seed, so that probes compare.
        draw = torch.Generator().manual_seed(0)
        hidden = hidden @ torch.randn(hidden.shape[1], KEPT_DIMENSIONS, generator=draw) / KEPT_DIMENSIONS**0.5
    return [[float(f"{x:.5g}") for x in vector] for vector in hidden.tolist()]


def peak_memory(device: torch.device) -> float:
    """Highest memory so far in GiB: the accelerator's allocator, or on a CPU this process's resident set."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    unit = 1 if sys.platform == "darwin" else 2**10  # ru_maxrss is in bytes there, in KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
