"""Evaluates every saved checkpoint while the run trains: in a process here, as a Slurm job, or as a job on the Hub.

What is evaluated waits as hard links in ``_evaluating/step-<step>/`` of the run's folder, so that rotation cannot take
it away. The results lie in ``evaluations/`` there, where ``ratchet results`` finds them; those of a run that is
pushed also go into the card of the checkpoint's revision. An evaluation that cannot be started, or fails, costs a
warning with the command.
"""

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from ratchet.errors import UserError
from ratchet.files import read_json, write_text
from ratchet.hub.contents import revision_of, stage
from ratchet.hub.repository import sentence
from ratchet.hub.results import publish
from ratchet.launch.hf_jobs import HubJob, requirement
from ratchet.launch.slurm.files import header
from ratchet.launch.slurm.queue import sbatch
from ratchet.recipe import Recipe

EVALUATING, RESULTS = "_evaluating", "evaluations"
# Variables of the launcher: an evaluation that saw them would wait for the other ranks of the run.
LAUNCHER = frozenset(
    "RANK WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE GROUP_RANK ROLE_RANK MASTER_ADDR MASTER_PORT".split()
)
LAUNCHER_PREFIXES = ("ACCELERATE_", "TORCHELASTIC_")


@dataclass(frozen=True)
class Published:
    """The repository that the run's checkpoints are pushed to."""

    repository: str
    there: Callable[[str], bool]
    """Waits until a revision is on the Hub; whether it is."""


class Evaluator(Protocol):
    """A place that evaluates checkpoints."""

    def start(self, step: int, model: Path) -> None:
        """Evaluate a checkpoint, or hand it over.

        Args:
            model: folder of hard links; the place takes it away when it is no longer needed.
        """
        ...


@dataclass(frozen=True)
class Target:
    """What is evaluated, and where its results go: the same for every place."""

    recipe: Recipe
    published: Published | None = None

    @property
    def run(self) -> Path:
        """The run's folder."""
        return self.recipe.output_dir.absolute()

    @property
    def split(self) -> str:
        """The rows that are answered."""
        return self.recipe.publish.split or self.recipe.evaluation.split

    def place_of(self, step: int) -> str | None:
        """Repository and revision of a checkpoint, as ``--publish`` takes them."""
        return f"{self.published.repository}@{revision_of(step)}" if self.published else None

    def result(self, step: int) -> Path:
        """The file of a checkpoint's evaluation; log and script have its name with other endings."""
        return self.run / RESULTS / f"evaluation-{self.recipe.task.name}-{revision_of(step)}.json"

    def words(self, step: int, model: Path) -> list[str]:
        """The command that evaluates a checkpoint."""
        words = [sys.executable, "-m", "ratchet", "evaluate", str(self.run / "recipe.yaml"), "--model", str(model)]
        return [*words, "--split", self.split, "--output", str(self.result(step))]


@dataclass(frozen=True)
class Here:
    """One evaluation at a time in a process beside the run, with a low priority."""

    target: Target

    def start(self, step: int, model: Path) -> None:
        """Evaluate, print the accuracy, and add it to the revision's card."""
        result, revision = self.target.result(step), revision_of(step)
        self._evaluate(step, model, result.with_suffix(".log"))
        shutil.rmtree(model, ignore_errors=True)
        outcome = read_json(result)
        interval = f"[{outcome['low']:.3f}, {outcome['high']:.3f}] (n = {outcome['n']})"
        print(f"step {step:>5}  evaluated: accuracy {outcome['accuracy']:.3f} {interval}", flush=True)
        published = self.target.published
        if published is not None and published.there(revision):
            name = f"evaluation-{self.target.recipe.task.name}-{outcome['split']}.json"
            publish(self.target.place_of(step), name, outcome)

    def _evaluate(self, step: int, model: Path, log: Path) -> None:
        log.parent.mkdir(exist_ok=True)
        words = ["nice", *self.target.words(step, model)]
        with log.open("wb") as file:
            done = subprocess.run(words, stdout=file, stderr=subprocess.STDOUT, env=_without_launcher())
        if done.returncode:
            end = " ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-1:])
            raise UserError(f"exit status {done.returncode} ({end}; {log})")


def _without_launcher() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name not in LAUNCHER and not name.startswith(LAUNCHER_PREFIXES)
    }


@dataclass(frozen=True)
class ByJob:
    """A Slurm job for each checkpoint."""

    target: Target

    def start(self, step: int, model: Path) -> None:
        """Write the job's script beside the result, and submit it."""
        script = self.target.result(step).with_suffix(".sbatch")
        words = self.target.words(step, model)
        if place := self.target.place_of(step):
            words += ["--publish", place]
        directives = [f"--job-name={self.target.run.name}-{revision_of(step)}"]
        directives += [f"--output={script.with_suffix('.log')}"]
        directives += map(str, self.target.recipe.publish.options)
        lines = [*header(directives), f"cd {shlex.quote(os.getcwd())}", shlex.join(words)]
        write_text(script, "\n".join([*lines, f"rm -r {shlex.quote(str(model))}", ""]))
        print(f"step {step:>5}  {sbatch(script) or 'submitted'} ({script})", flush=True)


@dataclass(frozen=True)
class ByHubJob:
    """A job on the Hub for each checkpoint, which it fetches from its revision there."""

    target: Target

    def start(self, step: int, model: Path) -> None:
        """Submit, once the revision is there."""
        published, revision = self.target.published, revision_of(step)
        if published is None or not published.there(revision):
            raise UserError(f"{revision} did not reach the Hub in time")
        shutil.rmtree(model, ignore_errors=True)
        submitted = self.job(published.repository, revision).submit(os.environ)
        flavor = self.target.recipe.publish.flavor
        print(f"step {step:>5}  job {submitted.number} evaluates {revision} on {flavor} ({submitted.url})", flush=True)

    def job(self, repository: str, revision: str) -> HubJob:
        """The job that evaluates a revision."""
        settings = self.target.recipe.publish
        steps = [
            f"pip install --quiet {shlex.quote(requirement(settings.source))}",
            f"hf download {repository} --revision {revision} --local-dir model",
            f"python -m ratchet evaluate model/recipe.yaml --model model --split {self.target.split} "
            f"--publish {repository}@{revision}",
        ]
        name = f"{self.target.run.name}-{revision}"
        return HubJob(name, settings.flavor, settings.timeout, settings.image, " && ".join(steps))


EVALUATORS: dict[str, type[Here] | type[ByJob] | type[ByHubJob]] = {
    "local": Here,
    "slurm": ByJob,
    "hf-jobs": ByHubJob,
}


class Evaluations:
    """Queues a run's checkpoints on its main process, and starts their evaluations one after the other in a thread.

    Args:
        repository: that the run is pushed to.
        there: waits until a revision is on the Hub; whether it is.
    """

    def __init__(self, recipe: Recipe, repository: str | None = None, there: Callable[[str], bool] | None = None):
        published = Published(repository, there) if repository is not None and there is not None else None
        self.target = Target(recipe, published)
        self._evaluator: Evaluator = EVALUATORS[recipe.publish.evaluate](self.target)
        self._here = recipe.publish.evaluate == "local"
        self._waiting = self.target.run / EVALUATING
        self._queue: SimpleQueue[tuple[int, Path] | None] = SimpleQueue()
        self._left = 0
        if self._here:  # those that an earlier start did not get to; jobs were handed over
            for model in sorted(self._waiting.glob("step-*")):
                self._add(int(model.name.removeprefix("step-")), model)
        self._thread = threading.Thread(target=self._work, daemon=True, name="evaluations")
        self._thread.start()

    def checkpoint(self, folder: Path, step: int) -> None:
        """Queue a saved checkpoint."""
        try:
            state = (folder / "trainer_state.json").read_text(encoding="utf-8")
            model = stage(folder, self._waiting / revision_of(step), {"trainer_state.json": state})
        except (UserError, OSError) as error:
            print(f"warning: {folder.name} is not evaluated: {error}", flush=True)
            return
        self._add(step, model)

    def _add(self, step: int, model: Path) -> None:
        self._left += 1
        self._queue.put((step, model))

    def close(self) -> None:
        """Wait for those that are made here, and until all others have been handed over."""
        self._queue.put(None)
        if self._left and self._here:
            print(f"waiting for {self._left} evaluation{'s' if self._left > 1 else ''} of checkpoints", flush=True)
        self._thread.join()
        with contextlib.suppress(OSError):
            self._waiting.rmdir()  # where nothing waits any more

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            step, model = item
            try:
                self._evaluator.start(step, model)
            except Exception as error:  # a command that is not there, a Hub that refuses: training continues
                published = self.target.published
                said = sentence(error, published.repository if published else "the Hub")
                by_hand = shlex.join(self.target.words(step, model))
                print(f"warning: step {step} could not be evaluated: {said}; by hand:\n  {by_hand}", flush=True)
            self._left -= 1


class Uploading(Protocol):
    """What pushes a run's checkpoints, as ``hub.uploads.Uploads`` does."""

    @property
    def name(self) -> str:
        """The repository's name."""
        ...

    def there(self, revision: str) -> bool:
        """Wait until a revision is on the Hub; whether it is."""
        ...


def evaluations_of(recipe: Recipe, uploads: Uploading | None) -> Evaluations | None:
    """The evaluations of saved checkpoints that a recipe asks for."""
    if recipe.publish.evaluate == "off":
        return None
    return Evaluations(recipe, uploads.name, uploads.there) if uploads else Evaluations(recipe)
