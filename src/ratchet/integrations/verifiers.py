"""What the verifiers environments in ``environments/`` share: a Ratchet task as a taskset, a harness that asks once.

For verifiers 0.4 (``import verifiers.v1``), which Ratchet itself does not need. A copy of this file, of
``ratchet.tasks`` and of what that imports lies in the environments' wheels, so that they install without PyTorch.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import httpx
import verifiers.v1 as vf
from pydantic import Field

from ratchet.errors import UserError
from ratchet.tasks import Grade, Row, Task

SplitName = Literal["train", "validation", "test"]


class RowData(vf.TaskData):
    """What verifiers keeps of a row, and hands to the grader."""

    row: dict[str, Any]
    """The row as ``Task.load`` made it."""


class Graded:
    """Mixin for a ``vf.Task`` of ``RowData``: every figure is the grader's.

    ``task`` is the Ratchet task whose ``grade`` decides.
    """

    data: RowData

    @property
    def task(self) -> Task:
        """The Ratchet task, made again from the configuration: verifiers' replay has nothing else."""
        raise NotImplementedError

    @property
    def key(self) -> str:
        """The row's id, which stays when the selection changes."""
        return self.data.id

    def graded(self, trace: vf.Trace) -> Grade:
        """The grade of the last message as it was written.

        Not of ``trace.last_reply``, which lacks the outer blanks: the format counts them.
        """
        messages = trace.assistant_messages
        last = messages[-1].content if messages else None
        return self.task.grade(trace.root_reply or last or "", self.data.row)

    @vf.reward(weight=1.0)
    async def correctness(self, trace: vf.Trace) -> float:
        """1 for a right answer, else 0."""
        return float(self.graded(trace).correct)

    @vf.metric
    async def components(self, trace: vf.Trace) -> dict[str, float]:
        """Every component of the grade under its own name: answered, format, ..."""
        return dict(self.graded(trace).components)


class RowsConfig(vf.TasksetConfig):
    """The arguments that all environments have."""

    split: Literal["train", "eval"] = "eval"
    """Which rows are loaded: verifiers does not tell a taskset whether it trains."""
    system_prompt: str | None = None
    """A system message before every prompt: its text, or a file that holds it."""
    train_split: SplitName = "train"
    """What ``split = "train"`` loads."""
    eval_split: SplitName = "validation"
    """What ``split = "eval"`` loads."""
    num_train_examples: int = Field(-1, ge=-1)
    """At most so many training rows, drawn with ``seed``; -1 takes all."""
    num_eval_examples: int = Field(-1, ge=-1)
    """At most so many evaluation rows; -1 takes all."""
    seed: int = 42
    """Of the draws, and of generated rows."""
    data_dir: str | None = None
    """The task's ``source``: a folder, "generated", or a data set on the Hub. Without it: the task's own default."""
    cache_dir: str | None = None
    """Where files from the Hub are kept; without it, where the Hub's client keeps them."""


def rows(config: RowsConfig, kind: type[Task], **settings: Any) -> Iterator[tuple[RowData, Row]]:
    """Load the rows that a taskset turns into tasks: each as verifiers shows it, and the row itself.

    Args:
        kind: the Ratchet task's class, and ``settings`` more of its fields.
    """
    if config.cache_dir:  # read when the Hub's client is imported, which happens when rows are first read
        cache = Path(config.cache_dir).expanduser()
        os.environ["HF_HUB_CACHE"] = str(cache / "hub")
        os.environ["HF_DATASETS_CACHE"] = str(cache / "datasets")
    if config.split == "train":
        split, most = config.train_split, config.num_train_examples
    else:
        split, most = config.eval_split, config.num_eval_examples
    drawn = {f"max_{split}": None if most < 0 else most}
    task = kind(
        source=config.data_dir,
        train_split=config.train_split,
        seed=config.seed,
        system_prompt=_text(config.system_prompt),
        **drawn,
        **settings,
    )
    for row in task.load(split).rows:
        *system, user = task.messages(row)
        if [message["role"] for message in system] not in ([], ["system"]):
            raise UserError(f"row {row['id']}: its prompt is a conversation, and verifiers is given one question here")
        system_prompt = system[0]["content"] if system else None
        yield RowData(id=row["id"], prompt=user["content"], system_prompt=system_prompt, row=row), row


def without_file(config: RowsConfig) -> RowsConfig:
    """The configuration for verifiers' own ``__init__``, which takes a system prompt only as the path of a file."""
    return config.model_copy(update={"system_prompt": None})


def _text(text_or_file: str | None) -> str | None:
    # A long text, or one of several lines, is no path; asking the file system about it may be an error.
    may_be_path = text_or_file and "\n" not in text_or_file and len(text_or_file) < 256
    if may_be_path and Path(text_or_file).is_file():
        return Path(text_or_file).read_text(encoding="utf-8")
    return text_or_file


class OneTurn(vf.Harness[vf.HarnessConfig]):
    """One question, one answer, asked from this process: no sandbox, no subprocess, no tools for the model."""

    APPENDS_SYSTEM_PROMPT = True
    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def launch(
        self, ctx: Any, trace: Any, runtime: Any, endpoint: str, secret: str, mcp_urls: Any, data: Any
    ) -> vf.ProgramResult:
        """Ask; what the server refuses becomes the rollout's error."""
        system, prompt = self.resolve_text_prompt(data)
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": prompt})
        body, headers = {"model": ctx.model, "messages": messages}, {"Authorization": f"Bearer {secret}"}
        async with httpx.AsyncClient(timeout=None) as client:  # verifiers has a time limit of its own
            answer = await client.post(f"{endpoint}/chat/completions", json=body, headers=headers)
        error = answer.text if answer.is_error else ""
        return vf.ProgramResult(exit_code=int(answer.is_error), stdout="", stderr=error)


class OneTurnEnvConfig(vf.EnvConfig):
    """Without Prime's sandboxes."""

    agent: vf.AgentConfig = vf.AgentConfig(runtime=vf.SubprocessConfig())


class OneTurnEnv(vf.SingleAgentEnv, vf.Env[OneTurnEnvConfig]):
    """The single-agent environment with ``OneTurn``."""


def outcomes(run: Path) -> tuple[list[float], list[str]]:
    """The weighted reward of every rollout of a run that ended, and what went wrong with the others.

    ``vf-eval`` exits with 0 even when every rollout fails, so that this is the only way to know.
    """
    rewards, failures = [], []
    for line in (run / "traces.jsonl").read_text(encoding="utf-8").splitlines():
        episode = json.loads(line)
        if episode["ok"]:
            rewards += [_weighted(trace["rewards"]) for trace in episode["traces"]]
        else:
            error = _last_error(episode)
            failures.append(f"{episode['task']['key']}: {error.get('type')}: {error.get('message')}")
    return rewards, failures


def _weighted(rewards: Mapping[str, Mapping[str, float]]) -> float:
    return sum(reward["score"] * reward["weight"] for reward in rewards.values())


def _last_error(episode: Mapping[str, Any]) -> Mapping[str, Any]:
    """The episode's last error; those of its traces came after its own."""
    errors = list(episode["errors"])
    for trace in episode["traces"]:
        errors += trace["errors"]
    return errors[-1] if errors else {}


def main() -> int:
    """``python -m ratchet.integrations.verifiers OUT/RUN``: how a vf-eval run went; status 1 if a rollout failed."""
    rewards, failures = outcomes(Path(sys.argv[1]))
    print(f"{len(rewards)} rollouts, mean reward {sum(rewards) / max(1, len(rewards)):.3f}; {len(failures)} failed")
    print("\n".join(failures[:10]), end="\n" if failures else "")
    return int(bool(failures) or not rewards)


if __name__ == "__main__":
    raise SystemExit(main())
