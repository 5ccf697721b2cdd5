"""Saves checkpoints whole or not at all, goes on from them exactly, and keeps them from filling the disk."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list, gather_object
from transformers import TrainerCallback

from ratchet.checkpoints.origin import not_exact
from ratchet.checkpoints.store import SAVING, checkpoints, publish, remove, rotate, seal
from ratchet.errors import Stopped, UserError
from ratchet.files import FULL, size_text
from ratchet.runtime import duration
from ratchet.training import exact_state as states
from ratchet.training.out_of_memory import is_out_of_memory
from ratchet.training.provenance import made_from

STATE = "ratchet_state_{}.pt"  # of one process


@contextmanager
def reading(folder: Path | str | None) -> Iterator[None]:
    """Say what is wrong with a checkpoint that cannot be loaded (pickled code is never run), instead of a traceback."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # whatever torch, safetensors and DeepSpeed raise
        if folder is None or is_out_of_memory(error):
            raise
        said = " ".join(str(error).split())[:300]
        raise UserError(
            f"{folder} cannot be loaded ({type(error).__name__}: {said}). Take another with --resume STEP, or start anew with --resume never; "
            "under DeepSpeed it wants the number of processes that it was saved with"
        ) from error


class CheckpointManager(TrainerCallback):
    """Of one run.

    Args:
        trainer: that was just built.
        prepared: the ``Run``.
        began: ``time.perf_counter()`` at its start.
    """

    def __init__(self, trainer: Any, prepared: Any, began: float):
        self.trainer, self.start, self.began = trainer, prepared.start, began
        self.made_from = made_from(trainer, prepared)
        self.settings, self.run = prepared.recipe.checkpointing, prepared.recipe.output_dir
        self.first, self.alarms = prepared.data.first, prepared.alarms
        self.saving = False
        """Whether the trainer is to write into the folder of unfinished saves."""
        self.earlier = 0.0
        """Seconds spent before this start."""
        self.size: int | None = None
        """Bytes of a checkpoint: estimated, then measured."""
        self._saved: int | None = self.start.checkpoint.step if self.start.inside(self.run) else None
        self._begun: tuple[Any, Any] | None = None

    @property
    def patience(self) -> float:
        """Seconds that a save may take before a process counts as hanging: it may have to wait for room, and write and hash very much."""
        return self.settings.wait_for_space + 2 * self.trainer.faults.settings.hang_timeout

    @property
    def accelerator(self) -> Any:
        """The trainer's."""
        return self.trainer.accelerator

    # Going on.

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Put back what was saved beside TRL's own; say how much room checkpoints need."""
        if self.start.checkpoint is not None:
            self._restore(self.start.checkpoint.path)
            reasons = list(not_exact(self.start.recorded, self.made_from)) if self.start.recorded else []
            folder = self.start.checkpoint.path
            if not any(folder.glob("optimizer*")) and not any(folder.glob("global_step*")):
                reasons.append("the checkpoint holds no optimiser (save_only_model)")
            reasons += ["vLLM draws other samples than before"] if getattr(args, "use_vllm", False) else []
            for reason in reasons:
                self.accelerator.print(
                    f"not exact: {reason}; the run goes on, with other numbers than without the stop", flush=True
                )
        if args.save_strategy != "no":
            self._announce()

    def _restore(self, folder: Path) -> None:
        rank = self.accelerator.process_index
        same = self.start.recorded.get("processes") == self.accelerator.num_processes
        path = folder / STATE.format(rank if same else 0)
        if not path.is_file():
            self.accelerator.print(
                f"not exact: {folder} is TRL's own, without the completions and sums that Ratchet saves", flush=True
            )
            return
        with reading(folder):
            found = torch.load(path, map_location="cpu", weights_only=True)
            self.earlier = found["seconds"]
            states.restore_run(self.trainer, found["run"])
            if same:  # of other processes' completions and sums none can be used
                states.restore_step(self.trainer, found["step"])

    def _announce(self) -> None:
        self.size = self.size or self._estimate()
        free = shutil.disk_usage(self.run).free
        self.accelerator.print(f"  checkpoints about {size_text(self.size)} each, {size_text(free)} free", flush=True)
        if free < self.size:
            raise UserError(
                f"{self.run} has {size_text(free)} free, and a checkpoint needs about {size_text(self.size)}; free {size_text(self.size - free)}, name another "
                "--output_dir, or save less (save_only_model: true, use_peft: true, or save_strategy: no)"
            )

    def _estimate(self) -> int:
        """Weights, and AdamW's two moments for each trained one; DeepSpeed keeps a float32 copy besides."""
        parameters = [
            (getattr(p, "ds_numel", p.numel()), p.element_size(), p.requires_grad)
            for p in self.trainer.model.parameters()
        ]
        adapter = hasattr(self.trainer.model, "peft_config")
        weights = sum(n * width for n, width, learns in parameters if learns or not adapter)
        copies = 12 if self.trainer.is_deepspeed_enabled else None
        return weights + sum(n * (copies or 2 * width) for n, width, learns in parameters if learns)

    # The step that is under way.

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Remember where the step began, so that one that cannot be finished can be taken back."""
        self._begun = (states.of_step(self.trainer), states.random_states())

    def take_back(self) -> None:
        """Undo the step under way, whose gradients were not applied, and save. Every process must call this."""
        if self._begun is None or self.trainer.state.global_step == 0:  # nothing was learned yet
            return
        states.restore_step(self.trainer, self._begun[0])
        states.restore_random_states(self._begun[1])
        self.trainer._save_checkpoint(self.trainer.model, None)
        self.accelerator.print(
            f"went back to the end of step {self.trainer.state.global_step} and saved it", flush=True
        )

    # Saving.

    def save_before_evaluation(self) -> None:
        """Of a run that saves nothing by itself: its last step, so that a signal in the evaluation does not cost all of it."""
        args, state = self.trainer.args, self.trainer.state
        if args.save_strategy != "no" or state.global_step < state.max_steps or state.global_step == self._saved:
            return
        room = shutil.disk_usage(self.run).free > 1.1 * (self.size or self._estimate())
        if broadcast_object_list([room])[0]:
            self.trainer._save_checkpoint(self.trainer.model, None)

    def tidy(self) -> None:
        """The run is finished: of one that asked for no checkpoints, those that stops have made are not needed any more."""
        if self.trainer.args.save_strategy == "no" and self.accelerator.is_main_process:
            for checkpoint in checkpoints(self.run):
                remove(checkpoint)

    def save(self, write: Callable[[], None]) -> None:
        """Let ``write`` make a checkpoint of the last finished step, and let it count only when it is whole on the disk.

        Raises:
            Stopped: when the disk stays full.
        """
        step, args = self.trainer.state.global_step, self.trainer.args
        if step == self._saved:
            return
        until = time.monotonic() + self.settings.wait_for_space
        while True:
            self._wait_for_space(until)
            errors = self._attempt(write, f"checkpoint-{step}")
            if not errors:
                break
            if not any(full for _, full in errors):
                raise UserError(
                    f"checkpoint-{step} could not be written: {errors[0][0]}; the checkpoints before it stay as they are"
                )
            self.accelerator.print(
                f"no space left while saving checkpoint-{step}; the checkpoints before it stay as they are", flush=True
            )
        self._saved = step
        if self.accelerator.is_main_process:
            best = self.trainer.state.best_model_checkpoint
            rotate(self.run, args.save_total_limit, self.settings.keep_every, Path(best) if best else None)
        self.accelerator.wait_for_everyone()

    def _attempt(self, write: Callable[[], None], name: str) -> list[tuple[str, bool]]:
        """Make the folder, write, seal and publish; returns what went wrong on any process, and whether for want of space."""
        folder = self.run / SAVING / name
        errors: list[tuple[str, bool]] = []
        for act in (self._make, lambda folder: self._write(write, folder), self._publish):
            errors = errors or self._everywhere(act, folder)
        if self.first:
            shutil.rmtree(folder.parent, ignore_errors=True)
        return errors

    def _make(self, folder: Path) -> None:
        if self.first:
            shutil.rmtree(folder.parent, ignore_errors=True)
            folder.mkdir(parents=True)

    def _write(self, write: Callable[[], None], folder: Path) -> None:
        trainer = self.trainer
        self.saving = True
        try:
            write()
        finally:
            self.saving = False
        seconds = self.earlier + time.perf_counter() - self.began
        kept = {"step": states.of_step(trainer), "run": states.of_run(trainer), "seconds": seconds}
        torch.save(kept, folder / STATE.format(self.accelerator.process_index))
        state = trainer.state
        if state.best_model_checkpoint is not None:  # in its final place, not where it is being written
            state.best_model_checkpoint = str(self.run / Path(state.best_model_checkpoint).name)
            if trainer.args.should_save:
                state.save_to_json(folder / "trainer_state.json")

    def _publish(self, folder: Path) -> None:
        if self.first:
            seal(
                folder,
                step=self.trainer.state.global_step,
                made=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                **self.made_from,
            )
            self.size = publish(folder, self.run).size

    def _everywhere(self, act: Callable[[Path], None], folder: Path) -> list[tuple[str, bool]]:
        """Do it here, and hear what went wrong on any process."""
        wrong = []
        try:
            act(folder)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError of its own
            full = getattr(error, "errno", None) in FULL or "No space left" in str(error)
            wrong = [
                (
                    f"{type(error).__name__}: {error}",
                    full or shutil.disk_usage(self.run).free < (self.size or 0) + 2**20,
                )
            ]
        return gather_object(wrong)

    def _wait_for_space(self, until: float) -> None:
        """Wait until a checkpoint fits, at most until the time given."""
        enough = True
        if self.accelerator.is_main_process:
            need, told = int(1.02 * (self.size or self._estimate())), 0.0
            while (free := shutil.disk_usage(self.run).free) < need and (enough := time.monotonic() < until):
                if time.monotonic() - told > 60:
                    left = duration(until - time.monotonic())
                    print(
                        f"a checkpoint needs {size_text(need)}, and {self.run} has {size_text(free)} free: free {size_text(need - free)}; waiting {left} for it",
                        flush=True,
                    )
                    told = time.monotonic()
                time.sleep(1)
        if not broadcast_object_list([enough])[0]:
            step, last = self.trainer.state.global_step, checkpoints(self.run)
            kept = f"the last checkpoint is {last[0].path.name}" if last else "there is no checkpoint yet"
            raise Stopped(
                f"no space for a checkpoint at step {step}; {kept}. Free some, and type the same command again"
            )
