"""Who waits for whom: rollouts and training on 1 to 1,024 GPUs, simulated without one.

Each GPU has the recipe's completions of a generation, so that a step grows with the GPUs. An engine decodes at most
``RUNNING`` sequences at a time and takes the next prompt when one ends; each token of all of them reads the weights
and their keys and values once. Three placements are compared:

colocated     every GPU generates, waits for the slowest, and trains
split         some GPUs generate while the others wait, then those train while the first wait
asynchronous  some GPUs generate all the time, with weights that are a step old, while the others train

How the GPUs are split is chosen: the fastest of ``SHARES``.
"""

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import mean

from ratchet.plan.devices import Device
from ratchet.plan.job import Job
from ratchet.plan.work import DECODING, MEASURED, RUNNING, TRAINING, ideal_prefill, ideal_token, ideal_training

GPUS = tuple(2**power for power in range(11))
SHARES = (1 / 8, 1 / 4, 1 / 2, 3 / 4)
"""Of the GPUs that generate."""
PER_MACHINE = 8
DRAWN = 4096
ENGINES = 256
"""So many are simulated; of more the slowest is taken to be the slowest of these."""
SPREAD = 0.75
"""Of the logarithms of lengths, where none were measured: that of 5,071 completions to AQuA-RAT questions."""


@dataclass(frozen=True)
class Links:
    """GB/s that one GPU sends."""

    inside: float = 300.0
    """To another GPU of its machine."""
    between: float = 25.0
    """To another machine."""
    sites: float | None = None
    """From the site that trains to the one that generates; None: they are one."""


@dataclass(frozen=True)
class Step:
    """One step of a placement on so many GPUs."""

    placement: str
    gpus: int
    generating: int
    """GPUs that generate; of a colocated run all of them do both."""
    seconds: float
    idle: float
    """Share of all GPUs' time in which they neither generate nor train."""
    broadcast: float
    """Seconds in which new weights reach what generates."""


@dataclass(frozen=True)
class Speeds:
    """Seconds over the ideal, of training and of rollouts."""

    training: float = 1 / sqrt(TRAINING[0] * TRAINING[1])
    rollout: float = 1 / sqrt(DECODING[0] * DECODING[1])


def speeds(factors: dict[str, float]) -> Speeds:
    """Those of an earlier run (``plan.measured``), and the middle of what is assumed for what it has not."""
    known = {name: factors[name] * mean(MEASURED) for name in ("training", "rollout") if name in factors}
    return Speeds(**known)


def drawn_lengths(average: float, longest: int, histogram: Sequence[tuple[float, float, int]]) -> list[int]:
    """Lengths of ``DRAWN`` completions: as measured, else lognormal.

    Args:
        average: tokens of a completion, where there is no ``histogram`` (from, to, how many).
        longest: at which completions are cut.
    """
    random_ = random.Random(0)
    if histogram:
        bins = random_.choices(histogram, [many for _, _, many in histogram], k=DRAWN)
        found = [random_.uniform(low, high) for low, high, _ in bins]
    else:
        found = [random_.lognormvariate(0, SPREAD) for _ in range(DRAWN)]
        scale = average / mean(found)
        found = [scale * one for one in found]
    return [min(longest, max(1, round(one))) for one in found]


def schedule(
    job: Job, device: Device, prompt: float, lengths: Sequence[int], speed: Speeds, links: Links
) -> list[Step]:
    """Steps of every placement on every number of GPUs.

    Args:
        prompt: tokens of a mean prompt.
        lengths: of completions, from which those of every engine are drawn.
    """
    machines = _Machines(job, device, prompt, lengths, speed, links)
    found = []
    for gpus in GPUS:
        found.append(_colocated(machines, gpus))
        if gpus > 1:
            splits = sorted({max(1, min(gpus - 1, round(gpus * share))) for share in SHARES})
            for placement in ("split", "asynchronous"):
                of = (_apart(machines, placement, gpus, some) for some in splits)
                found.append(min(of, key=lambda step: step.seconds))
    return found


def _colocated(machines: "_Machines", gpus: int) -> Step:
    each = machines.job.rollout.sequences
    rollouts, training = machines.rollouts(each)[:gpus], machines.training(each, gpus)
    new = machines.loading(gpus)
    seconds = max(rollouts) + training + new
    return Step("colocated", gpus, gpus, seconds, 1 - (mean(rollouts) + training) / seconds, new)


def _apart(machines: "_Machines", placement: str, gpus: int, generating: int) -> Step:
    """Some GPUs generate and the others train: in turns (split), or at once (asynchronous)."""
    total, trainers = machines.job.rollout.sequences * gpus, gpus - generating
    training, new = machines.training(total / trainers, trainers), machines.sending(gpus)
    if placement == "split":
        rollouts = machines.rollouts(ceil(total / generating))[:generating]
        rollout, seconds = mean(rollouts), max(rollouts) + training + new
    else:
        rollout = machines.without_end(total / generating)
        seconds = max(rollout, training) + new  # which both wait for
    busy = rollout * generating + training * trainers
    return Step(placement, gpus, generating, seconds, 1 - busy / (seconds * gpus), new)


class _Machines:
    """Seconds of the parts of a step."""

    def __init__(self, job: Job, device: Device, prompt: float, lengths: Sequence[int], speed: Speeds, links: Links):
        self.job, self.device, self.prompt, self.lengths, self.speed = job, device, prompt, lengths, speed
        self.links, self.length = links, mean(lengths)
        self._rollouts: dict[int, list[float]] = {}

    def rollouts(self, sequences: int) -> list[float]:
        """Of ``ENGINES`` engines, each with so many sequences."""
        if sequences not in self._rollouts:
            random_ = random.Random(sequences)
            drawn = (random_.choices(self.lengths, k=sequences) for _ in range(ENGINES))
            tokens = [0.0] + [self._token(active) for active in range(1, min(RUNNING, sequences) + 1)]
            start = self._reading(sequences)
            self._rollouts[sequences] = [start + _decoding(lengths, tokens) for lengths in drawn]
        return self._rollouts[sequences]

    def without_end(self, sequences: float) -> float:
        """Of as many sequences on an engine that always has the next prompt at hand."""
        active = max(1, min(RUNNING, round(sequences)))
        return self._reading(sequences) + sequences * self.length / active * self._token(active)

    def training(self, sequences: float, gpus: int) -> float:
        """Of so many sequences on each of the GPUs, and of adding up their gradients."""
        computing = ideal_training(self.job, self.prompt + self.length, sequences, self.device) * self.speed.training
        gradients = self.job.trainable * self.job.trained_bytes
        return computing + 2 * gradients * (gpus - 1) / gpus / (self._link(gpus) * 1e9)

    def loading(self, gpus: int) -> float:
        """Of putting the weights into the engine on the same GPU; where they lie in parts, of collecting them."""
        whole = gpus == 1 or not self.job.sharding.splits_weights
        return self._weights / ((self.device.bandwidth if whole else self._link(gpus)) * 1e9)

    def sending(self, gpus: int) -> float:
        """Of sending the weights from one GPU to all that generate, each passing them on while they come."""
        slowest = min(self._link(gpus), self.links.sites or self._link(gpus))
        return self._weights / (slowest * 1e9)

    @property
    def _weights(self) -> float:
        return self.job.shape.parameters * self.job.precision.computed_bytes

    def _link(self, gpus: int) -> float:
        return self.links.inside if gpus <= PER_MACHINE else self.links.between

    def _token(self, active: int) -> float:
        context = self.prompt + self.length / 2
        return ideal_token(self.job, context, active, self.device) * self.speed.rollout

    def _reading(self, sequences: float) -> float:
        return ideal_prefill(self.job, self.prompt, sequences, self.device) * self.speed.training


def _decoding(lengths: list[int], tokens: Sequence[float]) -> float:
    """Seconds of an engine in which a sequence that ends makes room for the next.

    Args:
        tokens: seconds of one more token for each of so many sequences.
    """
    ends, waiting = lengths[:RUNNING], lengths[RUNNING:]
    heapq.heapify(ends)
    seconds, at = 0.0, 0
    while ends:
        seconds += tokens[len(ends)] * (ends[0] - at)
        at = heapq.heappop(ends)
        if waiting:
            heapq.heappush(ends, at + waiting.pop())
    return seconds
