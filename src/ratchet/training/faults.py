"""What goes wrong in a run through no fault of training: counted, kept in ``faults/`` of its folder, and a reason to
stop when it is too much."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object

from ratchet.errors import UserError
from ratchet.recipe.groups import Faults as Settings
from ratchet.rewards.scoring import Score, ScoringRequest
from ratchet.tasks.packing import pack

FOLDER = "faults"


class Fault(UserError):
    """Found by all processes alike in the middle of a step: the run rolls back to the step's beginning, saves, and
    stops."""


class Faults:
    """Counts of one run, the same on all processes.

    Args:
        folder: the run's.
    """

    def __init__(self, settings: Settings, folder: Path):
        self.settings, self.folder = settings, folder / FOLDER
        self.scored = self.skipped = 0
        """Completions that rewards were asked about, and those among them that a reward failed on."""
        self.steps = self.in_a_row = 0
        """Steps left out because a loss or a gradient was non-finite, and how many the latest were in a row."""
        self.last = ""
        """What was said about the latest of them."""
        self._batches: list[Any] = []
        self._bad: torch.Tensor | None = None

    def state_dict(self) -> dict[str, int]:
        """The counts."""
        return {"scored": self.scored, "skipped": self.skipped, "steps": self.steps, "in_a_row": self.in_a_row}

    def load_state_dict(self, found: Mapping[str, int]) -> None:
        """Continue counting from there."""
        for name, value in found.items():
            setattr(self, name, value)

    def figures(self) -> dict[str, float]:
        """For the log, once there is anything to tell."""
        found = {"faults/skipped_completions": float(self.skipped), "faults/skipped_steps": float(self.steps)}
        return {name: value for name, value in found.items() if value}

    # Rewards.

    def rewarded(
        self, accelerator: Any, step: int, requests: Sequence[ScoringRequest], scores: Sequence[Score]
    ) -> None:
        """Take a scored batch; every process must call this.

        Raises:
            Fault: where a completion could not be scored and the recipe says stop, or too many could not.
        """
        here = [(request, score.failure) for request, score in zip(requests, scores, strict=True) if score.failure]
        counts = torch.tensor([float(len(requests)), float(len(here))], device=accelerator.device)
        scored, failing = (int(n) for n in accelerator.reduce(counts).tolist())
        self.scored += scored
        if not failing:
            return
        entries = [
            {
                "step": step,
                "row": json.loads(pack(request.row)),
                "completion": request.text,
                "function": f.function,
                "error": f.error,
                "traceback": f.traceback,
            }
            for request, f in here
        ]
        entries = gather_object(entries)
        path = self.folder / "rewards.jsonl"
        if accelerator.is_main_process:
            self.folder.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.writelines(
                    json.dumps({**entry, "time": time.time()}, ensure_ascii=False) + "\n" for entry in entries
                )
        first = entries[0]
        what = f"{first['function']} failed on row {first['row'].get('id', '?')} in step {step + 1}: {first['error']}"
        if self.settings.on_reward_error == "stop":
            raise Fault(
                f"{what}\n{failing} of {scored} completions could not be scored; rows, completions and tracebacks "
                f"are in {path}. Mend the function, and "
                "rerun the same command with --resume-anyway; faults: {on_reward_error: skip} leaves such completions "
                "out"
            )
        self.skipped += failing
        accelerator.print(
            f"warning: {what}; left {failing} of {scored} completions out ({self.skipped} of {self.scored} so far)",
            flush=True,
        )
        if self.skipped > self.settings.max_skipped * max(self.scored, 1000):
            raise Fault(
                f"{self.skipped} of {self.scored} completions could not be scored, more than faults.max_skipped: "
                f"{self.settings.max_skipped:g} allows; "
                f"rows, completions and tracebacks are in {path}"
            )

    # Steps.

    def micro_batch(self, loss: torch.Tensor, batch: Any) -> torch.Tensor:
        """Take a micro-batch's loss, and what it was computed from; returns the loss, 0 where it is no finite
        number."""
        bad = ~torch.isfinite(loss.detach())
        self._bad = bad if self._bad is None else self._bad | bad
        self._batches += batch if isinstance(batch, list) else [batch]  # of lean steps: several passes, or none
        return torch.where(bad, torch.zeros_like(loss), loss)

    def step_is_bad(self, accelerator: Any, step: int, grad_norm: Any) -> bool:
        """Whether the step's loss or gradient is non-finite on any process; every process must call this.

        Raises:
            Fault: after too many in a row.
        """
        bad, self._bad = self._bad, None
        batches, self._batches = self._batches, []
        flag = torch.zeros((), device=accelerator.device) if bad is None else bad.float().reshape(())
        if grad_norm is not None:
            whole = (
                grad_norm.full_tensor() if hasattr(grad_norm, "full_tensor") else grad_norm
            )  # FSDP2's is spread over processes
            norm = torch.as_tensor(whole, device=accelerator.device, dtype=torch.float32).reshape(())
            flag = flag + (~torch.isfinite(norm)).float()
        if not accelerator.reduce(flag).item():
            self.in_a_row = 0
            return False
        self.steps += 1
        self.in_a_row += 1
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"step-{step + 1:06d}-process-{accelerator.process_index}.pt"
        torch.save(batches, path)
        self.last = f"loss or gradient of step {step + 1} is non-finite; its batch is kept in {path}"
        accelerator.print(f"warning: {self.last}, and the step is left out", flush=True)
        if self.in_a_row >= self.settings.max_bad_steps:
            raise Fault(
                f"loss or gradient of {self.in_a_row} steps in a row was non-finite (the last was step "
                f"{step + 1}); their batches are in {self.folder}. "
                "The weights are still good: lower learning_rate, set max_grad_norm: 1.0, or use bf16 instead of "
                "fp16, and resume with --resume-anyway"
            )
        return True
