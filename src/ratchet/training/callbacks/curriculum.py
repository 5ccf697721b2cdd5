"""A curriculum: the sampler draws from the rows of the stages reached so far, and measured accuracy opens the next
one."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import TrainerCallback
from trl.trainer.utils import RepeatSampler

from ratchet.errors import UserError
from ratchet.recipe.groups import Curriculum
from ratchet.rewards import Sample

STAGE = "stage"
"""The column of the training data that holds each row's stage."""


class StagedSampler(RepeatSampler):
    """TRL's sampler, drawing each chunk of prompts only when it is needed, from the rows of the stages reached.

    Rows are drawn without replacement until the pool is empty, then again. A stage that begins counts from the next
    chunk that is drawn (the data loader is one batch ahead).
    """

    def __init__(self, names: Sequence[str], pools: Sequence[Sequence[int]], keep: bool, **settings: Any):
        super().__init__(**settings)
        self.names = names
        self.pools, self.keep, self.stage = pools, keep, 0
        self._left: list[int] = []
        self._drawn: list[list[int]] = []
        self._again: list[list[int]] = []
        self._inside = False

    def resume(self, epochs: int, inside: bool) -> None:
        """Begin after so many whole epochs; ``inside`` says whether the next one was begun."""
        self._inside = inside

    def state_dict(self) -> dict[str, Any]:
        """Where it stands, with every chunk drawn in this epoch: which stage each came from, accuracy had decided."""
        return {
            "stage": self.stage,
            "left": list(self._left),
            "drawn": list(self._drawn),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, found: dict[str, Any]) -> None:
        """Go on from there; the chunks of an epoch that was begun come again first."""
        self.stage, self._left = found["stage"], list(found["left"])
        self._again = list(found["drawn"]) if self._inside else []
        self.generator.set_state(found["generator"])

    def advance(self) -> None:
        """Begin the next stage."""
        self.stage += 1
        self._left = []

    def _draw(self) -> int:
        if not self._left:
            pool = [i for part in self.pools[0 if self.keep else self.stage : self.stage + 1] for i in part]
            self._left = [pool[i] for i in torch.randperm(len(pool), generator=self.generator).tolist()]
        return self._left.pop()

    def __iter__(self) -> Iterator[int]:
        again, self._again, self._drawn = self._again, [], []
        for i in range(self.num_samples // self.batch_size):
            chunk = again[i] if i < len(again) else [self._draw() for _ in range(self.batch_size)]
            self._drawn.append(chunk)
            for _ in range(self.repeat_count):
                for index in chunk:
                    yield from [index] * self.mini_repeat_count


def stage_pools(settings: Curriculum, column: Sequence[str], prompts: int) -> dict[str, list[int]]:
    """Stage -> its rows; stages without any are left out.

    Args:
        column: each row's stage.
        prompts: that a generation takes.

    Raises:
        UserError: for a stage with fewer rows than a generation takes, or rows that belong to no stage.
    """
    pools = {stage: [i for i, value in enumerate(column) if value == stage] for stage in settings.stages}
    unstaged = sorted(set(column) - set(settings.stages))
    if unstaged:
        raise UserError(
            f"curriculum.stages has no stage for the rows whose {settings.column} is {', '.join(unstaged)}; add it, "
            "or leave the rows out"
        )
    for stage, pool in pools.items():
        if pool and len(pool) < prompts:
            raise UserError(
                f"curriculum: stage {stage} has {len(pool)} rows, and a generation takes {prompts} prompts; merge it "
                "with another"
            )
    return {stage: pool for stage, pool in pools.items() if pool}


def staged_sampler(plain: RepeatSampler, settings: Curriculum, column: Sequence[str]) -> StagedSampler:
    """The sampler of a curriculum instead of TRL's."""
    pools = stage_pools(settings, column, plain.batch_size)
    given = {
        "mini_repeat_count": plain.mini_repeat_count,
        "batch_size": plain.batch_size,
        "repeat_count": plain.repeat_count,
    }
    return StagedSampler(
        [*pools],
        [*pools.values()],
        settings.keep,
        data_source=plain.data_source,
        shuffle=True,
        seed=plain.seed,
        **given,
    )


class Stages(TrainerCallback):
    """Measures the accuracy of sampled answers over all processes, and opens the next stage when it is high enough."""

    def __init__(self, settings: Curriculum, accelerator: Any):
        self.settings, self.accelerator = settings, accelerator
        self.sampler: StagedSampler | None = None
        self.since = 0
        self._batch = [0.0, 0.0]
        self._measured: deque[tuple[float, float]] = deque()

    def state_dict(self) -> dict[str, Any]:
        """What was measured, and where the sampler stands."""
        measured = {
            "since": self.since,
            "batch": list(self._batch),
            "measured": [list(part) for part in self._measured],
        }
        return {**measured, "sampler": self.sampler.state_dict()}

    def load_state_dict(self, found: dict[str, Any]) -> None:
        """Go on from there."""
        self.since, self._batch = found["since"], list(found["batch"])
        self._measured = deque(tuple(part) for part in found["measured"])
        self.sampler.load_state_dict(found["sampler"])

    @property
    def accuracy(self) -> float:
        """Share of right answers in the window; 0 before there are any."""
        right, seen = (sum(part) for part in zip(*self._measured, strict=True)) if self._measured else (0.0, 0.0)
        return right / seen if seen else 0.0

    def figures(self) -> dict[str, float]:
        """For the log: where the curriculum stands."""
        if self.sampler is None:
            return {}
        return {"curriculum/stage": float(self.sampler.stage), "curriculum/accuracy": self.accuracy}

    def saw(self, samples: Sequence[Sample]) -> None:
        """Take a graded batch of this process."""
        self._batch[0] += sum(s.grade.correct for s in samples)
        self._batch[1] += len(samples)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Add up over processes, which all decide alike, and open the next stage where it is time."""
        total = self.accelerator.reduce(torch.tensor(self._batch, dtype=torch.float32, device=self.accelerator.device))
        self._batch = [0.0, 0.0]
        right, seen = total.tolist()
        if seen:
            self._measured.append((right, seen))
        while (
            len(self._measured) > 1
            and sum(n for _, n in self._measured) - self._measured[0][1] >= self.settings.window
        ):
            self._measured.popleft()
        names = self.sampler.names if self.sampler else ()
        if self.sampler is None or self.sampler.stage + 1 >= len(names):
            return
        enough = sum(n for _, n in self._measured) >= self.settings.window
        reached = enough and self.accuracy >= self.settings.stages[names[self.sampler.stage]]
        overdue = self.settings.max_steps is not None and state.global_step - self.since >= self.settings.max_steps
        if reached or overdue:
            why = f"accuracy {self.accuracy:.3f}" if reached else f"{self.settings.max_steps} steps"
            self.sampler.advance()
            self.since = state.global_step
            self._measured.clear()
            if state.is_world_process_zero:
                print(
                    f"step {state.global_step:>5}  curriculum: {why}, so {names[self.sampler.stage]} rows begin",
                    flush=True,
                )
