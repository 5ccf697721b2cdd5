"""Saves checkpoints whole or not at all, restores them exactly, and keeps them from filling the disk."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list, gather_object
from transformers import Trainer, TrainerCallback

from ratchet.checkpoints.origin import not_exact
from ratchet.checkpoints.resume import Start
from ratchet.checkpoints.store import SAVING, checkpoints, publish, remove, rotate, seal
from ratchet.errors import Stopped, UserError
from ratchet.files import is_full, of_the_disk
from ratchet.recipe.groups import Checkpointing
from ratchet.training.diagnose_crash import is_out_of_memory
from ratchet.training.disk_budget import DiskBudget
from ratchet.training.exact_state import StateRegistry, random_states, restore_random_states
from ratchet.training.output_folder import Place, gather

STATE = "ratchet_state_{}.pt"  # of one process


@contextmanager
def reading(folder: Path | str | None) -> Iterator[None]:
    """Say what is wrong with a checkpoint that cannot be loaded (pickled code is never run), instead of a
    traceback."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # torch, safetensors and DeepSpeed raise all kinds
        if folder is None or is_out_of_memory(error):
            raise
        said = " ".join(str(error).split())[:300]
        raise UserError(
            f"{folder} cannot be loaded ({type(error).__name__}: {said}). Take another with --resume STEP, or restart "
            "with --resume never; under DeepSpeed it wants the number of processes that it was saved with"
        ) from error


class CheckpointManager(TrainerCallback):
    """Writes, seals, rotates and restores a run's checkpoints.

    Args:
        trainer: whose weights, optimiser and schedule transformers saves and loads.
        states: what is saved and restored beside them.
        start: what the run resumes from.
        made_from: what the manifest of a checkpoint says about its origin.
        first: whether this process makes and moves what is in the output folder.
        run: the output folder.
        began: ``time.perf_counter()`` at the start of this process.
        patience: seconds that a save may take before a process counts as hanging.
    """

    def __init__(
        self,
        trainer: Trainer,
        states: StateRegistry,
        settings: Checkpointing,
        start: Start,
        made_from: Mapping[str, Any],
        *,
        run: Path,
        began: float,
        patience: float,
    ):
        self.trainer, self.states, self.settings = trainer, states, settings
        self.start, self.made_from, self.run, self.began = start, made_from, run, began
        self.patience = patience
        self.accelerator, self.budget = trainer.accelerator, DiskBudget(trainer, run)
        self.undo = StepUndo(states)
        self.earlier = 0.0
        """Seconds spent before this start."""
        self.place = Place(run) if self.accelerator.is_main_process else None
        self._saving = False
        self._saved: int | None = start.checkpoint.step if start.inside(run) else None

    @property
    def folder(self) -> Path | None:
        """Where transformers is to write: the folder of unfinished saves while one is made, else None."""
        return self.run / SAVING if self._saving else None

    @property
    def seconds(self) -> float:
        """Seconds that the run has taken so far, earlier starts included."""
        return self.earlier + time.perf_counter() - self.began

    # Resuming.

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Restore what transformers does not, say what cannot be exact, and how much room checkpoints need."""
        if self.start.checkpoint is not None:
            self._restore(self.start.checkpoint.path)
            for reason in self._not_exact(self.start.checkpoint.path):
                self.accelerator.print(
                    f"not exact: {reason}; the run resumes, with other numbers than without the stop", flush=True
                )
        if args.save_strategy != "no":
            self.budget.announce()

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
            self.states.restore(found["run"], "run")
            if same:  # of other processes' completions and sums none can be used
                self.states.restore(found["step"], "step")

    def _not_exact(self, folder: Path) -> Iterator[str]:
        if self.start.recorded:
            yield from not_exact(self.start.recorded, self.made_from)
        if not any(folder.glob("optimizer*")) and not any(folder.glob("global_step*")):
            yield "the checkpoint holds no optimiser (save_only_model)"
        args = self.trainer.args
        # An engine inside the one process draws from the seed alone on a CPU; one on a GPU adds up in another order.
        inside = getattr(args, "vllm_mode", "") == "colocate" and args.use_cpu and self.accelerator.num_processes == 1
        if getattr(args, "use_vllm", False) and not inside:
            yield "vLLM draws other samples than before"

    # Undoing the step under way.

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Remember where the step began, so that one that cannot be finished can be rolled back."""
        self.undo.begin()

    def roll_back(self) -> None:
        """Undo the step under way, whose gradients were not applied, and save. Every process must call this."""
        step = self.trainer.state.global_step
        if step == 0 or not self.undo.roll_back():  # nothing was learned yet
            return
        self.trainer._save_checkpoint(self.trainer.model, None)
        self.accelerator.print(f"rolled back to the end of step {step} and saved it", flush=True)

    # Saving.

    def save_before_evaluation(self) -> None:
        """Save the last step of a run that saves nothing by itself, so that a signal in the evaluation does not cost
        all of it."""
        args, state = self.trainer.args, self.trainer.state
        wanted = args.save_strategy == "no" and state.global_step >= state.max_steps
        if wanted and state.global_step != self._saved and self.budget.has_room():
            self.trainer._save_checkpoint(self.trainer.model, None)

    def tidy(self) -> None:
        """Remove the checkpoints that stops have made, of a finished run that asked for none."""
        if self.trainer.args.save_strategy == "no" and self.accelerator.is_main_process:
            for checkpoint in checkpoints(self.run):
                remove(checkpoint)

    def check_place(self) -> None:
        """Save where the output folder was renamed or deleted. Every process must call this.

        Raises:
            Stopped: where it was, with where the checkpoint is now.
        """
        if elsewhere := self._elsewhere():
            self.trainer._save_checkpoint(self.trainer.model, None)
            raise self._moved(elsewhere)

    def _elsewhere(self, *written: str) -> str:
        """What became of the output folder, and how the run is resumed; empty where it is at its place.

        Checkpoints, and the card that TRL writes beside them, then go to where it is. What was ``written`` meanwhile,
        which may have made the old path anew, is taken away.
        """
        here = self.place.now() if self.place is not None else None
        now = broadcast_object_list([here])[0]
        if now == self.run:
            return ""
        before, self.run = self.run, now or self.run
        self.budget.folder, self.trainer.args.output_dir = self.run, str(self.run)
        if now is not None:
            if self.accelerator.is_main_process:
                gather(before, now, written)
            return f"{before} was renamed to {now} while the run was under way: resume it with --output_dir {now}"
        self._saved = None
        if self.accelerator.is_main_process:
            self.run.mkdir(parents=True, exist_ok=True)
            self.place = Place(self.run)
        return f"{before} was deleted while the run was under way, with all that was in it: the same command resumes"

    def save(self, write: Callable[[], None]) -> None:
        """Let ``write`` make a checkpoint of the last finished step, and let it count only when it is whole on the
        disk.

        Raises:
            Stopped: when the disk stays full.
            UserError: when it cannot be written for another reason.
        """
        step = self.trainer.state.global_step
        elsewhere = self._elsewhere()
        if step != self._saved:
            elsewhere = self._save(write, step) or elsewhere
        if elsewhere:
            raise self._moved(elsewhere)

    def _moved(self, elsewhere: str) -> Stopped:
        return Stopped(f"{elsewhere}. Step {self.trainer.state.global_step} is saved in {self.run}")

    def save_trained(self) -> None:
        """Write the trained model into the output folder. Every process must call this.

        Raises:
            Stopped: where the disk is full, or the folder was renamed or deleted; the same command writes it then.
            UserError: when it cannot be written for another reason.
        """
        self.check_place()
        errors = self._everywhere(lambda folder: (self.trainer.save_model(), self.trainer.save_state()), self.run)
        self.check_place()
        if errors:
            kind = Stopped if any(full for _, full in errors) else UserError
            raise kind(
                f"the trained model could not be written to {self.run}: {errors[0][0]}; the same command resumes from "
                "the newest checkpoint and writes it"
            )

    def _save(self, write: Callable[[], None], step: int) -> str:
        """Save, and say what became of the output folder meanwhile; where that is anything, it is saved again."""
        args, elsewhere = self.trainer.args, ""
        until = time.monotonic() + self.settings.wait_for_space
        while True:
            self.budget.wait(until, step)
            errors = self._attempt(write, f"checkpoint-{step}")
            if moved := self._elsewhere(SAVING, f"checkpoint-{step}", "README.md"):
                elsewhere = moved
                if self.accelerator.is_main_process:
                    shutil.rmtree(self.run / f"checkpoint-{step}", ignore_errors=True)  # whole, or none of it
                continue
            if not errors:
                break
            if not any(full for _, full in errors):
                raise UserError(
                    f"checkpoint-{step} could not be written: {errors[0][0]}; the checkpoints before it stay as they "
                    "are"
                )
            self.accelerator.print(
                f"no space left while saving checkpoint-{step}; the checkpoints before it stay as they are", flush=True
            )
        self._saved = step
        if self.accelerator.is_main_process:
            best = self.trainer.state.best_model_checkpoint
            rotate(self.run, args.save_total_limit, self.settings.keep_every, Path(best) if best else None)
        self.accelerator.wait_for_everyone()
        return elsewhere

    def _attempt(self, write: Callable[[], None], name: str) -> list[tuple[str, bool]]:
        """Make the folder, write, seal and publish; returns what went wrong on any process, and whether for want of
        space."""
        folder = self.run / SAVING / name
        errors: list[tuple[str, bool]] = []
        for act in (self._make, lambda folder: self._write(write, folder), self._publish):
            errors = errors or self._everywhere(act, folder)
        if self.accelerator.is_main_process:
            shutil.rmtree(folder.parent, ignore_errors=True)
        return errors

    def _make(self, folder: Path) -> None:
        if self.accelerator.is_main_process:
            shutil.rmtree(folder.parent, ignore_errors=True)
            folder.parent.mkdir(exist_ok=True)  # not the run's folder, which somebody may have renamed
            folder.mkdir()

    def _write(self, write: Callable[[], None], folder: Path) -> None:
        with self._redirected():
            write()
        kept = {"step": self.states.capture("step"), "run": self.states.capture("run"), "seconds": self.seconds}
        torch.save(kept, folder / STATE.format(self.accelerator.process_index))
        state = self.trainer.state
        if state.best_model_checkpoint is not None:  # in its final place, not where it is being written
            state.best_model_checkpoint = str(self.run / Path(state.best_model_checkpoint).name)
            if self.trainer.args.should_save:
                state.save_to_json(folder / "trainer_state.json")

    @contextmanager
    def _redirected(self) -> Iterator[None]:
        """While the block lasts, ``folder`` names the folder of unfinished saves."""
        self._saving = True
        try:
            yield
        finally:
            self._saving = False

    def _publish(self, folder: Path) -> None:
        if self.accelerator.is_main_process:
            made = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            seal(folder, step=self.trainer.state.global_step, made=made, **self.made_from)
            self.budget.measured = publish(folder, self.run).size

    def _everywhere(self, act: Callable[[Path], None], folder: Path) -> list[tuple[str, bool]]:
        """Act here, and hear what went wrong on any process."""
        wrong = []
        try:
            act(folder)
        except Exception as error:  # safetensors and Arrow raise kinds of their own
            if not (of_the_disk(error) or isinstance(error, RuntimeError)):  # torch's
                raise
            wrong = [(f"{type(error).__name__}: {error}", is_full(error) or self.budget.looks_full())]
        return gather_object(wrong)


class StepUndo:
    """Remembers the state at the beginning of a step, random generators included, and puts it back."""

    def __init__(self, states: StateRegistry):
        self.states = states
        self._begun: tuple[dict[str, Any], tuple[Any, ...]] | None = None

    def begin(self) -> None:
        """A step begins."""
        self._begun = (self.states.capture("step"), random_states())

    def roll_back(self) -> bool:
        """Put the beginning of the step back; False where no step has begun."""
        if self._begun is None:
            return False
        self.states.restore(self._begun[0], "step")
        restore_random_states(self._begun[1])
        return True
