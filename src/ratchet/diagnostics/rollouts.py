"""What GRPO adds: rewards and advantages of sampled completions, choices, and the distance from the initial model."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from ratchet.diagnostics.accumulator import Gathered
from ratchet.diagnostics.choice_logprobs import ChoiceTokens, margins
from ratchet.diagnostics.choice_probe import ChoiceProbe
from ratchet.diagnostics.initial_model import InitialModel, Unavailable, is_split
from ratchet.diagnostics.kl import choice_kl, sequence_kl
from ratchet.diagnostics.observed_trainer import ObservedRolloutTrainer
from ratchet.diagnostics.observer import Observer
from ratchet.recipe.groups import Diagnostics
from ratchet.rewards import Sample
from ratchet.tasks.base import Task

NO_ANSWER = "none"
# Figures of which the whole distribution is kept.
HISTOGRAMS = (
    "rl/letter_margin",
    "rl/kl_letter",
    "rl/kl_sequence",
    "rollout/reward",
    "rollout/length",
    "advantages/value",
)


class RolloutObserver(Observer):
    """What is watched in a run that samples completions.

    Args:
        task: whose possible answers are single letters, or not.

    Attributes:
        choices: reads the logits of the task's choices; None where these are not watched.
        initial: the model before training; None where the distance from it is not watched.
    """

    trainer: ObservedRolloutTrainer

    def __init__(
        self, trainer: ObservedRolloutTrainer, settings: Diagnostics, rows: Sequence[Sequence[int]], task: Task
    ):
        super().__init__(trainer, settings, rows)
        self.task = task
        self._graded: list[Sample] = []
        self._scored: tuple[torch.Tensor, torch.Tensor | None] | None = None
        self._counts: dict[str, dict[str, int]] = {}
        self._kept: list[dict[str, Any]] = []
        self.choices = self._find_choices()
        self.initial = self._set_initial_model_aside()

    def _find_choices(self) -> ChoiceProbe | None:
        answers = self.task.answers
        if not self.settings.letters or not answers or any(len(answer) != 1 for answer in answers):
            return None
        tokens = ChoiceTokens(self.trainer.processing_class, answers)
        why = self._why_no_choices(tokens)
        if why is not None:
            self.leave_out(f"rl/letter_* and rl/kl_letter_*: {why}")
            return None
        return ChoiceProbe(tokens, self.model)

    def _why_no_choices(self, tokens: ChoiceTokens) -> str | None:
        if is_split(self.accelerator):
            return "the output head is split over processes"
        if self.model.base_model is self.model:
            return "this model does not show its last hidden state"
        if not tokens.families:
            return "the tokenizer has no token for each of the letters"
        return None

    def _set_initial_model_aside(self) -> InitialModel | None:
        if not self.settings.kl:
            return None
        try:
            initial = InitialModel(self.trainer)
        except Unavailable as why:
            self.leave_out(f"rl/kl_*: {why}")
            return None
        # With an adapter it is the same module as the policy, and hooked already.
        if self.choices and not initial.adapter:
            self.choices.hook(initial.plain)
        return initial

    # Rollouts.

    def graded(self, samples: Sequence[Sample]) -> None:
        """Take a graded batch of this process."""
        self._graded = list(samples)

    def rolled_out(self, output: dict[str, Any]) -> None:
        """Take what was generated and scored; adds where the choices stand to the batch (``ChoiceProbe.place``)."""
        samples, logs, names = self._graded, self.trainer._logs, self.trainer.reward_func_names
        new = len(samples) * self.accelerator.num_processes  # the lists may hold older ones too
        advantages = [*logs["advantages"]][-new:]
        columns = zip(*([*logs["rewards"][name]][-new:] for name in names), strict=True)
        parts = [dict(zip(names, values, strict=True)) for values in columns]
        weights = dict(zip(names, self.trainer.reward_weights.tolist(), strict=True))
        rewards = [_weighted(part, weights) for part in parts]
        if self.accelerator.is_main_process:  # these two are known of all processes
            self.metrics.add("rollout/reward", torch.tensor(rewards))
            self.metrics.add("advantages/value", torch.tensor(advantages))
        groups = torch.tensor(rewards).view(-1, self.trainer.num_generations)
        flat = (groups.max(1).values == groups.min(1).values).sum()
        self.metrics.add_sum("advantages/frac_zero_spread", float(flat), len(groups))
        self.metrics.add_sum("rl/acc", float(sum(s.grade.correct for s in samples)), len(samples))
        # The grader's count, not the mask's: the mask may hide truncated completions.
        self.metrics.add("rollout/length", torch.tensor([sample.tokens for sample in samples]))
        self._count_parts(samples, rewards)
        self._count_answers(samples)
        self._keep_samples(samples, rewards, parts, advantages)
        if self.choices:
            self.metrics.add_sum("rl/letter_found_frac", float(self.choices.place(samples, output)), len(samples))

    def _count_parts(self, samples: Sequence[Sample], rewards: Sequence[float]) -> None:
        """Figures of each task of a mixture.

        Args:
            rewards: of all processes, in their order.
        """
        first = self.accelerator.process_index * len(samples)
        parts = [self.task.part(sample.row) for sample in samples]
        for sample, part, reward in zip(samples, parts, rewards[first:], strict=False):
            if part is not None:
                self.metrics.add_sum(f"rl/acc/{part}", float(sample.grade.correct), 1)
                self.metrics.add_sum(f"rl/mean_reward/{part}", reward, 1)
                self.metrics.add_sum(f"rl/avg_completion_len/{part}", float(sample.tokens), 1)
        for part in getattr(self.task, "parts", ()):
            self.metrics.add_sum(f"rl/share/{part}", float(parts.count(part)), len(samples))

    def _count_answers(self, samples: Sequence[Sample]) -> None:
        if not self.task.answers:
            return
        for sample in samples:
            row = self._counts.setdefault(self.task.gold(sample.row) or "", {})
            answer = sample.grade.answer or NO_ANSWER
            row[answer] = row.get(answer, 0) + 1

    def _keep_samples(
        self,
        samples: Sequence[Sample],
        rewards: Sequence[float],
        parts: Sequence[dict[str, float]],
        advantages: Sequence[float],
    ) -> None:
        if not self.accelerator.is_main_process:
            return
        # Rewards and advantages are those of all processes, this one's first: the shortest list ends it.
        shown = zip(samples[: self.settings.samples], rewards, parts, advantages, strict=False)
        self._kept = [
            {**self._described(sample), "reward": reward, "rewards": part, "advantage": advantage}
            for sample, reward, part, advantage in shown
        ]

    def _described(self, sample: Sample) -> dict[str, Any]:
        grade = sample.grade
        return {
            "id": sample.row.get("id"),
            "prompt": self.task.messages(sample.row)[-1]["content"],
            "completion": sample.completion,
            "gold": self.task.gold(sample.row) or "",
            "answer": grade.answer,
            "span": grade.span,
            "correct": grade.correct,
            "components": {name: float(value) for name, value in grade.components.items()},
        }

    # Micro-batches.

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While a loss is computed: keep what the choices are read from."""
        self._scored = None
        with self._keeping():
            yield

    def _keeping(self) -> AbstractContextManager[None]:
        return self.choices.keeping() if self.choices else nullcontext()

    def scored(self, logps: torch.Tensor, entropies: torch.Tensor | None) -> None:
        """Take the policy's log-probabilities and entropies (B, T), as training computes them."""
        self._scored = (logps.detach(), None if entropies is None else entropies.detach())

    def micro_batch(self, inputs: dict[str, Any], fresh: bool, on_policy: bool) -> None:
        """Read one micro-batch after its loss; where a probe is pending, also ask the initial model.

        Args:
            fresh: whether these completions are seen for the first time, so that ``num_iterations`` counts none twice.
            on_policy: whether the policy that wrote them is still the one that is trained: the distance needs its
                samples.
        """
        if self._scored is None:
            return
        logps, entropies = self._scored
        mask = inputs["completion_mask"]
        if "tool_mask" in inputs:
            mask = mask * inputs["tool_mask"]
        self.metrics.add_sum("tokens/mean_logprob", (logps * mask).sum(), mask.sum())
        if entropies is not None:
            self.metrics.add_sum("tokens/mean_entropy", (entropies * mask).sum(), mask.sum())
        logits = self._watch_choices(inputs, fresh) if self.choices else None
        if self.initial is not None and on_policy:
            self._watch_distance(inputs, logps, mask, logits)

    def _watch_choices(self, inputs: dict[str, Any], fresh: bool) -> torch.Tensor | None:
        """Logits of the choices (B, choices) in this micro-batch; None where they cannot be read."""
        readable = self.choices.can_read(inputs)
        logits = self.choices.logits(self.model, inputs, self.trainer.starts) if readable else None
        self.choices.forget()
        if logits is None:
            return None
        counted = (inputs["choice_at"] >= 0) & fresh
        self.metrics.add("rl/letter_margin", margins(logits), counted)
        self.metrics.add("rl/letter_pred", logits.argmax(-1), counted)
        return logits

    def _watch_distance(
        self, inputs: dict[str, Any], logps: torch.Tensor, mask: torch.Tensor, logits: torch.Tensor | None
    ) -> None:
        if self.pending:
            self.pending = False
            with self.clock.phase("diagnostics"):
                self._compare(inputs, logps, mask, logits)
        elif self.initial.reference is not None and "ref_per_token_logps" in inputs:
            # Training computes a reference model's log-probabilities anyway: a distance between probes for free.
            self.metrics.add("rl/kl_sequence", *sequence_kl(logps, inputs["ref_per_token_logps"], mask))

    def _compare(
        self, inputs: dict[str, Any], logps: torch.Tensor, mask: torch.Tensor, logits: torch.Tensor | None
    ) -> None:
        """Run the first rows of the micro-batch through the initial model."""
        rows = self.settings.rows
        part = {key: value[:rows] for key, value in inputs.items() if isinstance(value, torch.Tensor) and value.ndim}
        ids = torch.cat([part["prompt_ids"], part["completion_ids"]], dim=1)
        attended = torch.cat([part["prompt_mask"], part["completion_mask"]], dim=1)
        keeping = self._keeping() if logits is not None else nullcontext()
        with self.initial.model() as model, keeping:
            initial, _, _ = self.trainer._get_per_token_logps_and_entropies(
                model, ids, attended, part["completion_ids"].shape[1]
            )
            self.metrics.add("rl/kl_sequence", *sequence_kl(logps[:rows], initial, mask[:rows]))
            if logits is None:
                return
            # With an adapter its head is the policy's: it is the initial one only in here.
            before = self.choices.logits(self.initial.plain, part, self.trainer.starts)
        distance = choice_kl(logits[:rows], before)
        self.metrics.add("rl/kl_letter", distance, part["choice_at"] >= 0)
        self.choices.forget()

    # Checkpoints.

    def state_dict(self) -> dict[str, Any]:
        """Also the counts, and the completions kept."""
        return {**super().state_dict(), "counts": copy.deepcopy(self._counts), "kept": list(self._kept)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume with what ``state_dict`` copied."""
        super().load_state_dict(state)
        self._counts, self._kept = copy.deepcopy(dict(state["counts"])), list(state["kept"])

    # The next log.

    def extra(self) -> dict[str, dict[str, int]]:
        """This process's counts of committed against gold answers."""
        counts, self._counts = self._counts, {}
        return counts

    def summarise(self, gathered: Gathered, figures: dict[str, float]) -> None:
        """Means, spreads and counts over all processes."""
        values = gathered.values
        for name in ("rl/letter_margin", "rl/kl_letter", "rl/kl_sequence"):
            figures |= _mean_and_std(f"{name}_", values.get(name, []))
        predicted = values.get("rl/letter_pred", [])
        if predicted or "rl/letter_found_frac" in figures:
            for i, choice in enumerate(self.choices.tokens.choices):
                figures[f"rl/letter_pred_counts/{choice}"] = float(predicted.count(i))
        figures |= _rewards(values.get("rollout/reward", []))
        figures |= _lengths(values.get("rollout/length", []))
        figures |= _mean_and_std("advantages/", values.get("advantages/value", []))
        figures["rl/group_size"] = float(self.trainer.num_generations)
        if "tokens/mean_entropy" in figures:
            figures["policy/entropy"] = figures["tokens/mean_entropy"]
        self.artifacts.histograms |= {name: values[name] for name in HISTOGRAMS if values.get(name)}
        self.artifacts.samples, self._kept = self._kept, []
        for counts in gathered.objects:
            _add_counts(self.artifacts.confusion, counts)


def _weighted(part: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """A completion's reward; a reward function that gave NaN does not count, as in TRL."""
    return sum(weights[name] * value for name, value in part.items() if value == value)


def _mean_and_std(key: str, values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    mean = sum(values) / len(values)
    variance = sum((v - mean) ** 2 for v in values) / len(values)
    return {f"{key}mean": mean, f"{key}std": variance**0.5}


def _rewards(rewards: Sequence[float]) -> dict[str, float]:
    if not rewards:
        return {}
    mean = sum(rewards) / len(rewards)
    return {
        "rl/mean_reward": mean,
        "rollout/mean_reward": mean,
        "rollout/max_reward": max(rewards),
        "rollout/min_reward": min(rewards),
    }


def _lengths(lengths: Sequence[float]) -> dict[str, float]:
    if not lengths:
        return {}
    mean = sum(lengths) / len(lengths)
    return {"rl/avg_completion_len": mean, "rollout/mean_length": mean}


def _add_counts(confusion: dict[str, dict[str, int]], counts: Mapping[str, Mapping[str, int]]) -> None:
    for gold, row in counts.items():
        known = confusion.setdefault(gold, {})
        for answer, count in row.items():
            known[answer] = known.get(answer, 0) + count
