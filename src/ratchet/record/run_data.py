"""A run's folder, read for figures and the report: what is there, and a sentence for what is not."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ratchet.errors import UserError
from ratchet.files import in_use
from ratchet.record.records import FOLDER, parsed, read
from ratchet.record.shapes import SHAPES, fits

# TRL's own names of the same figures, for runs without diagnostics.
_INSTEAD = {
    "rollout/mean_reward": "reward",
    "rl/mean_reward": "reward",
    "rl/avg_completion_len": "completions/mean_length",
    "rollout/mean_length": "completions/mean_length",
    "policy/loss": "loss",
    "policy/entropy": "entropy",
}
# Names of the first versions.
_FORMER = {
    "eval_accuracy": "eval/accuracy",
    "eval_accuracy_low": "eval/accuracy_low",
    "eval_accuracy_high": "eval/accuracy_high",
    "eval_majority": "eval/majority",
}


@dataclass
class RunData:
    """What a run left, or has left so far."""

    folder: Path
    log: list[dict[str, Any]] = field(default_factory=list)
    histograms: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    confusion: list[dict[str, Any]] = field(default_factory=list)
    attention: list[dict[str, Any]] = field(default_factory=list)
    embeddings: list[dict[str, Any]] = field(default_factory=list)
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    recipe: dict[str, Any] = field(default_factory=dict)
    recipe_text: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    audit: dict[str, Any] = field(default_factory=dict)
    slice: dict[str, Any] = field(default_factory=dict)
    title: str = ""
    missing: list[str] = field(default_factory=list)
    """What could not be read, a sentence each."""

    @property
    def name(self) -> str:
        """The folder's name; runs that are compared get longer ones where these are the same."""
        return self.title or self.folder.resolve().name

    @property
    def status(self) -> str:
        """finished, running, or stopped."""
        if self.result:
            return "finished"
        return "running" if in_use(self.folder) else "stopped"

    @property
    def step(self) -> int:
        """The last step that was logged."""
        return max((entry["step"] for entry in self.log), default=0)

    def series(self, name: str) -> tuple[list[int], list[float]]:
        """Steps and values of a logged figure, or of TRL's own of the same.

        Where a step was logged twice, as by a run that was resumed before it, the later value counts.
        """
        values = {entry["step"]: entry[name] for entry in self.log if _is_number(entry.get(name))}
        if not values and name in _INSTEAD:
            return self.series(_INSTEAD[name])
        return [*values], [*values.values()]

    def names(self, prefix: str) -> list[str]:
        """Logged figures whose names start so; those that end in a number, in its order."""
        names = {name for entry in self.log for name in entry if name.startswith(prefix)}
        return sorted(names, key=lambda name: (len(name), name))

    def checkpoints(self) -> list[Path]:
        """Saved checkpoints, the newest last."""
        complete = [path for path in self.folder.glob("checkpoint-*") if (path / "trainer_state.json").is_file()]
        steps = {path: path.name.split("-")[-1] for path in complete}
        return sorted((path for path in complete if steps[path].isdigit()), key=lambda path: int(steps[path]))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def load(folder: Path) -> RunData:
    """Read a run's folder.

    Raises:
        UserError: when there is no such folder, or nothing of a run in it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; name the output_dir of a run, for instance outputs/demo")
    run = RunData(folder)
    _read_records(run)
    _read_files(run)
    if not run.log:
        run.log = _from_trainer_state(run)
    if not (run.log or run.recipe or run.result):
        if run.missing:
            raise UserError(f"{folder} holds no run that can be read: {'; '.join(run.missing)}")
        raise UserError(
            f"{folder} holds no run: neither {FOLDER}/log.jsonl nor trainer_state.json, recipe.yaml or result.json"
        )
    _say_what_is_missing(run)
    return run


def _read_records(run: RunData) -> None:
    """The JSON lines, without those that figures could not be drawn from."""
    for name in ("log", "histograms", "samples", "confusion", "attention", "embeddings", "evaluations", "alarms"):
        entries, torn = read(run.folder, name)
        usable = [entry for entry in entries if fits(entry, SHAPES[name])]
        torn += len(entries) - len(usable)
        setattr(run, name, usable)
        if torn:
            lines = "1 line" if torn == 1 else f"{torn} lines"
            run.missing.append(
                f"{lines} of {FOLDER}/{name}.jsonl could not be used (torn, not finite, or of another make)"
            )
    run.histograms = [entry for entry in run.histograms if len(entry["edges"]) == len(entry["counts"]) + 1 > 1]
    run.embeddings = [entry for entry in run.embeddings if len(_widths(entry["vectors"])) == 1]
    run.attention = [entry for entry in run.attention if _widths(entry["weights"]) == {len(entry["tokens"])}]


def _widths(rows: list[list[float]]) -> set[int]:
    return {len(row) for row in rows}


def _read_files(run: RunData) -> None:
    run.recipe_text = _text(run.folder / "recipe.yaml")
    run.recipe = _parsed(run, "recipe.yaml", yaml.safe_load)
    run.result = _parsed(run, "result.json", parsed)
    run.about = _parsed(run, "run.json", parsed)
    run.audit = _parsed(run, "audit.json", parsed)
    run.slice = _parsed(run, f"{FOLDER}/loss_slice.json", parsed)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _parsed(run: RunData, name: str, parse: Callable[[str], Any]) -> dict[str, Any]:
    text = _text(run.folder / name)
    if not text:
        return {}
    try:
        found = parse(text)
    except (ValueError, yaml.YAMLError, RecursionError):
        found = None
    if not fits(found, SHAPES.get(name, {})):
        run.missing.append(f"{name} could not be read: it is torn, or not what it should be")
        return {}
    return found


def _from_trainer_state(run: RunData) -> list[dict[str, Any]]:
    """The log of a run of an older version, or of plain TRL."""
    folders = [run.folder, *reversed(run.checkpoints())]
    for path in (folder / "trainer_state.json" for folder in folders):
        if not path.is_file():
            continue
        name = path.relative_to(run.folder)
        history = _parsed(run, str(name), parsed).get("log_history")
        if isinstance(history, list):
            run.missing.append(f"there is no {FOLDER}/log.jsonl; figures are from {name}")
            usable = [entry for entry in history if isinstance(entry, dict) and isinstance(entry.get("step"), int)]
            return [_renamed(entry) for entry in usable]
    return []


def _renamed(entry: dict[str, Any]) -> dict[str, Any]:
    return {_FORMER.get(name, name): value for name, value in entry.items()}


def _say_what_is_missing(run: RunData) -> None:
    if not run.log:
        run.missing.append("nothing was logged yet")
    if not run.recipe:
        run.missing.append("there is no recipe.yaml, so the recipe is not shown")
    if not run.about:
        run.missing.append(
            "there is no run.json (commit, versions, hardware): the run is of an older version, "
            "or had not begun to train"
        )
    if run.status != "finished":
        run.missing.append(f"there is no result.json: the run is {run.status}")
    if run.log and not any("distributed/world_size" in entry for entry in run.log):
        run.missing.append("no diagnostics were logged (diagnostics: off, an older version, or before the first log)")
    if run.log and not run.evaluations:
        run.missing.append("no evaluation was kept, so there are no held-out completions to browse")
