"""TRL's SFT trainer with lean steps: its losses, with the rows of an optimiser step put together by length.

The loss of a step is a sum over its tokens divided by their number, over all micro-batches and processes, so that any
row may be in any pass.
"""

from typing import Any

import torch
from trl import SFTTrainer

from ratchet.recipe.groups import Lean
from ratchet.training.lean import conditions
from ratchet.training.lean.passes import Row, passes
from ratchet.training.lean.rows import Batch
from ratchet.training.trainers.lean import MEANING, LeanSteps

IGNORED = -100
COLUMNS = {"input_ids": 0, "attention_mask": 0, "labels": IGNORED}
"""What a batch holds (B, T), padded on the right, and with what a row is filled up; with anything else (packed rows,
images) rows stay where they are."""


class LeanSFTTrainer(LeanSteps, SFTTrainer):
    """TRL's trainer; ``lean`` None is TRL alone.

    Args:
        lean: the recipe's settings.
    """

    def __init__(self, *args: Any, lean: Lean | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.lean = lean
        if lean is None or self.args.packing or self.args.padding_free:  # packed rows have no padding
            return
        reasons = [*conditions.why_targets_stay(self)]
        if reasons:
            self.say(f"off: {reasons[0]}")
            return
        self.begin_regrouping()

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> tuple[list[Any], Any]:
        """The micro-batches of a step; with lean steps all of its passes at the last of them."""
        batches, count = super().get_batch_samples(epoch_iterator, num_batches, device)
        if not self.regroups or not batches:
            return batches, count
        if count is None or batches[0].keys() - COLUMNS.keys():
            self.say("off: rows hold more than their tokens")
            self.regroups = False
            return batches, count
        return [*([] for _ in batches[1:]), self._passes(batches)], count

    def _passes(self, batches: list[Batch]) -> list[Batch]:
        size, accelerator = len(batches[0]["input_ids"]), self.accelerator
        batch = _merged(batches)
        padded = sum(one["input_ids"].numel() for one in batches)
        if accelerator.num_processes > 1:
            padded = int(accelerator.gather(torch.tensor([padded], device=accelerator.device)).sum())
            batch = {name: self._gathered(values, COLUMNS[name]) for name, values in sorted(batch.items())}
        lengths = batch["attention_mask"].sum(1).tolist()
        tokens = (batch["labels"][:, 1:] != IGNORED).sum(1).tolist()
        told, left_out = [Row(0, length) for length in lengths], [number == 0 for number in tokens]
        found = passes(told, left_out, accelerator.num_processes, self.limits)
        self.account(padded, told, left_out, found)
        said = self.meanings(tokens, left_out, found, size)
        for i, meaning in enumerate(said):
            meaning["seen"] = sum(lengths[row] for rank in found for row in rank[i])
        said[-1]["seen"] += sum(length for length, is_out in zip(lengths, left_out, strict=True) if is_out)
        return [
            {**_chosen(batch, own), MEANING: meaning}
            for own, meaning in zip(found[accelerator.process_index], said, strict=True)
        ]

    def _gathered(self, values: torch.Tensor, filling: int) -> torch.Tensor:
        """The rows of all processes; where some have fewer, rows of nothing."""
        for dim in (0, 1):
            values = self.accelerator.pad_across_processes(values, dim=dim, pad_index=filling)
        return self.accelerator.gather(values.contiguous())

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """All passes of an optimiser step at its last micro-batch, and none at the others; returns their loss."""
        if not isinstance(inputs, list):
            return super().training_step(model, inputs, num_items_in_batch)
        plain = super().training_step
        return self.each_alone(model, inputs, lambda batch: plain(model, batch, num_items_in_batch))

    def compute_loss(self, model: Any, inputs: Batch, *args: Any, **kwargs: Any) -> Any:
        """TRL's loss of a pass or a micro-batch."""
        meaning = inputs.pop(MEANING, None)
        plain = super().compute_loss
        if meaning is None:
            return plain(model, inputs, *args, **kwargs)
        before = self._total_train_tokens
        loss = self.computing(meaning, lambda: plain(model, inputs, *args, **kwargs))
        # TRL counts rows that are there so that processes make as many passes, and not those that are left out.
        self._total_train_tokens = before + meaning["seen"]
        self._metrics["train"]["num_tokens"] = [self._total_train_tokens]
        return loss


def _merged(batches: list[Batch]) -> Batch:
    """Micro-batches as one, at the width of the widest."""
    width = max(batch["input_ids"].shape[1] for batch in batches)
    return {
        name: torch.cat(
            [
                torch.nn.functional.pad(batch[name], (0, width - batch[name].shape[1]), value=filling)
                for batch in batches
            ]
        )
        for name, filling in COLUMNS.items()
    }


def _chosen(batch: Batch, rows: list[int]) -> Batch:
    """Some rows of a batch, as wide as the widest; none at all is a row from which nothing is learned."""
    if not rows:
        found = {name: values[:1, :2].clone() for name, values in batch.items()}
        found["labels"].fill_(IGNORED)
        found["attention_mask"].fill_(1)
        return found
    index = torch.tensor(rows, device=batch["input_ids"].device)
    width = int(batch["attention_mask"][index].sum(1).max())
    return {name: values[index, :width] for name, values in batch.items()}
