"""TRL's sampler of prompts, made to begin in any epoch: TRL's own replays the order of the first one after a
resume."""

from collections.abc import Iterator

import torch
from trl.trainer.utils import RepeatSampler


class EpochSampler(RepeatSampler):
    """Draws what TRL's sampler draws, and after a resume the epoch that was interrupted."""

    _passed = 0

    def resume(self, epochs: int, inside: bool) -> None:
        """Begin after so many whole epochs; ``inside`` says whether the next one was begun (its batches are skipped by
        the Trainer)."""
        self._passed = epochs

    def __iter__(self) -> Iterator[int]:
        for _ in range(self._passed if self.shuffle else 0):
            torch.randperm(self.num_samples, generator=self.generator)
        self._passed = 0
        yield from super().__iter__()


def epoch_sampler(plain: RepeatSampler) -> EpochSampler:
    """An ``EpochSampler`` instead of TRL's."""
    return EpochSampler(
        plain.data_source, plain.mini_repeat_count, plain.batch_size, plain.repeat_count, plain.shuffle, plain.seed
    )
