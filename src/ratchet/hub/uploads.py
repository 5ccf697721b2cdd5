"""Pushing to the Hub beside training: a Hub that is slow, refuses, or cannot be reached costs warnings, never a step.

Uploads are made one after the other in a thread, each tried again with growing pauses. Every checkpoint goes to a branch of its
own (``hub.contents`` keeps what is published of it until it is there); of a whole checkpoint (``hub_strategy: checkpoint``) the
next one takes the place of one that still waits. What is left at the end is tried for some time more, and stays where
``scripts/push.py`` and the next start find it.
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
from ratchet.hub.contents import PUSHING, chosen, revision_of, stage, staged
from ratchet.hub.repository import Upload, of_branch, repository_of, sentence
from ratchet.recipe import Recipe

PAUSES = (2, 5, 15, 60, 300)  # seconds, the last one again and again


class Uploads:
    """Of one run, on the main process."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self.repository = repository_of(recipe)
        self.patience = recipe.faults.upload_wait
        self._waiting: list[Upload] = []
        self._changed = threading.Condition()
        self._under_way: Upload | None = None
        self._closing: float | None = None
        self._said = ""
        self._sent_to: set[str] = set()
        self._thread: threading.Thread | None = None
        self.add(*(of_branch(folder) for folder in staged(recipe.output_dir)))  # of an earlier start

    @property
    def name(self) -> str:
        """Of the repository."""
        return self.repository.name

    def checkpoint(self, folder: Path, step: int, strategy: str, results: Sequence[tuple[int, Result]]) -> None:
        """Queue a saved checkpoint, as ``hub_strategy`` says.

        Args:
            results: the run's evaluations so far, each with its step.
        """
        if strategy == "end":
            return
        result = outcome([found for found in results if found[0] == step], self.recipe, step, 0.0)
        try:
            texts = {"README.md": model_card(self.recipe, folder.parent, result), "recipe.yaml": self.recipe.as_yaml()}
            texts["result.json"] = json.dumps(result, indent=2, ensure_ascii=False)
            self.add(of_branch(stage(folder, folder.parent / PUSHING / revision_of(step), texts)))
        except (UserError, OSError) as error:  # nothing to publish, or no room for it
            print(f"warning: {folder.name} is not pushed: {error}", flush=True)
        if whole := {"checkpoint": "last-checkpoint", "all_checkpoints": folder.name}.get(strategy):
            self.add(Upload(folder, f"step {step}, to go on from", where=whole))

    def model(self, folder: Path, step: int) -> None:
        """Queue the trained model.

        Raises:
            UserError: where there is nothing to publish, or something secret in it.
        """
        self.add(Upload(folder, f"after {step} steps", chosen(folder, self.recipe.publish.completions)))

    def add(self, *uploads: Upload) -> None:
        """Queue uploads; what was waiting to go to the same place is dropped."""
        places = {upload.place for upload in uploads}
        with self._changed:
            self._waiting = [
                upload for upload in self._waiting if upload.place not in places or upload is self._under_way
            ] + [*uploads]
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
            self._closing = time.monotonic() + self.patience
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(self.patience + 5)
        return [upload.place for upload in self._waiting]

    def _work(self) -> None:
        failures = 0
        while True:
            with self._changed:
                while not self._waiting:
                    if self._closing is not None:
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
                if self._closing is not None:
                    if time.monotonic() + PAUSES[0] > self._closing:
                        return
                    pause = PAUSES[0]
                self._changed.wait(pause)

    def _sent(self, upload: Upload) -> bool:
        """Try once; True where the upload needs no further try."""
        done = True
        try:
            if upload.folder.is_dir():  # or it was rotated away meanwhile
                self.repository.push(upload)
        except Exception as error:  # the client raises its own, requests', httpx' and OSErrors
            done, said = not upload.folder.is_dir(), sentence(error, self.name)
            if not done and said != self._said:
                print(
                    f"warning: {upload.place} could not be pushed to {self.name}: {said}; it is tried again while training goes on",
                    flush=True,
                )
                self._said = said
        if done:
            if upload.folder.parent.name == PUSHING:
                shutil.rmtree(upload.folder, ignore_errors=True)
            with self._changed:
                self._waiting = [other for other in self._waiting if other is not upload]
                self._sent_to.add(upload.place)
                self._changed.notify_all()
        return done


def push_finished(uploads: Uploads, folder: Path, step: int) -> None:
    """Push the trained model, and say what could not be."""
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
        f"warning: {', '.join(left)} could not be pushed to {uploads.name}; when the Hub can be reached, type\n"
        f"  python scripts/push.py {folder}",
        flush=True,
    )
