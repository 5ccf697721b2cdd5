"""TRL's trainers with Ratchet's evaluation in the place of theirs."""

from collections.abc import Callable
from typing import Any

from trl import GRPOTrainer, SFTTrainer
from trl.models.utils import unwrap_model_for_generation

from ratchet.evaluation.evaluate import Result
from ratchet.training.curriculum import Stages, staged_sampler


class Evaluating:
    """Mixin: ``evaluate`` generates on held-out rows and grades them, and adds ``eval_accuracy`` and its interval.

    Attributes:
        measure: called with the unwrapped model; returns the evaluation's ``Result``.
        results: every evaluation so far, with the step it was made at.
    """

    measure: Callable[[Any], Result] | None = None
    results: list[tuple[int, Result]]
    trl_evaluates = False

    def evaluate(self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval") -> dict[str, float]:
        """Through this, TRL's ``eval_strategy``, ``eval_steps``, ``eval_on_start`` and ``metric_for_best_model`` work."""
        metrics: dict[str, float] = {}
        if self.trl_evaluates and self.eval_dataset is not None:
            metrics = super().evaluate(eval_dataset, ignore_keys, metric_key_prefix)
        if self.measure is None:
            return metrics
        with unwrap_model_for_generation(self.model_wrapped, self.accelerator) as model:
            result = self.measure(model)
        self.results.append((self.state.global_step, result))
        found = result.as_dict()
        own = {
            f"{metric_key_prefix}_accuracy": found["accuracy"],
            f"{metric_key_prefix}_accuracy_low": found["low"],
            f"{metric_key_prefix}_accuracy_high": found["high"],
            f"{metric_key_prefix}_majority": found["majority"],
            f"{metric_key_prefix}_truncated": found["truncated"],
            f"{metric_key_prefix}_mean_tokens": found["mean_tokens"],
        }
        for k, value in found.get("pass_at_k", {}).items():
            own[f"{metric_key_prefix}_pass@{k}"] = value["accuracy"]
        self.log(own)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, {**metrics, **own})
        return {**metrics, **own}


class RecipeSFTTrainer(Evaluating, SFTTrainer):
    """Reports the loss on held-out targets and the accuracy of generated answers."""

    trl_evaluates = True


class RecipeGRPOTrainer(Evaluating, GRPOTrainer):
    """TRL would evaluate GRPO with sampled completions; a greedy evaluation with an interval replaces it.

    Attributes:
        stages: the recipe's curriculum, None without one.
    """

    stages: Stages | None = None

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        plain = super()._get_train_sampler(dataset)
        if self.stages is None:
            return plain
        settings = self.stages.settings
        self.stages.sampler = staged_sampler(plain, settings, plain.data_source[settings.column])
        return self.stages.sampler

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Add where the curriculum stands."""
        if self.stages is not None and self.stages.sampler is not None and "loss" in logs:
            logs = {**logs, "curriculum/stage": float(self.stages.sampler.stage), "curriculum/accuracy": self.stages.accuracy}
        super().log(logs, *args, **kwargs)
