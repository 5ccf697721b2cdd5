"""A run's folder, read for figures and the report: whatever is there, and a sentence for whatever is not."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ratchet.errors import UserError
from ratchet.files import in_use
from ratchet.record.records import FOLDER, parsed, read

# What TRL logs of the same, for runs without diagnostics.
_INSTEAD = {
    "rollout/mean_reward": "reward",
    "rl/mean_reward": "reward",
    "rl/avg_completion_len": "completions/mean_length",
    "rollout/mean_length": "completions/mean_length",
    "policy/loss": "loss",
    "policy/entropy": "entropy",
}
_FORMER = {
    "eval_accuracy": "eval/accuracy",
    "eval_accuracy_low": "eval/accuracy_low",
    "eval_accuracy_high": "eval/accuracy_high",
    "eval_majority": "eval/majority",
}
_NUMBER, _TEXT = (int, float), (str,)
SHARE = {"accuracy": _NUMBER, "low": _NUMBER, "high": _NUMBER, "n": _NUMBER}
_NUMBERS = {"": (int, float, bool)}
_SAMPLE = {
    "completion": _TEXT,
    "gold": _TEXT,
    "correct": (bool,),
    "answer?": _TEXT,
    "span?": [(int,)],
    "components?": _NUMBERS,
}
# What an entry of each file must hold to be used at all: key -> types, or the shape of the elements of a list or a mapping
# (of every element, under ""); a key that ends in "?" may be absent or null.
SHAPES: dict[str, dict[str, Any]] = {
    "log": {},
    "histograms": {"name": _TEXT, "counts": [_NUMBER], "edges": [_NUMBER]},
    "samples": {**_SAMPLE, "reward": _NUMBER, "advantage": _NUMBER, "rewards?": {}},
    "confusion": {"counts": {"": {"": _NUMBER}}},
    "attention": {"layer": (int,), "head": (int,), "tokens": [_TEXT], "weights": [[_NUMBER]]},
    "embeddings": {"vectors": [[_NUMBER]]},
    "evaluations": {
        **{**SHARE, "split": _TEXT, "majority": _NUMBER, "answered": [{**_SAMPLE, "tokens?": _NUMBER}]},
        **{"chance?": _NUMBER, "pass_at_k?": {"": SHARE}, "outcomes?": {"": (bool,)}},
    },
    "alarms": {"text": _TEXT},
    "result.json": {"task": _TEXT, "steps": _NUMBER, "seconds": _NUMBER, "alarms?": {"": _TEXT}},
    "run.json": {
        "versions": {},
        "hardware": {},
        "data": {"rows": _NUMBER, "notes?": [_TEXT]},
        "model": {"parameters": _NUMBER, "trained": _NUMBER},
        "left_out?": [_TEXT],
        "launcher": _TEXT,
    },
    "audit.json": {
        "mode": _TEXT,
        "policies?": [{"policy": _TEXT, "kind": _TEXT, "reward": _NUMBER, "correct": _NUMBER}],
        "findings?": [{"name": _TEXT, "text": _TEXT, "fails": (bool,)}],
    },
    "diagnostics/loss_slice.json": {"axis": [_NUMBER], "losses": [[_NUMBER]]},
}


def fits(value: Any, shape: Any) -> bool:
    """Whether a value read from a file has the shape that figures and pages rely on.

    >>> fits({"counts": [1, 2.5]}, {"counts": [(int, float)]}), fits({"counts": ["x"]}, {"counts": [(int, float)]})
    (True, False)
    """
    if isinstance(shape, tuple):
        return isinstance(value, shape) and (bool in shape or not isinstance(value, bool))
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(element, shape[0]) for element in value)
    if "" in shape:
        return isinstance(value, dict) and all(fits(element, shape[""]) for element in value.values())
    if not isinstance(value, dict):
        return False
    known = {key: value.get(key.removesuffix("?")) for key in shape}
    return all(fits(known[key], wanted) or (key.endswith("?") and known[key] is None) for key, wanted in shape.items())


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
        """Of the run; runs that are compared get longer ones where these are the same."""
        return self.title or self.folder.resolve().name

    @property
    def status(self) -> str:
        """finished, running, or stopped."""
        if self.result:
            return "finished"
        return "running" if in_use(self.folder) else "stopped"

    @property
    def step(self) -> int:
        """The last one logged."""
        return max((entry["step"] for entry in self.log), default=0)

    def series(self, name: str) -> tuple[list[int], list[float]]:
        """Steps and values of a logged figure, or of TRL's own of the same; where a step was logged twice, the later value."""
        found = {
            entry["step"]: entry[name]
            for entry in self.log
            if isinstance(entry.get(name), (int, float)) and not isinstance(entry[name], bool)
        }
        if not found and name in _INSTEAD:
            return self.series(_INSTEAD[name])
        return [*found], [*found.values()]

    def names(self, prefix: str) -> list[str]:
        """Logged figures that begin so; those that end in a number, in its order."""
        found = {name for entry in self.log for name in entry if name.startswith(prefix)}
        return sorted(found, key=lambda name: (len(name), name))

    def checkpoints(self) -> list[Path]:
        """Saved checkpoints, the newest last."""
        found = [
            path
            for path in self.folder.glob("checkpoint-*")
            if path.name.split("-")[-1].isdigit() and (path / "trainer_state.json").is_file()
        ]
        return sorted(found, key=lambda path: int(path.name.split("-")[-1]))


def load(folder: Path) -> RunData:
    """Read a run's folder.

    Raises:
        UserError: when there is no such folder, or nothing of a run in it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; name the output_dir of a run, for instance outputs/demo")
    run = RunData(folder)
    for name in ("log", "histograms", "samples", "confusion", "attention", "embeddings", "evaluations", "alarms"):
        entries, torn = read(folder, name)
        usable = [entry for entry in entries if fits(entry, SHAPES[name])]
        torn += len(entries) - len(usable)
        setattr(run, name, usable)
        if torn:
            run.missing.append(
                f"{torn} line{'s' if torn > 1 else ''} of {FOLDER}/{name}.jsonl could not be used (torn, not finite, or of another make)"
            )
    run.histograms = [entry for entry in run.histograms if len(entry["edges"]) == len(entry["counts"]) + 1 > 1]
    run.embeddings = [entry for entry in run.embeddings if len({len(vector) for vector in entry["vectors"]}) == 1]
    run.attention = [
        entry for entry in run.attention if {len(row) for row in entry["weights"]} == {len(entry["tokens"])}
    ]
    run.recipe_text = _text(folder / "recipe.yaml")
    run.recipe = _parsed(run, "recipe.yaml", yaml.safe_load)
    for attribute, name in (
        ("result", "result.json"),
        ("about", "run.json"),
        ("audit", "audit.json"),
        ("slice", f"{FOLDER}/loss_slice.json"),
    ):
        setattr(run, attribute, _parsed(run, name, parsed))
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
    places = [
        run.folder / "trainer_state.json",
        *(path / "trainer_state.json" for path in reversed(run.checkpoints())),
    ]
    for path in places:
        if path.is_file():
            state = _parsed(run, str(path.relative_to(run.folder)), parsed)
            history = state.get("log_history")
            if isinstance(history, list):
                run.missing.append(f"there is no {FOLDER}/log.jsonl; figures are from {path.relative_to(run.folder)}")
                entries = [
                    entry for entry in history if isinstance(entry, dict) and isinstance(entry.get("step"), int)
                ]
                return [{_FORMER.get(name, name): value for name, value in entry.items()} for entry in entries]
    return []


def _say_what_is_missing(run: RunData) -> None:
    if not run.log:
        run.missing.append("nothing was logged yet")
    if not run.recipe:
        run.missing.append("there is no recipe.yaml, so the recipe is not shown")
    if not run.about:
        run.missing.append(
            "there is no run.json (commit, versions, hardware): the run is of an older version, or had not begun to train"
        )
    if run.status != "finished":
        run.missing.append(f"there is no result.json: the run is {run.status}")
    if run.log and not any("distributed/world_size" in entry for entry in run.log):
        run.missing.append("no diagnostics were logged (diagnostics: off, an older version, or before the first log)")
    if run.log and not run.evaluations:
        run.missing.append("no evaluation was kept, so there are no held-out completions to browse")
