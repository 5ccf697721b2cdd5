"""The sampler of prompts: from the rows of the stages reached so far, without those that rest."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from trl.trainer.utils import RepeatSampler

from ratchet.errors import UserError
from ratchet.recipe.groups import Curriculum

STAGE = "stage"
"""The column of the training data that holds each row's stage."""
PLACE = "place"
"""The column that holds each row's number in it."""


class Outcome(NamedTuple):
    """What a group of completions of one prompt earned."""

    place: int
    """Of the prompt in the training data."""
    spread: bool
    """Whether their rewards differ, so that there is something to learn from."""
    share_right: float
    """Of the completions."""


class PromptSampler(RepeatSampler):
    """TRL's sampler, drawing each chunk of prompts only when it is needed, from the rows of the stages reached.

    Rows are drawn without replacement until the pool is empty, then again. What is decided meanwhile counts from the
    next chunk that is drawn (the data loader is one batch ahead). A prompt whose completions all earned the same sits
    out its next turn, and twice as many when that happens again, at most as many as the settings say.

    Args:
        pools: rows of each stage; without stages one of all rows.
    """

    def __init__(self, pools: dict[str, Sequence[int]], settings: Curriculum, **given: Any):
        super().__init__(**given)
        self.names, self.pools = [*pools], [*pools.values()]
        self.keep, self.stage = settings.keep, 0
        self._most = {True: settings.rest_solved, False: settings.rest_hopeless}
        self._times: dict[int, int] = {}
        """Place of a prompt -> how often in a row its completions all earned the same."""
        self._out: dict[int, int] = {}
        """Place of a prompt -> turns that it still sits out."""
        self._left: list[int] = []
        self._drawn: list[list[int]] = []
        self._again: list[list[int]] = []
        self._inside = False

    def resume(self, epochs: int, inside: bool) -> None:
        """Begin after so many whole epochs; ``inside`` says whether the next one was begun."""
        self._inside = inside

    def state_dict(self) -> dict[str, Any]:
        """Where it stands, with every chunk drawn in this epoch: what each was drawn from, outcomes had decided."""
        return {
            "stage": self.stage,
            "left": list(self._left),
            "drawn": list(self._drawn),
            "resting": [[place, times, self._out.get(place, 0)] for place, times in self._times.items()],
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, found: dict[str, Any]) -> None:
        """Go on from there; the chunks of an epoch that was begun come again first."""
        self.stage, self._left = found["stage"], list(found["left"])
        self._again = list(found["drawn"]) if self._inside else []
        resting = found.get("resting", ())  # a checkpoint of before there was rest
        self._times = {place: times for place, times, _ in resting}
        self._out = {place: turns for place, _, turns in resting if turns}
        self.generator.set_state(found["generator"])

    def advance(self) -> None:
        """Begin the next stage."""
        self.stage += 1
        self._left = []

    def heard(self, outcome: Outcome) -> None:
        """Let a prompt rest, or wake it."""
        place, most = outcome.place, self._most[outcome.share_right >= 0.5]
        self._out.pop(place, None)
        if outcome.spread or not most:
            self._times.pop(place, None)
            return
        self._times[place] = self._times.get(place, 0) + 1
        self._out[place] = min(2 ** min(self._times[place] - 1, 30), most)

    @property
    def resting(self) -> float:
        """Share of the stages' rows that rest."""
        pool = self._pool()
        return sum(place in self._out for place in pool) / len(pool)

    def draw(self, count: int) -> list[int]:
        """The next prompts whose turn it is, each once while there are others.

        Where all others rest, turns pass until enough of them have rested.
        """
        drawn: list[int] = []
        twice: dict[int, None] = {}
        size = len(self._pool())
        while len(drawn) < count:
            place = self._turn()
            if self._out.get(place, 0):
                self._out[place] -= 1
                if not self._out[place]:
                    del self._out[place]
            elif place in drawn and len(drawn) < size:
                twice[place] = None
            else:
                drawn.append(place)
        self._left += reversed(twice)  # their turn is still to come
        return drawn

    def _pool(self) -> list[int]:
        return [place for part in self.pools[0 if self.keep else self.stage : self.stage + 1] for place in part]

    def _turn(self) -> int:
        if not self._left:
            pool = self._pool()
            self._left = [pool[i] for i in torch.randperm(len(pool), generator=self.generator).tolist()]
        return self._left.pop()

    def __iter__(self) -> Iterator[int]:
        again, self._again, self._drawn = self._again, [], []
        for i in range(self.num_samples // self.batch_size):
            chunk = again[i] if i < len(again) else self.draw(self.batch_size)
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


def prompt_sampler(plain: RepeatSampler, settings: Curriculum, column: Sequence[str] | None) -> PromptSampler:
    """The sampler of a curriculum instead of TRL's.

    Args:
        column: each row's stage; None without stages.
    """
    everything = {"all": range(len(plain.data_source))}
    return PromptSampler(
        everything if column is None else stage_pools(settings, column, plain.batch_size),
        settings,
        data_source=plain.data_source,
        mini_repeat_count=plain.mini_repeat_count,
        batch_size=plain.batch_size,
        repeat_count=plain.repeat_count,
        shuffle=True,
        seed=plain.seed,
    )
