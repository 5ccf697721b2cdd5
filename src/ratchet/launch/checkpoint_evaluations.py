"""Every saved checkpoint is evaluated elsewhere while training goes on: in a process here, as a Slurm job, or as a job on the Hub.

What is evaluated waits as hard links in ``_evaluating/step-<step>/`` of the run's folder, so that rotation cannot take it away. The
results lie in ``evaluations/`` there, where ``scripts/results.py`` finds them; of a run that is pushed they also go into the card of
the checkpoint's revision. An evaluation that cannot be started, or fails, costs a warning with the command.
"""

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from queue import SimpleQueue

from ratchet.errors import UserError
from ratchet.files import read_json, write_text
from ratchet.hub.contents import revision_of, stage
from ratchet.hub.repository import sentence
from ratchet.hub.results import publish
from ratchet.hub.uploads import Uploads
from ratchet.recipe import Recipe

EVALUATING, RESULTS = "_evaluating", "evaluations"
LAUNCHER = (
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "GROUP_RANK",
    "ROLE_RANK",
    "MASTER_ADDR",
    "MASTER_PORT",
)


class Evaluations:
    """Of one run, on the main process.

    Args:
        uploads: of a run that is pushed.
    """

    def __init__(self, recipe: Recipe, uploads: Uploads | None):
        self.recipe, self.uploads, self.run = recipe, uploads, recipe.output_dir.absolute()
        self._queue: SimpleQueue[tuple[int, Path] | None] = SimpleQueue()
        self._start = {"local": self._here, "slurm": self._slurm, "hf-jobs": self._job}[recipe.publish.evaluate]
        self._left = 0
        if recipe.publish.evaluate == "local":
            for place in sorted((self.run / EVALUATING).glob("step-*")):  # of an earlier start
                self._add(int(place.name.removeprefix("step-")), place)
        self._thread = threading.Thread(target=self._work, daemon=True, name="evaluations")
        self._thread.start()

    def checkpoint(self, folder: Path, step: int) -> None:
        """Queue a saved checkpoint."""
        try:
            state = (folder / "trainer_state.json").read_text(encoding="utf-8")
            place = stage(folder, self.run / EVALUATING / revision_of(step), {"trainer_state.json": state})
        except (UserError, OSError) as error:
            print(f"warning: {folder.name} is not evaluated: {error}", flush=True)
            return
        self._add(step, place)

    def _add(self, step: int, place: Path) -> None:
        self._left += 1
        self._queue.put((step, place))

    def close(self) -> None:
        """Wait for those that are made here, and until all others have been handed over."""
        self._queue.put(None)
        if self._left and self.recipe.publish.evaluate == "local":
            print(f"waiting for {self._left} evaluation{'s' if self._left > 1 else ''} of checkpoints", flush=True)
        self._thread.join()
        with contextlib.suppress(OSError):
            (self.run / EVALUATING).rmdir()  # where nothing waits any more

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            step, place = item
            try:
                self._start(step, place)
            except Exception as error:  # a command that is not there, a Hub that refuses: training goes on
                said = sentence(error, self.uploads.name if self.uploads else "the Hub")
                print(
                    f"warning: step {step} could not be evaluated: {said}; by hand:\n  {shlex.join(self._words(step, place))}",
                    flush=True,
                )
            self._left -= 1

    def _words(self, step: int, model: Path) -> list[str]:
        split = self.recipe.publish.split or self.recipe.evaluation.split
        script = Path(sys.executable).with_name("ratchet-evaluate")
        found = [sys.executable, str(script), str(self.run / "recipe.yaml"), "--model", str(model)]
        return [*found, "--split", split, "--output", str(self._result(step))]

    def _result(self, step: int) -> Path:
        return self.run / RESULTS / f"evaluation-{self.recipe.task.name}-{revision_of(step)}.json"

    def _here(self, step: int, place: Path) -> None:
        log = self._result(step).with_suffix(".log")
        log.parent.mkdir(exist_ok=True)
        environ = {
            name: value
            for name, value in os.environ.items()
            if name not in LAUNCHER and not name.startswith(("ACCELERATE_", "TORCHELASTIC_"))
        }
        with log.open("wb") as file:
            done = subprocess.run(
                ["nice", *self._words(step, place)], stdout=file, stderr=subprocess.STDOUT, env=environ
            )
        if done.returncode:
            end = " ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-1:])
            raise UserError(f"exit status {done.returncode} ({end}; {log})")
        shutil.rmtree(place, ignore_errors=True)
        found = read_json(self._result(step))
        print(
            f"step {step:>5}  evaluated: accuracy {found['accuracy']:.3f} [{found['low']:.3f}, {found['high']:.3f}] (n = {found['n']})",
            flush=True,
        )
        if self.uploads is not None and self.uploads.there(revision_of(step)):
            publish(
                f"{self.uploads.name}@{revision_of(step)}",
                f"evaluation-{self.recipe.task.name}-{found['split']}.json",
                found,
            )

    def _slurm(self, step: int, place: Path) -> None:
        script = self._result(step).with_suffix(".sbatch")
        words = self._words(step, place)
        if self.uploads is not None:
            words += ["--publish", f"{self.uploads.name}@{revision_of(step)}"]
        directives = [
            f"--job-name={self.run.name}-{revision_of(step)}",
            f"--output={script.with_suffix('.log')}",
            *map(str, self.recipe.publish.options),
        ]
        lines = [
            "#!/bin/bash",
            *(f"#SBATCH {directive}" for directive in directives),
            "set -euo pipefail",
            f"cd {shlex.quote(os.getcwd())}",
        ]
        write_text(script, "\n".join([*lines, shlex.join(words), f"rm -r {shlex.quote(str(place))}", ""]))
        if shutil.which("sbatch") is None:
            raise UserError("there is no sbatch here, so no Slurm")
        done = subprocess.run(["sbatch", str(script)], capture_output=True, text=True)
        if done.returncode:
            raise UserError(f"sbatch refuses {script}: {done.stderr.strip()}")
        print(f"step {step:>5}  {done.stdout.strip() or 'submitted'} ({script})", flush=True)

    def _job(self, step: int, place: Path) -> None:
        from huggingface_hub import HfApi, get_token

        settings, revision = self.recipe.publish, revision_of(step)
        if not self.uploads.there(revision):
            raise UserError(f"{revision} did not reach the Hub in time")
        shutil.rmtree(place, ignore_errors=True)
        name, split = self.uploads.name, settings.split or self.recipe.evaluation.split
        model = f"hf download {name} --revision {revision} --local-dir model"
        evaluate = f"ratchet-evaluate model/recipe.yaml --model model --split {split} --publish {name}@{revision}"
        line = f"pip install --quiet {shlex.quote(f'ratchet-recipes @ {settings.source}')} && {model} && {evaluate}"
        job = HfApi().run_job(
            image=settings.image,
            command=["bash", "-c", line],
            flavor=settings.flavor,
            timeout=settings.timeout,
            secrets={"HF_TOKEN": get_token()},
        )
        print(f"step {step:>5}  job {job.id} evaluates {revision} on {settings.flavor} ({job.url})", flush=True)
