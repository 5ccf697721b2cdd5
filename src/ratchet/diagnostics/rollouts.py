"""What GRPO adds: rewards and advantages of sampled completions, letters, and the distance from the initial model."""

import copy
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from ratchet.diagnostics import choice_logprobs as letters
from ratchet.diagnostics.accumulator import Gathered
from ratchet.diagnostics.initial_model import InitialModel, Unavailable, is_split
from ratchet.diagnostics.observer import Observer
from ratchet.recipe.groups import Diagnostics
from ratchet.rewards import Sample
from ratchet.tasks.base import Task

NO_ANSWER = "none"


class RolloutObserver(Observer):
    """Watches GRPO.

    Args:
        task: whose possible answers are single letters, or not.
    """

    def __init__(self, settings: Diagnostics, rows: Sequence[Sequence[int]], task: Task):
        super().__init__(settings, rows)
        self.task = task
        self.letters: letters.Letters | None = None
        self.initial: InitialModel | None = None
        self._graded: list[Sample] = []
        self._scored: tuple[torch.Tensor, torch.Tensor | None] | None = None
        self._hidden: torch.Tensor | None = None
        self._keep_hidden = False
        self._counts: dict[str, dict[str, int]] = {}
        self._kept: list[dict[str, Any]] = []

    def attach(self, trainer: Any) -> None:
        """Also find the letters' tokens, hook the hidden state, and set the initial model aside."""
        super().attach(trainer)
        split = is_split(self.accelerator)
        if self.settings.letters and self.task.answers and all(len(answer) == 1 for answer in self.task.answers):
            found = letters.Letters(trainer.processing_class, self.task.answers)
            if split:
                self.leave_out("rl/letter_* and rl/kl_letter_*: the output head is split over processes")
            elif self.model.base_model is self.model:
                self.leave_out("rl/letter_* and rl/kl_letter_*: this model does not show its last hidden state")
            elif not found.families:
                self.leave_out("rl/letter_* and rl/kl_letter_*: the tokenizer has no token for each of the letters")
            else:
                self.letters = found
                self._hook(self.model)
        if not self.settings.kl:
            return
        try:
            self.initial = InitialModel(trainer)
        except Unavailable as why:
            self.leave_out(f"rl/kl_*: {why}")
            return
        if self.letters and not self.initial.adapter:
            self._hook(self.initial.plain)

    def _hook(self, model: Any) -> None:
        def keep(module: Any, given: Any, output: Any) -> None:
            if self._keep_hidden:
                self._hidden = output.last_hidden_state.detach()

        model.base_model.register_forward_hook(keep)

    # Rollouts.

    def graded(self, samples: Sequence[Sample]) -> None:
        """Take a graded batch of this process."""
        self._graded = list(samples)

    def rolled_out(self, output: dict[str, Any]) -> None:
        """Take what was generated and scored; adds ``letter_at`` and ``letter_family`` (B,) to the batch."""
        samples = self._graded
        logs, names = self.trainer._logs, self.trainer.reward_func_names
        parts = [
            dict(zip(names, values, strict=True))
            for values in zip(*(logs["rewards"][name] for name in names), strict=True)
        ]
        weights = dict(zip(names, self.trainer.reward_weights.tolist(), strict=True))
        rewards = [sum(weights[name] * value for name, value in part.items() if value == value) for part in parts]
        if self.accelerator.is_main_process:  # these two are known of all processes
            self.window.add("rollout/reward", torch.tensor(rewards))
            self.window.add("advantages/value", torch.tensor([*logs["advantages"]]))
        groups = torch.tensor(rewards).view(-1, self.trainer.num_generations)
        self.window.add_sum(
            "advantages/frac_zero_spread", float((groups.max(1).values == groups.min(1).values).sum()), len(groups)
        )
        self.window.add_sum("rl/acc", float(sum(s.grade.correct for s in samples)), len(samples))
        self.window.add(
            "rollout/length", torch.tensor([sample.tokens for sample in samples])
        )  # the mask may hide truncated ones
        for sample in samples if self.task.answers else ():
            row = self._counts.setdefault(self.task.gold(sample.row), {})
            answer = sample.grade.answer or NO_ANSWER
            row[answer] = row.get(answer, 0) + 1
        self._keep_samples(samples, rewards, parts, [*logs["advantages"]])
        if self.letters:
            self._place_letters(samples, output)

    def _keep_samples(
        self,
        samples: Sequence[Sample],
        rewards: Sequence[float],
        parts: Sequence[dict[str, float]],
        advantages: Sequence[float],
    ) -> None:
        if not self.accelerator.is_main_process:
            return
        self._kept = [
            {
                "id": sample.row.get("id"),
                "prompt": self.task.messages(sample.row)[-1]["content"],
                "completion": sample.completion,
                "gold": self.task.gold(sample.row),
                "answer": sample.grade.answer,
                "span": sample.grade.span,
                "correct": sample.grade.correct,
                "components": {name: float(value) for name, value in sample.grade.components.items()},
                "reward": reward,
                "rewards": part,
                "advantage": advantage,
            }
            for sample, reward, part, advantage in zip(
                samples[: self.settings.samples], rewards, parts, advantages, strict=False
            )
        ]

    def _place_letters(self, samples: Sequence[Sample], output: dict[str, Any]) -> None:
        tokens = [row[: sample.tokens] for row, sample in zip(output["completion_ids"].tolist(), samples, strict=True)]
        spans = [self._letter_span(sample) for sample in samples]
        places = self.letters.places(tokens, spans)
        device = output["completion_ids"].device
        output["letter_at"] = torch.tensor([place for place, _ in places], device=device)
        output["letter_family"] = torch.tensor([family for _, family in places], device=device)
        self.window.add_sum("rl/letter_found_frac", float(sum(place >= 0 for place, _ in places)), len(places))

    def _letter_span(self, sample: Sample) -> tuple[str, int] | None:
        span = sample.grade.span
        return (sample.completion, span[0]) if span and span[1] - span[0] == 1 else None

    # Micro-batches.

    @contextmanager
    def watching(self):
        """While a loss is computed: keep the hidden states."""
        self._keep_hidden, self._hidden, self._scored = self.letters is not None, None, None
        try:
            yield
        finally:
            self._keep_hidden = False

    def scored(self, logps: torch.Tensor, entropies: torch.Tensor | None) -> None:
        """Take the policy's log-probabilities and entropies (B, T), as training computes them."""
        self._scored = (logps.detach(), None if entropies is None else entropies.detach())

    def micro_batch(self, inputs: dict[str, Any], fresh: bool, on_policy: bool) -> None:
        """Read one micro-batch after its loss; where a probe is pending, also ask the initial model.

        Args:
            fresh: whether these completions are seen for the first time, so that ``num_iterations`` counts none twice.
            on_policy: whether the policy that wrote them is still the one that is trained: the distance needs its samples.
        """
        if self._scored is None:
            return
        logps, entropies = self._scored
        mask = (
            inputs["completion_mask"] if "tool_mask" not in inputs else inputs["completion_mask"] * inputs["tool_mask"]
        )
        self.window.add_sum("tokens/mean_logprob", (logps * mask).sum(), mask.sum())
        if entropies is not None:
            self.window.add_sum("tokens/mean_entropy", (entropies * mask).sum(), mask.sum())
        logits = None
        if self.letters and self._hidden is not None and "letter_at" in inputs:
            logits = self._letter_logits(self.model, inputs)
            found = (inputs["letter_at"] >= 0) & fresh
            self.window.add("rl/letter_margin", letters.margins(logits), found)
            self.window.add("rl/letter_pred", logits.argmax(-1), found)
        self._hidden = None
        if self.initial is None or not on_policy:
            return
        if self.initial.reference is not None and "ref_per_token_logps" in inputs and not self.pending:
            self._sequence_kl(logps, inputs["ref_per_token_logps"], mask)
        elif self.pending:
            self.pending = False
            with self.clock.phase("diagnostics"):
                self._compare(inputs, logps, mask, logits)

    def _sequence_kl(self, logps: torch.Tensor, initial: torch.Tensor, mask: torch.Tensor) -> None:
        lengths = mask.sum(1)  # 0 where a truncated completion is masked
        self.window.add("rl/kl_sequence", ((logps - initial) * mask).sum(1) / lengths.clamp(min=1), lengths > 0)

    def _compare(
        self, inputs: dict[str, Any], logps: torch.Tensor, mask: torch.Tensor, logits: torch.Tensor | None
    ) -> None:
        """Run the first rows of the micro-batch through the initial model."""
        rows = self.settings.rows
        part = {key: value[:rows] for key, value in inputs.items() if isinstance(value, torch.Tensor) and value.ndim}
        ids = torch.cat([part["prompt_ids"], part["completion_ids"]], dim=1)
        attended = torch.cat([part["prompt_mask"], part["completion_mask"]], dim=1)
        self._hidden, self._keep_hidden = None, logits is not None
        with self.initial.model() as model:
            initial, _, _ = self.trainer._get_per_token_logps_and_entropies(
                model, ids, attended, part["completion_ids"].shape[1]
            )
            self._sequence_kl(logps[:rows], initial, mask[:rows])
            if logits is not None:
                before = self._letter_logits(self.initial.plain, part)
                self.window.add("rl/kl_letter", letters.kl(logits[:rows], before), part["letter_at"] >= 0)
        self._hidden, self._keep_hidden = None, False

    def _letter_logits(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        """Logits of the five letters at the position before the committed one: (B, letters); rows without one hold anything."""
        at = inputs["letter_at"].clamp(min=0) + inputs["prompt_ids"].shape[1] - 1
        hidden = self._hidden[torch.arange(len(at), device=at.device), at]
        families = torch.tensor(self.letters.families, device=at.device)
        with torch.no_grad():
            return letters.head_of(model).logits(hidden, families[inputs["letter_family"]])

    # Going on from a checkpoint.

    def state_dict(self) -> dict[str, Any]:
        """Also the counts, and the completions kept."""
        return {**super().state_dict(), "counts": copy.deepcopy(self._counts), "kept": list(self._kept)}

    def load_state_dict(self, found: Mapping[str, Any]) -> None:
        """Go on from there."""
        super().load_state_dict(found)
        self._counts, self._kept = copy.deepcopy(dict(found["counts"])), list(found["kept"])

    # The end of a window.

    def extra(self) -> Any:
        """This process's counts of committed against gold answers."""
        found, self._counts = self._counts, {}
        return found

    def summarise(self, gathered: Gathered, found: dict[str, float]) -> None:
        """Means, spreads and counts over all processes."""
        for name in ("rl/letter_margin", "rl/kl_letter", "rl/kl_sequence"):
            _mean_and_std(found, f"{name}_", gathered.values.get(name, []))
        predicted = gathered.values.get("rl/letter_pred", [])
        if predicted or "rl/letter_found_frac" in found:
            found |= {
                f"rl/letter_pred_counts/{letter}": float(predicted.count(i))
                for i, letter in enumerate(self.letters.letters)
            }
        rewards = gathered.values.get("rollout/reward", [])
        if rewards:
            mean = sum(rewards) / len(rewards)
            found |= {
                "rl/mean_reward": mean,
                "rollout/mean_reward": mean,
                "rollout/max_reward": max(rewards),
                "rollout/min_reward": min(rewards),
            }
        lengths = gathered.values.get("rollout/length", [])
        if lengths:
            found |= {name: sum(lengths) / len(lengths) for name in ("rl/avg_completion_len", "rollout/mean_length")}
        _mean_and_std(found, "advantages/", gathered.values.get("advantages/value", []))
        found["rl/group_size"] = float(self.trainer.num_generations)
        if "tokens/mean_entropy" in found:
            found["policy/entropy"] = found["tokens/mean_entropy"]
        for name in (
            "rl/letter_margin",
            "rl/kl_letter",
            "rl/kl_sequence",
            "rollout/reward",
            "rollout/length",
            "advantages/value",
        ):
            if gathered.values.get(name):
                self.rich.histograms[name] = gathered.values[name]
        self.rich.samples, self._kept = self._kept, []
        for counts in gathered.objects:
            for gold, row in counts.items():
                for answer, count in row.items():
                    known = self.rich.confusion.setdefault(gold, {})
                    known[answer] = known.get(answer, 0) + count


def _mean_and_std(found: dict[str, float], key: str, values: Sequence[float]) -> None:
    if values:
        mean = sum(values) / len(values)
        found |= {f"{key}mean": mean, f"{key}std": (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5}
