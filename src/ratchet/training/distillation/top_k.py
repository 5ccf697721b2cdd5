"""The forward KL over the teacher's likeliest tokens, and one bucket for all others: what a server can give of a
distribution.

With T the teacher's k likeliest tokens at a position, and p(rest) = 1 - sum over T of p:

    loss = sum over T of p_T (log p_T - log p_S) + p_T(rest) (log p_T(rest) - log p_S(rest))

Without the bucket a student that puts its mass elsewhere would not be told so.
"""

from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from ratchet.errors import UserError
from ratchet.training.distillation.divergence import TILE, Divergence
from ratchet.training.distillation.teachers import ServerTeacher, Teacher
from ratchet.training.lean.rows import counted, joined

SCALED = ("final_logit_softcapping", "logit_scale", "logits_scaling", "output_multiplier", "lm_head_multiplier")
"""Of a model's configuration: what is done to logits after the head."""


class TopK(Divergence):
    """That loss on the student's samples, tile by tile.

    Args:
        k: tokens of the teacher at each position.

    Raises:
        UserError: for a model that scales its logits after the head.
    """

    def __init__(self, trainer: Any, teacher: Teacher, k: int):
        super().__init__(trainer, teacher, "forward_kl")
        self.k = k
        config = trainer.accelerator.unwrap_model(trainer.model).config.get_text_config()
        if scaled := [name for name in SCALED if getattr(config, name, None) not in (None, 1.0)]:
            raise UserError(
                f"distillation.form: top_k is not for models that change their logits after the head "
                f"({', '.join(scaled)}); take forward_kl"
            )

    @torch.no_grad()
    def top(self, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """The teacher's likeliest tokens (B, C, k) after each prefix, and their log-probabilities."""
        ids, mask = joined(inputs, "teacher_prompt")
        kept = inputs["completion_ids"].shape[1]
        if isinstance(self.teacher, ServerTeacher):
            return self.teacher.top(ids, mask, kept, self.k)
        rows = self.trainer.args.per_device_train_batch_size
        found = [self._top_here(*part, kept) for part in zip(ids.split(rows), mask.split(rows), strict=True)]
        return torch.cat([tokens for tokens, _ in found]), torch.cat([logps for _, logps in found])

    def _top_here(self, ids: torch.Tensor, mask: torch.Tensor, kept: int) -> tuple[torch.Tensor, torch.Tensor]:
        with self.teacher.model() as model:
            teacher = self.accelerator.unwrap_model(model)
            hidden = self._hidden(teacher, ids, mask, kept)
            head, flat = teacher.get_output_embeddings(), hidden.flatten(0, 1)
            tiles = [(head(tile).float() / self.temperature).log_softmax(-1).topk(self.k) for tile in flat.split(TILE)]
        shape = (*hidden.shape[:2], self.k)
        values, indices = (torch.cat(parts).reshape(shape) for parts in zip(*tiles, strict=True))
        return indices, values

    def _compute_loss(
        self, unwrapped_student: Any, inputs: dict[str, Any], tokens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """In the place of TRL's; as it the loss, nothing of the entropy, and how many tokens count."""
        learned = counted(inputs).bool()
        hidden = self._hidden(unwrapped_student, *joined(inputs), learned.shape[1])[learned]
        head = unwrapped_student.get_output_embeddings()
        parts = zip(
            *(values[learned].split(TILE) for values in (inputs["teacher_top_ids"], inputs["teacher_top_logps"])),
            strict=True,
        )
        total = hidden.new_zeros((), dtype=torch.float32)
        for tile, (top, logps) in zip(hidden.split(TILE), parts, strict=True):
            total = total + checkpoint(self._of_tile, head, tile, top, logps, use_reentrant=False)
        return total / tokens, total.detach() * 0, learned.sum()

    def _of_tile(self, head: Any, hidden: torch.Tensor, top: torch.Tensor, logps: torch.Tensor) -> torch.Tensor:
        own = (head(hidden).float() / self.temperature).log_softmax(-1).gather(1, top)
        return bucketed(own, logps.float())


def bucketed(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """The loss of some positions, summed, from the log-probabilities (N, k) of the teacher's likeliest tokens."""
    parts = (teacher.exp() * (teacher - student)).sum(1)
    # what is left of 1; k tokens may be all there are to the last bit
    rests = [torch.log1p(-values.exp().sum(1).clamp(max=1 - 1e-6)) for values in (teacher, student)]
    return (parts + rests[0].exp() * (rests[0] - rests[1])).sum()
