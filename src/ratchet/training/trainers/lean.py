"""What lean steps of all trainers have in common: passes that are made one after the other, and what they saved."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from accelerate.utils import DistributedType

from ratchet.recipe.groups import Lean
from ratchet.training.lean.figures import Saved, Size, WindowMeans
from ratchet.training.lean.passes import OVERHEAD, OVERHEAD_ELSEWHERE, Limits, Passes, Row, cost

MEANING = "lean"
"""The key of a batch under which a pass says what it is of its step."""


class LeanSteps:
    """Mixin before one of TRL's trainers.

    Attributes:
        lean: the recipe's settings; None is TRL alone.
        regroups: whether the rows of a step are put together anew.
        saved: what that has saved since the last log.
    """

    lean: Lean | None = None
    regroups = False
    accelerator: Any
    args: Any
    _metrics: dict[str, Any]

    def begin_regrouping(self, by_sequence: bool = False, shares: bool = False) -> None:
        """Put the rows of a step together anew from now on.

        Args:
            by_sequence: clipped ratios are taken by sequence.
            shares: prompts can be computed once for several completions.
        """
        self.regroups, self.saved, self._means = True, Saved(), WindowMeans(by_sequence)
        budget, device = self.lean.tokens_per_micro_batch if self.lean else None, self.accelerator.device.type
        most = self.args.per_device_train_batch_size if budget is None else 2**30
        self.limits = Limits(most, budget, OVERHEAD.get(device, OVERHEAD_ELSEWHERE), shares)

    def say(self, what: str) -> None:
        """Tell the user once, from the main process."""
        self.accelerator.print(f"  {'lean':<11} {what}", flush=True)

    def each_alone(self, model: Any, made: Sequence[Any], step: Callable[[Any], torch.Tensor]) -> torch.Tensor:
        """The loss of several passes: processes exchange gradients, and DeepSpeed takes its step, in the last only."""
        loss = torch.zeros((), device=self.args.device)
        for number, batch in enumerate(made, 1):
            with self._alone(model, last=number == len(made)):
                loss += step(batch)
        return loss

    @contextmanager
    def _alone(self, model: Any, last: bool) -> Iterator[None]:
        state, accelerator = self.accelerator.gradient_state, self.accelerator
        if last:
            yield
            return
        syncing = state.sync_gradients
        state._set_sync_gradients(False)
        try:
            # FSDP would keep whole gradients until then, and DeepSpeed sums its own parts up.
            if accelerator.distributed_type in (DistributedType.DEEPSPEED, DistributedType.FSDP):
                yield
            else:
                with accelerator.no_sync(model):
                    yield
        finally:
            state._set_sync_gradients(syncing)

    def account(self, padded: float, told: Sequence[Row], left_out: Sequence[bool], found: Sequence[Passes]) -> None:
        """Add a step up.

        Args:
            padded: tokens that TRL would have computed, over all processes.
            told: all rows, and ``found``: the passes of each process over those that are not ``left_out``.
        """
        areas = [[cost([told[row] for row in own], self.limits.shares) for own in rank] for rank in found]
        self.saved.take(
            padded=padded,
            computed=[sum(each) for each in areas],
            needed=sum(told[row].length for rank in found for own in rank for row in own),
            rows=len(told),
            left_out=sum(left_out),
            passes=len(found[0]),
        )
        self.saved.largest = max([self.saved.largest, *(area for each in areas for area in each)])

    def meanings(
        self, tokens: Sequence[int], left_out: Sequence[bool], found: Sequence[Passes], size: int
    ) -> list[dict[str, Any]]:
        """What each of this process's passes is of its step.

        Args:
            tokens: of each row, those that count in the loss.
            size: rows of a micro-batch of TRL's.
        """
        out = _size([[row for row, is_out in enumerate(left_out) if is_out]], tokens)
        said = []
        for i, own in enumerate(found[self.accelerator.process_index]):
            everywhere = [rank[i] for rank in found]
            counted = _size(everywhere, tokens)
            said.append(
                {
                    "share": max(1, len(own)) / size,
                    "size": (counted.rows, counted.tokens),
                    "empty": sum(not rows for rows in everywhere),
                    "most": max(1, *(len(rows) for rows in everywhere)),
                    "left_out": None,
                }
            )
        said[-1]["left_out"] = (out.rows, out.tokens)
        return said

    def computing(self, meaning: dict[str, Any], compute: Callable[[], torch.Tensor]) -> torch.Tensor:
        """The loss of a pass, with TRL's figures of it taken for those of the step."""
        metrics = self._metrics["train"]
        before = {name: len(values) for name, values in metrics.items()}
        loss = compute()
        self._means.take(metrics, before, Size(*meaning["size"]), meaning["empty"])
        if meaning["left_out"] is not None:
            self._means.close(metrics, Size(*meaning["left_out"]))
        return loss


def _size(shares: Sequence[Sequence[int]], tokens: Sequence[int]) -> Size:
    """What some rows of all processes amount to."""
    own = [row for share in shares for row in share]
    return Size(float(len(own)), float(sum(tokens[row] for row in own)))
