"""GRPO from a recipe: TRL's trainer with the task's rewards, and what diagnostics read off its training step."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import PartialState

from ratchet.recipe import Recipe
from ratchet.recipe.distillation import DIVERGENCES
from ratchet.rewards.trl_adapter import reward_functions
from ratchet.training.advantages import take_advantages
from ratchet.training.arguments import model_settings, starting_model, trainer_extras
from ratchet.training.curriculum.rounds import outcomes, with_spread
from ratchet.training.curriculum.sampler import PLACE, STAGE, prompt_sampler
from ratchet.training.curriculum.temperature import scoring_temperature
from ratchet.training.prepare import Run
from ratchet.training.samplers import epoch_sampler
from ratchet.training.services import Services
from ratchet.training.trainers.lean_grpo import LeanGRPOTrainer
from ratchet.training.trainers.mixins import RecipeTrainer
from ratchet.training.vllm_engine import FIGURE, engine_as_the_recipe_says
from ratchet.training.vllm_files import weights_through_files
from ratchet.training.vllm_server import wait_until_ready


class RecipeGRPOTrainer(RecipeTrainer, LeanGRPOTrainer):
    """TRL would evaluate GRPO with sampled completions; a greedy evaluation with an interval replaces it."""

    _rewards: torch.Tensor
    """Of the newest generation of all processes, (N, rewards)."""

    @property
    def compares_distributions(self) -> bool:
        """Whether a divergence from a teacher is a part of the loss."""
        return self.services.distils is not None and self.services.distils.form in DIVERGENCES

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        plain, curriculum = super()._get_train_sampler(dataset), self.services.curriculum
        if curriculum is None:
            self.sampler = epoch_sampler(plain)
        else:
            stages = plain.data_source[STAGE] if curriculum.settings.stages else None
            self.sampler = curriculum.sampler = prompt_sampler(plain, curriculum.settings, stages)
        return self.sampler

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        if not self.model.training:
            return super()._generate_and_score_completions(inputs)
        if self.services.distiller is not None:
            self.services.distiller.rows = inputs
        curriculum = self.services.curriculum
        if curriculum is None:
            return self._sampled(inputs)
        curriculum.warm(self.args.temperature, self.state.global_step, self.state.max_steps)
        self._take_temperature()
        return with_spread(self, curriculum, inputs, self._sampled)

    def _take_temperature(self) -> None:
        """Sample and score with the curriculum's temperature, as long as it stays."""
        curriculum = self.services.curriculum
        if curriculum is None or curriculum.temperature in (None, self.temperature):
            return
        self.temperature = curriculum.temperature
        (self.vllm_generation if self.use_vllm else self.generation_config).temperature = self.temperature
        for model in (self.model, self.ref_model):
            if model is not None:
                scoring_temperature(self.accelerator.unwrap_model(model)).cell_contents = self.temperature

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """As TRL's, with the temperature that the completions were sampled with, after a resume too."""
        self._take_temperature()
        return super().training_step(*args, **kwargs)

    def _sampled(self, inputs: Any) -> dict[str, Any]:
        with self.timed("rollout"):
            output = super()._generate_and_score_completions(inputs)
        self._compare_with_engine()
        if self.services.objective is not None:
            take_advantages(self, self.services.objective, self._rewards, output)
        if self.services.distiller is not None:
            with self.timed("teacher"):
                self.services.distiller.take(output, self._rewards)
        if self.observer is not None:
            with self.timed("diagnostics"):
                self.observer.rolled_out(output)
        return output

    def _generate_single_turn(self, prompt_ids: Any, *args: Any, **kwargs: Any) -> Any:
        """TRL's; where the teacher writes, it reads its own prompts, and the student is trained behind its own."""
        distiller = self.services.distiller
        if distiller is None or not distiller.samples or not self.model.training:
            return super()._generate_single_turn(prompt_ids, *args, **kwargs)
        with distiller.writing() as told_ids:
            return super()._generate_single_turn(told_ids, *args, **kwargs)

    @contextmanager
    def generating_with(self, model: Any) -> Iterator[None]:
        """While the block lasts, another model than the trained one generates."""
        before = self.model, self.model_wrapped
        if model is not self.model:
            self.model = self.model_wrapped = model
        try:
            yield
        finally:
            self.model, self.model_wrapped = before

    def _compare_with_engine(self) -> None:
        apart = self.services.engine.apart() if self.services.engine else None
        if apart is not None:
            self._metrics["train"][FIGURE].append(apart)

    def _calculate_rewards(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        with self.timed("reward"):
            rewards = self._rewards = super()._calculate_rewards(inputs, *args, **kwargs)
        if self.services.faults is not None:
            grader = self.services.grader
            self.services.faults.rewarded(self.accelerator, self.state.global_step, grader.requests, grader.scores)
        if self.services.distiller is not None and self.model.training:
            graded = self.services.grader.scores
            self.services.distiller.heard(args[1], [score.grade.correct for score in graded] or [False] * len(inputs))
        if self.services.curriculum is not None and self.model.training:
            right = [score.grade.correct for score in self.services.grader.scores]
            self.services.curriculum.heard(outcomes(self, [row[PLACE] for row in inputs], right, rewards))
        return rewards

    def _seen(self, inputs: Any) -> Any:
        return self._buffered_inputs[(self._step - 1) % self.args.steps_per_generation]

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        found = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        if self.observer is not None and torch.is_grad_enabled():
            self.observer.scored(found[0], found[1])
        return found

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        distiller = self.services.distiller
        if distiller is None or distiller.divergence is None or not self.model.training:
            return self._policy_loss(model, inputs)
        loss = distiller.loss(model, inputs)
        return loss + self._policy_loss(model, inputs) if self.services.distils.adv_tau else loss

    def _policy_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        if self.observer is None or not self.model.training:
            return super()._compute_loss(model, inputs)
        # Micro-batches since the generation: on the first pass over them nothing was updated on these completions.
        since = self._step % (self.args.steps_per_generation * self.num_iterations)
        fresh, on_policy = since < self.args.steps_per_generation, since < self.current_gradient_accumulation_steps
        with self.observer.watching():
            loss = super()._compute_loss(model, inputs)
        self.observer.micro_batch(inputs, fresh, on_policy)
        return loss


def no_reward(prompts: Any, **more: Any) -> list[float]:
    """Of a run that learns from a teacher alone, on rows that nobody grades."""
    return [0.0] * len(prompts)


def adapt(recipe: Recipe, values: dict[str, Any]) -> dict[str, Any]:
    """The recipe's values are TRL's own."""
    return values


def build(run: Run, services: Services) -> RecipeGRPOTrainer:
    """The trainer of a run; one whose completions a vLLM server samples waits for it first."""
    recipe, arguments = run.recipe, run.arguments
    arguments.model_init_kwargs = model_settings(run)
    arguments.reward_weights = [term.weight for term in recipe.rewards] or [1.0]
    if recipe.served and PartialState().is_main_process:
        wait_until_ready(recipe)
    if recipe.values.get("eos_token") and recipe.get("use_vllm"):  # which knows the model's own end tokens alone
        given = arguments.generation_kwargs or {}
        arguments.generation_kwargs = {**given, "stop_token_ids": [run.tokenizer.eos_token_id]}
    with engine_as_the_recipe_says(recipe), weights_through_files(recipe):
        trainer = RecipeGRPOTrainer(
            model=starting_model(run),
            args=arguments,
            reward_funcs=reward_functions(services.grader) or [no_reward],
            train_dataset=run.data.train,
            # TRL wants a data set where it evaluates; ours is measured in its place (``RecipeTrainer.evaluate``).
            eval_dataset=run.data.train.select(range(1)) if recipe.get("eval_strategy") != "no" else None,
            processing_class=run.tokenizer,
            services=services,
            lean=recipe.lean_steps,
            **trainer_extras(run),
        )
    if recipe.values.get("eos_token"):  # saved with the model, as SFTTrainer does it
        trainer.model.generation_config.eos_token_id = trainer.eos_token_ids
    return trainer
