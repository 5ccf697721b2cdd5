"""Room on the disk for a run's checkpoints: estimated before the first one, announced, and waited for."""

import math
import platform
import time
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object
from transformers import Trainer

from ratchet.checkpoints.store import checkpoints
from ratchet.errors import Stopped, UserError
from ratchet.files import room_under, size_text
from ratchet.runtime import duration

REMIND = 60.0  # seconds between messages while a full disk is waited for
MARGIN = 1.02  # a checkpoint is seldom exactly as large as the last one


class DiskBudget:
    """Knows how large the next checkpoint will be, and whether it fits.

    Args:
        trainer: whose model is saved.
        folder: where checkpoints are saved.
    """

    def __init__(self, trainer: Trainer, folder: Path):
        self.trainer, self.folder, self.state = trainer, folder, PartialState()
        self.measured: int | None = None
        """Bytes of the checkpoint that was saved last."""

    @property
    def size(self) -> int:
        """Bytes that a checkpoint needs: as the last one did, or as estimated."""
        if self.measured is None:
            self.measured = self._estimate()
        return self.measured

    @property
    def free(self) -> int:
        """Bytes free where checkpoints are saved."""
        return room_under(self.folder)[1]

    def _estimate(self) -> int:
        """Weights, and AdamW's two moments for each trained one; DeepSpeed keeps a float32 copy besides."""
        model = self.trainer.model
        adapter = hasattr(model, "peft_config")  # then only the adapter is saved
        per_trained = 12 if self.trainer.is_deepspeed_enabled else None
        total = 0
        for parameter in model.parameters():
            count, width = getattr(parameter, "ds_numel", parameter.numel()), parameter.element_size()
            if parameter.requires_grad or not adapter:
                total += count * width
            if parameter.requires_grad:
                total += count * (per_trained or 2 * width)
        return total

    def _needed(self) -> int:
        """The main process's size, which alone it has measured: all have to decide alike."""
        return broadcast_object_list([self.size])[0]

    def _least(self) -> tuple[int, str]:
        """The least room that a node sees, and which: quotas and mounts may differ."""
        return min(gather_object([(self.free, platform.node())]))

    def announce(self) -> None:
        """Say how large checkpoints will be; every process must call this.

        Raises:
            UserError: where not even one fits.
        """
        size, (free, node) = self._needed(), self._least()
        if self.state.is_main_process:
            print(f"  checkpoints about {size_text(size)} each, {size_text(free)} free", flush=True)
        if free < size:
            raise UserError(
                f"{self.folder} on {node} has {size_text(free)} free, and a checkpoint needs about {size_text(size)}; "
                f"free {size_text(size - free)}, name another --output_dir, or save less (save_only_model: true, "
                "use_peft: true, or save_strategy: no)"
            )

    def has_room(self) -> bool:
        """Whether a checkpoint fits with room to spare; every process must call this."""
        needed = self._needed()
        return self._least()[0] > 1.1 * needed

    def looks_full(self) -> bool:
        """Whether an error on writing is explained by what is left on the disk."""
        return self.free < self.size + 2**20

    def wait(self, until: float, step: int) -> None:
        """Wait until a checkpoint fits; every process must call this.

        Args:
            until: ``time.monotonic()`` at which to give up.

        Raises:
            Stopped: where it still does not fit then.
        """
        need, told = int(MARGIN * self._needed()), math.inf
        while True:
            free, node = self._least()
            left = broadcast_object_list([until - time.monotonic()])[0]  # the main process's clock is everyone's
            if free >= need or left <= 0:
                break
            if self.state.is_main_process and left < told - REMIND:
                told = left
                print(
                    f"a checkpoint needs {size_text(need)}, and {self.folder} on {node} has {size_text(free)} free: "
                    f"free {size_text(need - free)}; waiting {duration(left)} for it",
                    flush=True,
                )
            time.sleep(1)
        if free >= need:
            return
        last = checkpoints(self.folder)
        kept = f"the last checkpoint is {last[0].path.name}" if last else "there is no checkpoint yet"
        raise Stopped(f"no space for a checkpoint at step {step}; {kept}. Free some, and rerun the same command")
