"""Pushing to the Hub beside training: a Hub that is slow, refuses, or cannot be reached costs warnings, never a step.

Uploads are made one after the other in a thread, each tried again with growing pauses. A checkpoint that is still waiting
when the next one comes is replaced by it. What is left at the end is tried for some time more, and then named with the
command that uploads it later.
"""

import shlex
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from ratchet.recipe import Recipe

# Of a run's folder or a checkpoint: what is pushed is the model, not what training keeps for itself.
KEPT_HOME = [
    "_*", "_*/**", ".*", "checkpoint-*/**", "data/**", "diagnostics/**", "faults/**", "completions/**", "initial_model/**", "*.bin", "*.pt", "*.pth",
    "report.*", "comparison.*", "run.json", "tracking.json", "trainer_state.json", "manifest.json",
]  # fmt: skip
PAUSES = (2, 5, 15, 60, 300)  # seconds, the last one again and again


@dataclass(frozen=True)
class Upload:
    """A folder on its way."""

    folder: Path
    message: str
    where: str | None = None
    """Folder in the repository; None: its root, without what training keeps for itself."""


class Uploads:
    """Of one run, on the main process."""

    def __init__(self, recipe: Recipe):
        self.name = recipe.get("hub_model_id") or recipe.output_dir.absolute().name
        self.private, self.revision = recipe.get("hub_private_repo") is not False, recipe.get("hub_revision")
        self.patience = recipe.faults.upload_wait
        self._waiting: list[Upload] = []
        self._changed = threading.Condition()
        self._under_way: Upload | None = None
        self._closing: float | None = None
        self._created, self._said = False, ""
        self._thread: threading.Thread | None = None

    def add(self, *uploads: Upload) -> None:
        """Queue uploads; what was waiting to go to the same place is dropped."""
        places = {upload.where for upload in uploads}
        with self._changed:
            self._waiting = [upload for upload in self._waiting if upload.where not in places or upload is self._under_way] + [*uploads]
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True, name="uploads")
                self._thread.start()

    def close(self) -> list[str]:
        """Wait for what is left, ``faults.upload_wait`` seconds at most; returns the commands that upload what could not be."""
        with self._changed:
            self._closing = time.monotonic() + self.patience
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(self.patience + 5)
        return [self._command(upload) for upload in self._waiting]

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
        from huggingface_hub import HfApi

        done = True
        try:
            if upload.folder.is_dir():  # or it was rotated away meanwhile
                api = HfApi()
                if not self._created:
                    self.name = api.create_repo(self.name, private=self.private, exist_ok=True).repo_id
                    self._created = True
                ignored = None if upload.where else KEPT_HOME
                api.upload_folder(
                    repo_id=self.name,
                    folder_path=upload.folder,
                    path_in_repo=upload.where,
                    commit_message=upload.message,
                    ignore_patterns=ignored,
                    revision=self.revision,
                )
        except Exception as error:  # the client raises its own, requests', httpx' and OSErrors
            done = not upload.folder.is_dir()
            said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            if not done and said != self._said:
                print(f"warning: {upload.folder} could not be pushed to {self.name} ({said}); it is tried again while training goes on", flush=True)
                self._said = said
        if done:
            with self._changed:
                self._waiting = [other for other in self._waiting if other is not upload]
        return done

    def _command(self, upload: Upload) -> str:
        words = ["hf", "upload", self.name, str(upload.folder), upload.where or "."]
        words += ["--private"] if self.private else []
        if not upload.where:
            words += [word for pattern in KEPT_HOME for word in ("--exclude", pattern)]
        return shlex.join(words)
