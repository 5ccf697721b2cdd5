"""TRL's trainers with Ratchet's evaluation in the place of theirs, and its diagnostics inside."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from trl import GRPOTrainer, SFTTrainer
from trl.models.utils import unwrap_model_for_generation

from ratchet.checkpoints.store import SAVING
from ratchet.diagnostics.observer import Observer
from ratchet.errors import UserError
from ratchet.evaluation.evaluate import Result
from ratchet.hub.uploads import Uploads
from ratchet.launch.checkpoint_evaluations import Evaluations
from ratchet.rewards.trl_adapter import Grader
from ratchet.training.callbacks.checkpointing import CheckpointManager, reading
from ratchet.training.callbacks.curriculum import Stages, staged_sampler
from ratchet.training.callbacks.stopping import Stopping
from ratchet.training.faults import Faults
from ratchet.training.reward_workers import RewardPool
from ratchet.training.samplers import epoch_sampler
from ratchet.training.watchdog import Watchdog


class Evaluating:
    """Mixin: ``evaluate`` generates on held-out rows and grades them; logs ``eval/accuracy`` and the others with their intervals.

    What it returns is named ``eval_accuracy`` and so on, for ``metric_for_best_model``.

    Attributes:
        measure: called with the unwrapped model; returns the evaluation's ``Result``.
        results: every evaluation so far, with the step it was made at.
    """

    measure: Callable[[Any], Result] | None = None
    results: list[tuple[int, Result]]
    trl_evaluates = False

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Through this, TRL's ``eval_strategy``, ``eval_steps``, ``eval_on_start`` and ``metric_for_best_model`` work."""
        metrics: dict[str, float] = {}
        if self.trl_evaluates and self.eval_dataset is not None:
            metrics = super().evaluate(eval_dataset, ignore_keys, metric_key_prefix)
        if self.measure is None:
            return metrics
        if self.is_in_train and getattr(self, "keeper", None) is not None:
            self.keeper.save_before_evaluation()
        with self.timed("evaluation"), unwrap_model_for_generation(self.model_wrapped, self.accelerator) as model:
            result = self.measure(model)
        self.results.append((self.state.global_step, result))
        if result.failures:
            self.accelerator.print(
                f"warning: the grader failed on {len(result.failures)} held-out answers, which count as wrong; "
                f"{result.failures[0]}"
            )
        figures = result.figures()
        self._log_evaluation({f"eval/{name}": value for name, value in figures.items()})
        own = {f"{metric_key_prefix}_{name}": value for name, value in figures.items()}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, {**metrics, **own})
        return {**metrics, **own}

    def _log_evaluation(self, figures: dict[str, float]) -> None:
        """Log without what training has gathered since its own last log, which TRL would add in training mode."""
        training = self.model.training
        self.model.eval()
        self.log(figures)
        self.model.train(training)


class Observed:
    """Mixin: shows the trainer's inside to an ``Observer``. Nothing that is computed changes.

    Attributes:
        observer: None where ``diagnostics: off``.
    """

    observer: Observer | None = None

    def timed(self, phase: str) -> Any:
        """Charge what happens inside to a phase of the step."""
        return nullcontext() if self.observer is None else self.observer.clock.phase(phase)

    def _clip_grad_norm(self, model: Any) -> Any:
        if self.observer is not None:
            with self.timed("diagnostics"):
                self.observer.gradients(model)
        return super()._clip_grad_norm(model)

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        if grad_norm is None and self.observer is not None:  # nothing is clipped (max_grad_norm: 0)
            with self.timed("diagnostics"):
                self.observer.gradients(model)
        return super()._get_grad_norm(model, grad_norm)

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Add what was observed since the last log."""
        with self.timed("logging"):
            if self.observer is not None and "loss" in logs and self.model.training:
                tokens = self._metrics["train"].get("num_tokens", [None])[-1]
                logs = {**logs, **self.observer.close(logs, tokens)}
            super().log(logs, *args, **kwargs)


class Kept:
    """Mixin: checkpoints are whole or not there, and hold what an exact continuation needs.

    Attributes:
        keeper: None outside a run; then checkpoints are TRL's.
        stopping: listens for signals.
        uploads: pushes to the Hub (main process).
        evaluations: has checkpoints evaluated elsewhere (main process).
        heartbeat: notices when nothing happens any more.
    """

    keeper: CheckpointManager | None = None
    stopping: Stopping | None = None
    uploads: Uploads | None = None
    evaluations: Evaluations | None = None
    heartbeat: Watchdog | None = None
    sampler: Any = None

    def init_hf_repo(self, token: str | None = None, private: bool | None = None) -> None:
        """Ask nothing of the Hub before training: ``uploads`` makes the repository when it uploads the first time."""
        self.hub_model_id = self.args.hub_model_id or Path(self.args.output_dir).absolute().name
        self.push_in_progress = None

    def push_to_hub(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: ``save_model`` would push in the foreground here, and end a run that is trained if the Hub fails."""

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        if self.uploads is not None:
            strategy = str(getattr(self.args.hub_strategy, "value", self.args.hub_strategy))
            self.uploads.checkpoint(Path(checkpoint_folder), self.state.global_step, strategy, self.results)

    def _get_output_dir(self, trial: Any) -> str:
        if self.keeper is not None and self.keeper.saving:
            return str(self.keeper.run / SAVING)
        return super()._get_output_dir(trial)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        if self.keeper is None:
            super()._save_checkpoint(model, trial)
            return
        push, self.args.push_to_hub = self.args.push_to_hub, False  # a checkpoint is pushed from its final place
        try:
            with (
                self.timed("checkpoint"),
                nullcontext() if self.heartbeat is None else self.heartbeat.resting(self.keeper.patience),
            ):
                self.keeper.save(lambda: super(Kept, self)._save_checkpoint(model, trial))
        finally:
            self.args.push_to_hub = push
        folder = self.keeper.run / f"checkpoint-{self.state.global_step}"
        if push:
            self._push_from_checkpoint(str(folder))
        if self.evaluations is not None:
            self.evaluations.checkpoint(folder, self.state.global_step)
        if self.stopping is not None:
            self.stopping.leave_if_agreed(self.state.global_step)

    def _init_training_state(self, *args: Any, **kwargs: Any) -> tuple[int, int]:
        epochs, steps = super()._init_training_state(*args, **kwargs)
        best = self.state.best_global_step
        if self.keeper is not None and best:  # where it is now, should the run's folder have been moved
            folder = self.keeper.run / f"checkpoint-{best}"
            if folder.is_dir():
                self.state.best_model_checkpoint = str(folder)
            elif self.state.best_model_checkpoint is None and self.args.load_best_model_at_end:
                self.accelerator.print(
                    f"the best checkpoint so far (step {best}) is gone: the last model is taken unless a better one comes",
                    flush=True,
                )
        if self.sampler is not None:
            self.sampler.go_on(epochs, steps > 0)
        return epochs, steps

    def _prepare_for_training(self, max_steps: int, train_dataloader: Any, resume_from_checkpoint: str | None) -> Any:
        with reading(resume_from_checkpoint):
            return super()._prepare_for_training(max_steps, train_dataloader, resume_from_checkpoint)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        with reading(resume_from_checkpoint):
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        with reading(checkpoint):
            super()._load_rng_state(checkpoint)

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        try:
            return super()._determine_best_metric(metrics, trial)
        except KeyError:
            names = ", ".join(name.removeprefix("eval_") for name in metrics if name.startswith("eval_"))
            raise UserError(
                f"metric_for_best_model: nothing measures {self.args.metric_for_best_model}; choose from {names}"
            ) from None

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        tied = getattr(self.accelerator.unwrap_model(self.model), "all_tied_weights_keys", None) or {}
        for name in tied:  # saved once, under the name they are tied to
            if name in load_result.missing_keys:
                load_result.missing_keys.remove(name)
        super()._issue_warnings_after_load(load_result)

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        if (
            self.state.global_step < self.state.max_steps
        ):  # a run that stopped after its last step has none left to train
            super()._run_epoch(*args, **kwargs)


class Guarded:
    """Mixin: a step whose loss or gradient is no finite number changes nothing, and a completion that no reward can judge neither.

    Attributes:
        faults: None outside a run; then everything is as in TRL.
        judges: worker processes for rewards, where there are any.
        server: stands before a vLLM server, where there is one.
    """

    faults: Faults | None = None
    judges: RewardPool | None = None
    server: Any = None

    @property
    def _watches_steps(self) -> bool:
        # fp16 scales gradients until they overflow, and has its own way to leave such a step out.
        return self.faults is not None and getattr(self.accelerator, "scaler", None) is None

    def training_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        loss = super().training_step(model, inputs, *args, **kwargs)
        return self.faults.micro_batch(loss, self._seen(inputs)) if self._watches_steps else loss

    def _seen(self, inputs: Any) -> Any:
        """What the loss was computed from."""
        return inputs

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm)
        if not self._watches_steps or not self.faults.step_is_bad(self.accelerator, self.state.global_step, norm):
            return norm
        if self.is_deepspeed_enabled:
            raise UserError(
                f"{self.faults.last}; DeepSpeed has applied it already. The same command goes on from the last checkpoint before it"
            )
        self.optimizer.zero_grad(set_to_none=True)  # an optimiser leaves parameters without a gradient as they are
        return None

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Add what was left out so far."""
        if self.faults is not None and "loss" in logs:
            logs = {**logs, **self.faults.figures()}
        super().log(logs, *args, **kwargs)


class RecipeSFTTrainer(Evaluating, Kept, Guarded, Observed, SFTTrainer):
    """Reports the loss on held-out targets and the accuracy of generated answers."""

    trl_evaluates = True


class RecipeGRPOTrainer(Evaluating, Kept, Guarded, Observed, GRPOTrainer):
    """TRL would evaluate GRPO with sampled completions; a greedy evaluation with an interval replaces it.

    Attributes:
        stages: the recipe's curriculum, None without one.
        grader: judges completions for all reward functions.
    """

    stages: Stages | None = None
    grader: Grader | None = None

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        plain = super()._get_train_sampler(dataset)
        if self.stages is None:
            self.sampler = epoch_sampler(plain)
        else:
            settings = self.stages.settings
            self.sampler = self.stages.sampler = staged_sampler(plain, settings, plain.data_source[settings.column])
        return self.sampler

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Add where the curriculum stands."""
        if self.stages is not None and self.stages.sampler is not None and "loss" in logs:
            logs = {
                **logs,
                "curriculum/stage": float(self.stages.sampler.stage),
                "curriculum/accuracy": self.stages.accuracy,
            }
        super().log(logs, *args, **kwargs)

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        if self.observer is None or not self.model.training:
            return super()._generate_and_score_completions(inputs)
        with self.timed("rollout"):
            output = super()._generate_and_score_completions(inputs)
        with self.timed("diagnostics"):
            self.observer.rolled_out(output)
        return output

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> Any:
        with self.timed("reward"):
            rewards = super()._calculate_rewards(*args, **kwargs)
        if self.faults is not None:
            self.faults.rewarded(self.accelerator, self.state.global_step, self.grader.requests, self.grader.scores)
        return rewards

    def _seen(self, inputs: Any) -> Any:
        return self._buffered_inputs[(self._step - 1) % self.args.steps_per_generation]

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        found = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        if self.observer is not None and torch.is_grad_enabled():
            self.observer.scored(found[0], found[1])
        return found

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        if self.observer is None or not self.model.training:
            return super()._compute_loss(model, inputs)
        since = self._step % (
            self.args.steps_per_generation * self.num_iterations
        )  # micro-batches since the generation
        fresh, on_policy = since < self.args.steps_per_generation, since < self.current_gradient_accumulation_steps
        with self.observer.watching():
            loss = super()._compute_loss(model, inputs)
        self.observer.micro_batch(inputs, fresh, on_policy)
        return loss
