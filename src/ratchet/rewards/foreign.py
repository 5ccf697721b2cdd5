"""Reward functions as TRL calls them: ``f(prompts, completions, **columns) -> list[float | None]``, or ``async``.

A recipe names one by where it stands:

    rewards:
      mine.py:close: {weight: 0.5}                  # a file, found beside the recipe
      trl:think_format_reward: {weight: 0.1}        # one that TRL brings
      package.module.function: {weight: 1.0, goal: true, low: 0.0, high: 2.0}

Every completion is scored by itself, so that what it earns cannot depend on its neighbours.
"""

import asyncio
import importlib
import inspect
import math
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.files import function_in
from ratchet.rewards.functions import Sample
from ratchet.tasks.base import Row, Task

CHARS_PER_TOKEN = 4  # an estimate for English; there is no tokenizer here
NOT_GIVEN = ("trainer_state", "log_metric", "log_extra", "environments")
"""What TRL passes of the trainer, and rewards of a recipe, which other processes may compute, do not get."""


def is_reference(name: str) -> bool:
    """Whether the name of a reward says where a function stands.

    >>> [is_reference(name) for name in ("correctness", "mine.py:close", "trl:accuracy_reward", "package.function")]
    [False, True, True, True]
    """
    return ":" in name or "." in name


@dataclass
class TrlFunction:
    """A function with what TRL would call it with."""

    function: Callable[..., Any]
    task: Task | None
    plain: bool = False
    """Whether completions are passed as text; else as lists of messages, as TRL does for conversations."""

    def __post_init__(self) -> None:
        parameters = inspect.signature(self.function).parameters.values()
        self.takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)
        self.names = {p.name for p in parameters}

    def __call__(
        self, rows: Sequence[Row], texts: Sequence[str], tokens: Sequence[int | None], more: dict[str, Any]
    ) -> Any:
        """What the function returns for a batch; one that is asynchronous is waited for.

        Args:
            tokens: lengths of the texts, where they are known.
            more: further arguments.
        """
        arguments = {**self._arguments(rows, texts, tokens), **more}
        given = {name: values for name, values in arguments.items() if self.takes_all or name in self.names}
        returned = self.function(**given)
        return asyncio.run(_awaited(returned)) if inspect.isawaitable(returned) else returned

    def _arguments(self, rows: Sequence[Row], texts: Sequence[str], tokens: Sequence[int | None]) -> dict[str, Any]:
        """Prompts, completions with plausible token ids, and the columns."""
        messages = [self.task.messages(row) for row in rows]
        shown = [{**row, **row.get("columns", {})} for row in rows]  # of rows of one's own as they came
        columns = dict.fromkeys(name for row in shown for name in row)
        return {
            **{name: [row.get(name) for row in shown] for name in columns},
            "gold": [self.task.gold(row) for row in rows],
            "prompts": [m[-1]["content"] for m in messages] if self.plain else messages,
            "completions": list(texts) if self.plain else [[{"role": "assistant", "content": text}] for text in texts],
            "completion_ids": [_token_ids(text, count) for text, count in zip(texts, tokens, strict=True)],
        }


@dataclass
class ForeignFunction:
    """Such a function as a recipe's reward: of one ``Sample``."""

    place: str
    called: TrlFunction
    path: Path | None
    """The file that it stands in, if the recipe names one."""

    def bind(self, task: Task) -> None:
        """Take the task whose rows are rewarded."""
        self.called.task = task

    def __post_init__(self) -> None:
        # what the model card says of it
        self.__doc__ = inspect.getdoc(self.called.function) or f"{self.place}, called as TRL calls it."

    def __call__(self, sample: Sample) -> float | None:
        """Its value for one completion; None where it does not apply.

        Raises:
            ValueError: where it returns no list of one value.
        """
        values = self.called([sample.row], [sample.completion], [sample.tokens], {})
        try:
            (value,) = list(values)
        except (TypeError, ValueError):
            raise ValueError(
                f"for one completion it must return a list of one value, it returns {values!r:.80}"
            ) from None
        return value


def foreign_function(name: str, beside: Path, plain: bool) -> ForeignFunction:
    """The function that a recipe names.

    Args:
        beside: the folder that a file is found in.
        plain: whether it takes completions as text.

    Raises:
        UserError: where it is not there, is no function, or wants what rewards are not given.
    """
    key, path = f"rewards.{name}", None
    if name.startswith("trl:"):
        function = _of_module("trl.rewards", name.removeprefix("trl:"), key)
    elif ":" in name:
        place, _, word = name.rpartition(":")
        path = Path(place).expanduser()
        path = path if path.is_absolute() else beside / path
        function = function_in(f"{path}:{word}", key)
    else:
        module, _, word = name.rpartition(".")
        function = _of_module(module, word, key)
    called = TrlFunction(function, None, plain)
    wants = [word for word in NOT_GIVEN if word in called.names]
    if wants:
        raise UserError(
            f"{key} takes {', '.join(wants)}, which rewards of a recipe are not given: what they return may depend on "
            "the completion and its row alone"
        )
    return ForeignFunction(name, called, path)


def _of_module(module: str, name: str, key: str) -> Callable[..., Any]:
    try:
        found = importlib.import_module(module)
        function = getattr(found, name)
    except Exception as error:  # somebody else's module may raise anything
        there = ", ".join(getattr(found, "__all__", ())) if "found" in locals() else ""
        raise UserError(
            f"{key}: {module}.{name} cannot be had ({type(error).__name__}: {error})"
            + (f"; it has {there}" if there else "")
        ) from None
    if not callable(function):
        raise UserError(f"{key}: {module}.{name} is no function")
    return function


def _token_ids(text: str, count: int | None) -> list[int]:
    """Ids of as many tokens as a text has, or may have: no tokenizer is at hand, and a reward may count them."""
    count = math.ceil(len(text) / CHARS_PER_TOKEN) if count is None else count
    width = max(1, math.ceil(len(text) / max(1, count)))
    return [zlib.crc32(text[i * width : (i + 1) * width].encode(errors="replace")) % 32_000 for i in range(count)]


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value
