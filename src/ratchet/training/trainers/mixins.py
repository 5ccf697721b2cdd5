"""What every trainer of a recipe does beside TRL's: evaluation, checkpoints, faults and diagnostics, through its
services.

Where several services have something to say to one hook of transformers, their order is written out in that hook.
``training/trl_internals`` lists every private method that is overridden here, with the reason.
"""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import is_peft_model
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from trl.models.utils import unwrap_model_for_generation

from ratchet.diagnostics.observer import Observer
from ratchet.errors import UserError
from ratchet.training.callbacks.checkpointing import reading
from ratchet.training.services import Services


class Saving:
    """Mixin: checkpoints are whole or not there, hold what an exact resume needs, and are pushed and evaluated beside
    training."""

    services: Services
    sampler: Any = None
    """Of prompts, where TRL's own would replay the first epoch after a resume."""

    def init_hf_repo(self, token: str | None = None, private: bool | None = None) -> None:
        """Ask nothing of the Hub before training: ``Uploads`` makes the repository when it uploads the first time."""
        self.hub_model_id = self.args.hub_model_id or Path(self.args.output_dir).absolute().name
        self.push_in_progress = None

    def push_to_hub(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: ``save_model`` would push in the foreground here, and end a run that is trained if the Hub
        fails."""

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        if self.services.uploads is not None:
            strategy = str(getattr(self.args.hub_strategy, "value", self.args.hub_strategy))
            step, evaluations = self.state.global_step, self.services.evaluations
            self.services.uploads.checkpoint(Path(checkpoint_folder), step, strategy, evaluations)

    def _get_output_dir(self, trial: Any) -> str:
        checkpoints = self.services.checkpoints
        if checkpoints is not None and checkpoints.folder is not None:
            return str(checkpoints.folder)
        return super()._get_output_dir(trial)

    def _save(self, *args: Any, **kwargs: Any) -> None:
        as_loaded = self.services.as_loaded
        with nullcontext() if as_loaded is None else as_loaded.restored():
            super()._save(*args, **kwargs)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        services = self.services
        if services.checkpoints is None:
            super()._save_checkpoint(model, trial)
            return
        push, self.args.push_to_hub = self.args.push_to_hub, False  # a checkpoint is pushed from its final place
        try:
            with self.timed("checkpoint"), services.watchdog.resting(services.checkpoints.patience):
                services.checkpoints.save(lambda: super(Saving, self)._save_checkpoint(model, trial))
        finally:
            self.args.push_to_hub = push
        step = self.state.global_step
        folder = services.checkpoints.run / f"checkpoint-{step}"
        if push:
            self._push_from_checkpoint(str(folder))
        if services.elsewhere is not None:
            services.elsewhere.checkpoint(folder, step)
        services.stopping.leave_if_agreed(step)

    def _init_training_state(self, *args: Any, **kwargs: Any) -> tuple[int, int]:
        epochs, steps = super()._init_training_state(*args, **kwargs)
        best = self.state.best_global_step
        if self.services.checkpoints is not None and best:
            self._find_best(best)
        if self.sampler is not None:
            self.sampler.resume(epochs, steps > 0)
        return epochs, steps

    def _find_best(self, step: int) -> None:
        """Name the best checkpoint by where it is now, should the run's folder have been moved."""
        folder = self.services.checkpoints.run / f"checkpoint-{step}"
        if folder.is_dir():
            self.state.best_model_checkpoint = str(folder)
        elif self.state.best_model_checkpoint is None and self.args.load_best_model_at_end:
            self.accelerator.print(
                f"the best checkpoint so far (step {step}) is gone: the last model is taken unless a better one comes",
                flush=True,
            )

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
        if self.state.global_step < self.state.max_steps:  # or it was stopped after its last step
            super()._run_epoch(*args, **kwargs)


class RecipeTrainer(Saving):
    """Mixin before one of TRL's trainers.

    Args:
        services: what is done beside TRL; without any, everything is as in TRL.
    """

    regroups = False
    """Whether micro-batches are put together anew (``trainers.lean_grpo``)."""
    trl_evaluates = False
    """Whether TRL's own evaluation (the loss on held-out targets) is wanted beside the accuracy."""

    def __init__(self, *args: Any, services: Services | None = None, **kwargs: Any):
        self.services = services or Services()  # before TRL's constructor, which calls methods that ask for it
        super().__init__(*args, **kwargs)
        if services is not None:
            self._leave_printing_to_us()
            self._keep_adapters_in_float32()
        self.services.bind(self)

    def _leave_printing_to_us(self) -> None:
        self.remove_callback(PrinterCallback)
        self.remove_callback(ProgressCallback)

    def _keep_adapters_in_float32(self) -> None:
        """Undo that TRL casts adapters beside quantised weights to bfloat16: most of their updates would be lost.

        Sharded by FSDP2 the parts have to be of one type, and DeepSpeed keeps a float32 copy itself.
        """
        if self.is_deepspeed_enabled or self.is_fsdp_enabled or not is_peft_model(self.model):
            return
        for weight in self.model.parameters():
            if weight.requires_grad and weight.dtype in (torch.bfloat16, torch.float16):
                weight.data = weight.data.float()

    @property
    def observer(self) -> Observer | None:
        """Reads diagnostics off the training step; None where ``diagnostics: off``."""
        return self.services.observer

    def timed(self, phase: str) -> AbstractContextManager[None]:
        """Charge what happens inside to a phase of the step."""
        return nullcontext() if self.observer is None else self.observer.clock.phase(phase)

    # Evaluation.

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Generate on held-out rows and grade; logs ``eval/accuracy`` and the others with their intervals.

        Through this, TRL's ``eval_strategy``, ``eval_steps``, ``eval_on_start`` and ``metric_for_best_model`` work:
        what it returns is named ``eval_accuracy`` and so on.
        """
        metrics: dict[str, float] = {}
        if self.trl_evaluates and self.eval_dataset is not None:
            metrics = super().evaluate(eval_dataset, ignore_keys, metric_key_prefix)
        if self.services.measure is None:
            return metrics
        figures = self._measure()
        self._log_evaluation({f"eval/{name}": value for name, value in figures.items()})
        own = {f"{metric_key_prefix}_{name}": value for name, value in figures.items()}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, {**metrics, **own})
        return {**metrics, **own}

    def _measure(self) -> dict[str, float]:
        services = self.services
        if self.is_in_train and services.checkpoints is not None:
            services.checkpoints.save_before_evaluation()
        with self.timed("evaluation"), unwrap_model_for_generation(self.model_wrapped, self.accelerator) as model:
            result = services.measure(model)
        services.evaluations.append((self.state.global_step, result))
        if result.failures:
            self.accelerator.print(
                f"warning: the grader failed on {len(result.failures)} held-out answers, which count as wrong; "
                f"{result.failures[0]}"
            )
        return result.figures()

    def _log_evaluation(self, figures: dict[str, float]) -> None:
        """Log without what training has gathered since its own last log, which TRL would add in training mode."""
        training = self.model.training
        self.model.eval()
        self.log(figures)
        self.model.train(training)

    # The training step. A non-finite loss or gradient changes nothing; diagnostics read what is there anyway.

    @property
    def _watches_steps(self) -> bool:
        # fp16 scales gradients until they overflow, and has its own way to leave such a step out.
        return self.services.faults is not None and getattr(self.accelerator, "scaler", None) is None

    def training_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The loss of a micro-batch; 0 where it is non-finite."""
        loss = super().training_step(model, inputs, *args, **kwargs)
        return self.services.faults.micro_batch(loss, self._seen(inputs)) if self._watches_steps else loss

    def _seen(self, inputs: Any) -> Any:
        """What the loss was computed from, to be kept where it is non-finite."""
        return inputs

    def _clip_grad_norm(self, model: Any) -> Any:
        self._observe_gradients(model)
        return super()._clip_grad_norm(model)

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """The norm; None, with the gradients gone, where the step is left out.

        In order: gradients are observed, unless they were before clipping; TRL computes their norm; then the step is
        judged by it.
        """
        if grad_norm is None:  # nothing is clipped (max_grad_norm: 0)
            self._observe_gradients(model)
        norm = super()._get_grad_norm(model, grad_norm)
        faults = self.services.faults
        if not self._watches_steps or not faults.step_is_bad(self.accelerator, self.state.global_step, norm):
            return norm
        if self.is_deepspeed_enabled:
            raise UserError(
                f"{faults.last}; DeepSpeed has applied it already. The same command resumes from the last checkpoint "
                "before it"
            )
        self.optimizer.zero_grad(set_to_none=True)  # an optimiser leaves parameters without a gradient as they are
        return None

    def _observe_gradients(self, model: Any) -> None:
        if self.observer is not None:
            with self.timed("diagnostics"):
                self.observer.gradients(model)

    # The log.

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log, with what the services add to a training log: the curriculum, faults, then what was observed."""
        services = self.services
        if "loss" in logs:
            if services.curriculum is not None:
                logs = {**logs, **services.curriculum.figures()}
            if services.faults is not None:
                logs = {**logs, **services.faults.figures()}
            if services.movement is not None:
                logs = {**logs, **services.movement.figures()}
            if self.regroups:
                logs = {**logs, **self.saved.figures()}
        with self.timed("logging"):
            if self.observer is not None and "loss" in logs and self.model.training:
                tokens = self._metrics["train"].get("num_tokens", [None])[-1]
                logs = {**logs, **self.observer.close(logs, tokens)}
            super().log(logs, *args, **kwargs)
