"""Push to the Hub beside training: a Hub that is slow, refuses, or cannot be reached costs warnings, never a step.

Uploads are made one after the other in a thread, each retried with growing pauses. Every checkpoint goes to a branch
of its own (``hub.contents`` keeps what is published of it until it is there); a whole checkpoint (``hub_strategy:
checkpoint``) replaces an older one that still waits. What is left at the end is tried for some time more, and stays
where ``ratchet push`` and the next start find it.
"""

import json
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from ratchet.errors import UserError
from ratchet.evaluation.evaluate import Result
from ratchet.evaluation.outcome import outcome
from ratchet.hub.card import model_card
from ratchet.hub.contents import PUSHING, revision_of, stage, staged
from ratchet.hub.fetch import LAST
from ratchet.hub.repository import Upload, of_branch, repository_of, sentence
from ratchet.program import typed
from ratchet.recipe import Recipe

PAUSES = (2, 5, 15, 60, 300)
"""Seconds before a failed upload is retried, the last one again and again."""


class Uploads:
    """A run's uploads, queued by the main process and made by a thread of it.

    Attributes:
        patience: seconds that the end of a run waits for what is left (``faults.upload_wait``).
    """

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self.repository = repository_of(recipe)
        self.patience = recipe.faults.upload_wait
        self._waiting: list[Upload] = []
        self._changed = threading.Condition()
        """Guards the attributes around it; notified when the queue changes, an upload arrives, or the run ends."""
        self._under_way: Upload | None = None
        self._deadline: float | None = None
        """When the thread gives up; None until the run ends."""
        self._last_warning = ""
        self._sent_to: set[str] = set()
        self._thread: threading.Thread | None = None
        self.add(*(of_branch(folder) for folder in staged(recipe.output_dir)))  # left by an earlier start

    @property
    def name(self) -> str:
        """The repository's name; with its owner from the first push on."""
        return self.repository.name

    def checkpoint(self, folder: Path, step: int, strategy: str, results: Sequence[tuple[int, Result]]) -> None:
        """Queue a saved checkpoint, as ``hub_strategy`` says.

        Args:
            results: the run's evaluations so far, each with its step.
        """
        if strategy == "end":
            return
        try:
            texts = self._texts(folder, step, results)
            place = folder.parent / PUSHING / revision_of(step)
            self.add(of_branch(stage(folder, place, texts, self.recipe.publish.base)))
        except (UserError, OSError) as error:  # nothing to publish, or no room for it
            print(f"warning: {folder.name} is not pushed: {error}", flush=True)
        # With all that a run needs to resume from it: optimiser, random states, and pickles.
        whole = {"checkpoint": LAST, "all_checkpoints": folder.name}.get(strategy)
        if whole is not None:
            self.add(Upload(folder, f"step {step}, to resume from", where=whole))

    def _texts(self, folder: Path, step: int, results: Sequence[tuple[int, Result]]) -> dict[str, str]:
        """A checkpoint's own card and result: with the evaluation that was made at its step, if any."""
        result = outcome([(at, one) for at, one in results if at == step], self.recipe, step, 0.0)
        return {
            "README.md": model_card(self.recipe, folder.parent, result),
            "recipe.yaml": self.recipe.as_yaml(Path.cwd()),
            "result.json": json.dumps(result, indent=2, ensure_ascii=False),
        }

    def model(self, folder: Path, step: int) -> None:
        """Queue the trained model.

        Raises:
            UserError: where there is nothing to publish, or something secret in it.
        """
        publish = self.recipe.publish
        place = stage(folder, folder / PUSHING / "main", {}, publish.base, publish.completions)
        self.add(Upload(place, f"after {step} steps"))

    def add(self, *uploads: Upload) -> None:
        """Queue uploads; what was waiting to go to the same place is dropped."""
        places = {upload.place for upload in uploads}
        with self._changed:
            # The one under way cannot be stopped, and is needed to find out whether it arrived.
            kept = [old for old in self._waiting if old.place not in places or old is self._under_way]
            self._waiting = [*kept, *uploads]
            self._changed.notify_all()
            if self._thread is None and self._waiting:
                self._thread = threading.Thread(target=self._work, daemon=True, name="uploads")
                self._thread.start()

    def there(self, revision: str) -> bool:
        """Wait until a revision has been pushed, ``faults.upload_wait`` seconds at most; whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: revision in self._sent_to, self.patience)

    def close(self) -> list[str]:
        """Wait for what is left, ``faults.upload_wait`` seconds at most; returns the places that lack something."""
        with self._changed:
            self._deadline = time.monotonic() + self.patience
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(self.patience + 5)  # an upload that has begun may end a little later
        return [upload.place for upload in self._waiting]

    def _work(self) -> None:
        """The thread's life: until the run has ended, and the queue is empty or the time is up."""
        failures = 0
        while True:
            with self._changed:
                while not self._waiting:
                    if self._deadline is not None:
                        return
                    self._changed.wait()
                upload = self._under_way = self._waiting[0]
            if self._sent(upload):
                failures = 0
                continue
            self._under_way = None
            with self._changed:
                pause = PAUSES[min(failures, len(PAUSES) - 1)]
                failures += 1
                if self._deadline is not None:
                    if time.monotonic() + PAUSES[0] > self._deadline:
                        return
                    pause = PAUSES[0]  # a person waits for the end of the run
                self._changed.wait(pause)  # new uploads, and the end of the run, end it early

    def _sent(self, upload: Upload) -> bool:
        """Try once; True where the upload needs no further try."""
        done = True
        try:
            if upload.folder.is_dir():  # or it was rotated away meanwhile
                self.repository.push(upload)
        except Exception as error:  # the client raises its own, requests', httpx' and OSErrors
            done = not upload.folder.is_dir()
            if not done:
                self._warn(upload, sentence(error, self.name))
        if done:
            if upload.folder.parent.name == PUSHING:
                shutil.rmtree(upload.folder, ignore_errors=True)
            with self._changed:
                self._waiting = [other for other in self._waiting if other is not upload]
                self._sent_to.add(upload.place)
                self._changed.notify_all()
        return done

    def _warn(self, upload: Upload, reason: str) -> None:
        """Say why an upload failed, once: a Hub that is down for an hour fails in the same way many times."""
        if reason == self._last_warning:
            return
        self._last_warning = reason
        print(
            f"warning: {upload.place} could not be pushed to {self.name}: {reason}; "
            "it is retried while training continues",
            flush=True,
        )


def push_finished(uploads: Uploads, folder: Path, step: int) -> None:
    """Push the trained model, and say what could not be.

    Args:
        step: the last one that was trained.
    """
    try:
        uploads.model(folder, step)
    except UserError as error:
        print(f"warning: the trained model is not pushed: {error}", flush=True)
        uploads.close()
        return
    left = uploads.close()
    if not left:
        print(f"pushed to {uploads.name}", flush=True)
        return
    print(
        f"warning: {', '.join(left)} could not be pushed to {uploads.name}; "
        f"when the Hub can be reached, type\n  {typed('push', str(folder))}",
        flush=True,
    )
