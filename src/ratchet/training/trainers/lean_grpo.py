"""TRL's GRPO trainer with lean steps: its losses, without padding and without rows that have no gradient.

TRL generates, scores, and cuts the completions into micro-batches; before the first of them is trained on, the rows of
each optimiser step are put together anew (``training.lean.passes``), over all processes, and all of the step's passes
are made where the last of its micro-batches would have been.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import torch
from trl import GRPOTrainer

from ratchet.inference.decoding import decode
from ratchet.recipe.groups import Lean
from ratchet.training.lean import conditions, rows
from ratchet.training.lean.passes import passes
from ratchet.training.trainers.lean import MEANING, LeanSteps


class LeanGRPOTrainer(LeanSteps, GRPOTrainer):
    """TRL's trainer; ``lean`` None is TRL alone.

    Args:
        lean: the recipe's settings.
    """

    compares_distributions = False
    """Whether the loss has a term beside the policy's."""

    def __init__(self, *args: Any, lean: Lean | None = None, **kwargs: Any):
        self.aligns = self.shares = False  # before TRL's constructor, which may call methods that ask
        self.lean, self._next = lean, None
        self.starts: torch.Tensor | int = 0
        """Columns of the newest pass in which the completions begin, (B,) or one for all."""
        super().__init__(*args, **kwargs)
        if lean is None:
            return
        if not conditions.has_turning_positions(self.model.config):
            self.say("off: this model's positions are counted from where the padding begins")
            return
        self.aligns = not self._is_vlm
        reasons = [*conditions.why_rows_stay(self)]
        if reasons:
            self.say(f"padding alone is left out: {reasons[0]}")
            return
        if self.aligns:
            self.shares = conditions.shares_prompts(self)
            self.begin_regrouping(self.importance_sampling_level == "sequence", self.shares)

    # Rollouts.

    def _generate_single_turn(self, *args: Any, **kwargs: Any) -> Any:
        if self.lean is None or self.use_vllm:
            return super()._generate_single_turn(*args, **kwargs)
        model = self.accelerator.unwrap_model(self.model)
        model.generate = partial(model.generate, custom_generate=decode)
        try:
            return super()._generate_single_turn(*args, **kwargs)
        finally:
            del model.generate

    def _tokenize_prompts(self, prompts: list[Any]) -> Any:
        """TRL's, for each of several prompts that follow each other and are the same once."""
        of = [*accumulate((one != before for one, before in pairwise(prompts)), initial=0)]
        if self.lean is None or self._is_vlm or self.environment_factories is not None or of[-1] + 1 == len(of):
            return super()._tokenize_prompts(prompts)
        ids, images, more = super()._tokenize_prompts([prompts[of.index(number)] for number in range(of[-1] + 1)])
        if images is not None or more:
            return super()._tokenize_prompts(prompts)
        return [[*ids[number]] for number in of], None, {}

    # Passes of one step.

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """All passes of an optimiser step at its last micro-batch, and none at the others; returns their loss."""
        if not self.regroups:
            return super().training_step(model, inputs, num_items_in_batch)
        began = time.perf_counter()
        model.train()  # as ``Trainer.training_step``: what is generated depends on it
        if hasattr(self.optimizer, "train"):
            self.optimizer.train()
        made = self._prepare_inputs(inputs)
        if not self.regroups:  # as this generation has shown
            self._next = made
            return super().training_step(model, inputs, num_items_in_batch)

        def step(batch: rows.Batch) -> torch.Tensor:
            self._next = batch
            return super(GRPOTrainer, self).training_step(model, inputs, num_items_in_batch)

        loss = self.each_alone(model, made, step)
        self._step += 1
        self._current_train_step_time += time.perf_counter() - began
        if self._step % self.current_gradient_accumulation_steps == 0:
            self._metrics["train"]["step_time"].append(self._current_train_step_time)
            self._current_train_step_time = 0.0
        return loss

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        if self._next is not None:
            batch, self._next = self._next, None
            return batch
        before = self._buffered_inputs
        inputs = super()._prepare_inputs(generation_batch)
        if self.regroups and self.model.training and self._buffered_inputs is not before:
            self._buffered_inputs = self._regrouped(self._buffered_inputs)
            inputs = self._buffered_inputs[self._step % self.args.steps_per_generation]
        return inputs

    def _regrouped(self, batches: list[rows.Batch]) -> list[list[rows.Batch]]:
        """The passes of each micro-batch: those of a step at the last of its micro-batches."""
        if unknown := batches[0].keys() - conditions.MOVED:
            self.say(f"off: it does not know what to do with {', '.join(sorted(unknown))}")
            self.regroups = False
            return batches
        window = min(self.args.gradient_accumulation_steps, len(batches))
        found: list[list[rows.Batch]] = []
        for start in range(0, len(batches), window):
            found += [[]] * (window - 1) + [self._passes(batches[start : start + window])]
        return found

    def _passes(self, batches: list[rows.Batch]) -> list[rows.Batch]:
        """This process's passes over the rows of one step, each with what it is of the step."""
        size, accelerator = len(batches[0]["prompt_ids"]), self.accelerator
        batch = rows.gathered(rows.merged(batches), accelerator)
        told = rows.described(batch["prompt_ids"], batch["prompt_mask"], batch["completion_mask"])
        left_out = rows.learns_nothing(batch, conditions.leaves_out(self)).tolist()
        found = passes(told, left_out, accelerator.num_processes, self.limits)
        # TRL computes every row at the width of the widest prompt and completion.
        self.account(
            len(told) * (batch["prompt_ids"].shape[1] + batch["completion_ids"].shape[1]), told, left_out, found
        )
        said = self.meanings(rows.counted(batch).sum(1).tolist(), left_out, found, size)
        return [
            {**(rows.chosen(batch, own) if own else rows.nothing(batch)), MEANING: meaning}
            for own, meaning in zip(found[accelerator.process_index], said, strict=True)
        ]

    def _compute_loss(self, model: Any, inputs: rows.Batch) -> torch.Tensor:
        meaning = inputs.get(MEANING)
        if meaning is None:
            return super()._compute_loss(model, inputs)
        with self._gathering(meaning["most"]):
            loss = self.computing(meaning, lambda: super(LeanGRPOTrainer, self)._compute_loss(model, inputs))
        return loss * meaning["share"] if self.loss_type in conditions.BY_ROWS else loss

    @contextmanager
    def _gathering(self, most: int) -> Iterator[None]:
        """Let TRL gather a figure of each row although processes have different numbers of rows, at most ``most``.

        What it does with them passes over NaN.
        """
        plain = self.accelerator.gather

        def gather(tensor: torch.Tensor) -> torch.Tensor:
            if tensor.ndim:
                tensor = torch.nn.functional.pad(tensor, (0, most - len(tensor)), value=float("nan"))
            return plain(tensor)

        self.accelerator.gather = gather
        try:
            yield
        finally:
            del self.accelerator.gather

    # Width of a pass.

    @contextmanager
    def passes_as_they_come(self) -> Iterator[None]:
        """While the block lasts, rows are scored with their padding, for a model that is built otherwise."""
        before = self.aligns, self.shares
        self.aligns = self.shares = False
        try:
            yield
        finally:
            self.aligns, self.shares = before

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        **more: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        shown = any(value is not None for name, value in more.items() if not name.startswith("compute_"))
        if not self.aligns or shown:
            self.starts = input_ids.shape[1] - logits_to_keep
            return super()._get_per_token_logps_and_entropies(
                model, input_ids, attention_mask, logits_to_keep, batch_size=batch_size, **more
            )
        if batch_size is None or batch_size >= len(input_ids):
            return self._scored(model, input_ids, attention_mask, logits_to_keep, **more)
        # Without gradient, and in any order: neighbours in length together.
        order = attention_mask.sum(1).argsort(stable=True)
        parts = [
            self._scored(model, input_ids[part], attention_mask[part], logits_to_keep, **more)
            for part in order.split(batch_size)
        ]
        logps, entropies, aux = zip(*parts, strict=True)
        back = order.argsort()
        return (
            torch.cat(logps)[back],
            None if entropies[0] is None else torch.cat(entropies)[back],
            None if aux[0] is None else torch.stack(aux).mean(),
        )

    def _scored(
        self, model: Any, ids: torch.Tensor, mask: torch.Tensor, completion: int, **more: Any
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """Log-probabilities and entropies (B, C), and the experts' loss, of one pass."""
        if self.shares and rows.Shared.pays(ids, mask, completion):
            return self._scored_behind_prompts(model, rows.Shared(ids, mask, completion), **more)
        aligned = rows.Aligned(ids, mask, completion)
        self.starts = aligned.starts
        logps, entropies, aux = super()._get_per_token_logps_and_entropies(
            model, aligned.ids, aligned.mask, aligned.kept, **more
        )
        return aligned.completions(logps), None if entropies is None else aligned.completions(entropies), aux

    def _scored_behind_prompts(
        self, model: Any, shared: rows.Shared, compute_entropy: bool = False, **more: Any
    ) -> tuple[torch.Tensor, torch.Tensor | None, None]:
        """The same with every prompt computed once: its keys and values stand before each of its completions."""
        self.starts = 1
        with self.accelerator.autocast():
            # Past DDP's own forward, in which processes wait for each other: others may have nothing to share.
            cache = self.accelerator.unwrap_model(model)(
                input_ids=shared.prompts,
                attention_mask=shared.prompt_mask,
                position_ids=shared.prompt_positions,
                use_cache=True,
                logits_to_keep=1,
            ).past_key_values
            shared.repeat_prompts(cache)
            outputs = model(
                input_ids=shared.ids,
                attention_mask=shared.mask,
                position_ids=shared.positions,
                past_key_values=cache,
                labels=shared.labels,
                fused_lm_head=True,
            )
        entropies = shared.completions(outputs.entropy) if compute_entropy else None
        return shared.completions(outputs.log_probs), entropies, None
