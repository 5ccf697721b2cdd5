"""A run's curriculum: hears what groups of completions earned, and decides which prompts are sampled next, and how."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import torch
from transformers import TrainerCallback

from ratchet.recipe.groups import Curriculum
from ratchet.rewards import Sample
from ratchet.training.curriculum.sampler import Outcome, PromptSampler
from ratchet.training.curriculum.temperature import temperature_at


class CurriculumCallback(TrainerCallback):
    """Measures the accuracy of sampled answers over all processes and opens the next stage when it is high enough;
    tells the sampler which prompts had nothing to teach; knows the temperature."""

    def __init__(self, settings: Curriculum, accelerator: Any):
        self.settings, self.accelerator = settings, accelerator
        self.sampler: PromptSampler | None = None
        self.temperature: float | None = None
        """Of the completions that are trained on; None where it is always the recipe's."""
        self.newest: Sequence[Outcome | None] = ()
        """What was heard last."""
        self.since = 0
        self._batch = [0.0, 0.0]
        self._measured: deque[tuple[float, float]] = deque()
        self._groups = [0, 0, 0]
        """Since the last log: trained on, of these without spread, and sampled again."""

    def state_dict(self) -> dict[str, Any]:
        """What was measured, and where the sampler stands."""
        measured = {
            "since": self.since,
            "batch": list(self._batch),
            "measured": [list(part) for part in self._measured],
            "groups": list(self._groups),
            "temperature": self.temperature,
        }
        return {**measured, "sampler": self.sampler.state_dict()}

    def load_state_dict(self, found: dict[str, Any]) -> None:
        """Go on from there."""
        self.since, self._batch = found["since"], list(found["batch"])
        self._measured = deque(tuple(part) for part in found["measured"])
        self._groups = list(found.get("groups", self._groups))  # a checkpoint of before these were counted
        self.temperature = found.get("temperature")
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
        settings, found = self.settings, {}
        if settings.stages:
            found |= {"curriculum/stage": float(self.sampler.stage), "curriculum/accuracy": self.accuracy}
        if settings.rest_solved or settings.rest_hopeless:
            found["curriculum/resting"] = self.sampler.resting
        trained, flat, again = self._groups
        if settings.resample and trained:
            found |= {"curriculum/sampled_again": again / trained, "curriculum/no_spread": flat / trained}
        if self.temperature is not None:
            found["curriculum/temperature"] = self.temperature
        self._groups = [0, 0, 0]
        return found

    def saw(self, samples: Sequence[Sample]) -> None:
        """Take a graded batch of this process."""
        self._batch[0] += sum(s.grade.correct for s in samples)
        self._batch[1] += len(samples)

    def heard(self, outcomes: Sequence[Outcome | None]) -> None:
        """Take what the groups of all processes earned; None where nothing was scored."""
        self.newest = outcomes
        for outcome in outcomes:
            if outcome is not None:
                self.sampler.heard(outcome)

    def trained_on(self, groups: int, flat: int, again: int) -> None:
        """Count the groups of a generation, over all processes: those without spread at last, and those sampled
        again."""
        self._groups = [a + b for a, b in zip(self._groups, (groups, flat, again), strict=True)]

    def warm(self, begin: float, step: int, steps: int) -> None:
        """Decide the temperature of the completions that are sampled next.

        Args:
            begin: the recipe's ``temperature``.
            step: the optimiser step that begins, from 0, of ``steps``.
        """
        if self.settings.temperature_to is not None:
            self.temperature = temperature_at(self.settings, begin, step, steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Add up over processes, which all decide alike, and open the next stage where it is time."""
        if not self.settings.stages:
            return
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
