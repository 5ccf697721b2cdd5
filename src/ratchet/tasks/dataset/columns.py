"""Which column of a row is the prompt, the answer, the options and the completion: as told, or by the usual names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jinja2.sandbox

from ratchet.errors import UserError
from ratchet.tasks.base import Message

USUAL = {
    "prompt": ("prompt", "question", "problem", "instruction", "query", "input"),
    "answer": ("answer", "ground_truth", "solution", "correct", "label", "target", "output"),
    "choices": ("choices", "options"),
    "completion": ("completion", "response", "rationale"),
    "messages": ("messages", "conversations"),
}
"""What is looked for, in this order, where the recipe names no column."""
ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True)
class Columns:
    """The columns of a data set; None where it has none of that kind."""

    prompt: str | None = None
    answer: str | None = None
    choices: str | None = None
    completion: str | None = None
    messages: str | None = None
    """Whole conversations, whose assistant's turns are the completions; instead of prompt and completion."""

    def __str__(self) -> str:
        parts = {kind: getattr(self, kind) for kind in USUAL}
        return ", ".join(f"{kind} from {name}" for kind, name in parts.items() if name)


def columns_of(
    row: Mapping[str, Any],
    named: Mapping[str, str | None],
    place: str,
    answered: bool,
    usual: Mapping[str, Sequence[str]] = USUAL,
) -> Columns:
    """Find the columns.

    Args:
        row: of the data set.
        named: kind -> the column or the template that the recipe names, or None.
        place: of the row, for a message.
        answered: whether there must be an answer.
        usual: kind -> the names that are looked for.

    Raises:
        UserError: where a named column is not there, or prompt or answer cannot be told.
    """
    found: dict[str, str | None] = {}
    for kind, names in usual.items():
        name = named.get(kind)
        if name is not None and name not in row and not is_template(name):
            raise UserError(f"data.{kind}: {place} has no column {name}; it has {', '.join(map(str, row))}")
        taken = set(found.values())
        found[kind] = name or next((one for one in names if one in row and one not in taken), None)
    if found["prompt"] is not None:
        found["messages"] = None
    for kind in ("prompt", "answer") if answered else ("prompt",):
        if found[kind] is None and not (kind == "prompt" and found["messages"]):
            raise UserError(
                f"data.{kind}: name the column; {place} has {', '.join(map(str, row)) or 'none'}, and none of "
                f"{', '.join(usual[kind])}"
            )
    return Columns(**found)


def is_template(name: str) -> bool:
    """Whether what names a column is a template over the row's columns instead."""
    return "{{" in name or "{%" in name


def taken(row: Mapping[str, Any], name: str, take: Callable[[Any], Any]) -> Any:
    """What a column or a template holds for a row, through ``take``.

    Raises:
        ValueError: where it is missing, empty, or ``take`` refuses it, naming the column.
    """
    if is_template(name):
        return take(_evaluated(lambda: _template(name).render(**row), "the template", row))
    if row.get(name) is None:
        raise ValueError(f"column {name} is {'empty' if name in row else 'not there'}")
    try:
        return take(row[name])
    except ValueError as error:
        raise ValueError(f"column {name}: {error}") from None


def condition(expression: str) -> Callable[[Mapping[str, Any]], bool]:
    """``data.where`` as a function of a row.

    Raises:
        UserError: where it is no expression.
    """
    try:
        compiled = jinja().compile_expression(expression, undefined_to_none=False)
    except jinja2.TemplateError as error:
        raise UserError(f"data.where is no expression ({error}): {expression}") from None
    return lambda row: bool(_evaluated(lambda: compiled(**row), "data.where", row))


def _evaluated(work: Callable[[], Any], what: str, row: Mapping[str, Any]) -> Any:
    try:
        return work()
    except jinja2.UndefinedError as error:
        said = error.message.replace(" is undefined", " is no column of it")
        raise ValueError(f"{what}: {said}; it has {', '.join(map(str, row))}") from None
    except UserError:  # the template itself
        raise
    except Exception as error:  # an expression of the user's over values of any kind
        raise ValueError(f"{what}: {type(error).__name__}: {error}") from None


@lru_cache(maxsize=1)
def jinja() -> jinja2.Environment:
    """How templates and expressions of a recipe are read: nothing they name is made up, and they change nothing."""
    return jinja2.sandbox.ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)


@lru_cache(maxsize=16)
def _template(text: str) -> jinja2.Template:
    try:
        return jinja().from_string(text)
    except jinja2.TemplateError as error:
        raise UserError(f"data: this is no template ({error}): {text!r:.80}") from None


def as_messages(given: Any) -> list[Message]:
    """A prompt as a conversation: a text is one user message, and messages are taken as they are.

    Raises:
        ValueError: saying what is wrong with it.
    """
    if isinstance(given, str):
        if not given.strip():
            raise ValueError("it is empty")
        return [{"role": "user", "content": given}]
    if not isinstance(given, Sequence) or not given:
        raise ValueError(f"a text or a list of messages is wanted, and it is {_kind(given)}")
    found = []
    for message in given:
        if not isinstance(message, Mapping) or message.get("role") not in ROLES:
            raise ValueError(f"every message wants a role ({', '.join(ROLES)}) and a content; one is {message!r:.60}")
        if not isinstance(message.get("content"), str):
            raise ValueError(f"the content of a message is a text; one is {_kind(message.get('content'))}")
        found.append({"role": message["role"], "content": message["content"]})
    if found[-1]["role"] == "assistant":
        raise ValueError("its last message is the assistant's: the answer would stand in the prompt")
    return found


def as_conversation(given: Any) -> tuple[list[Message], str]:
    """What stands before the last turn, which is the assistant's, and that turn.

    Conversations of "from" and "value", as ShareGPT has them, are taken too.

    Raises:
        ValueError: saying what is wrong with it.
    """
    if isinstance(given, Sequence) and len(given) > 1 and all(isinstance(one, Mapping) for one in given):
        *before, last = [_as_message(one) for one in given]
        if last.get("role") == "assistant" and isinstance(last.get("content"), str) and last["content"].strip():
            return as_messages(before), last["content"]
    raise ValueError("a list of messages is wanted whose last one is the assistant's, with a content")


SHAREGPT = {"system": "system", "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}


def _as_message(one: Mapping[str, Any]) -> Mapping[str, Any]:
    if {"from", "value"} <= {*one} and "role" not in one:
        return {"role": SHAREGPT.get(one["from"], one["from"]), "content": one["value"]}
    return one


def as_options(given: Any) -> list[str]:
    """Options as a list of texts: a list, or a mapping of labels and texts (as ARC has it).

    Raises:
        ValueError: saying what is wrong with it.
    """
    if isinstance(given, Mapping) and isinstance(given.get("text"), Sequence):
        given = given["text"]
    elif isinstance(given, Mapping):
        given = list(given.values())
    if not isinstance(given, Sequence) or isinstance(given, str) or not 2 <= len(given) <= 10:
        raise ValueError(f"two to ten options are wanted, and it is {given!r:.60}")
    if not all(isinstance(one, (str, int, float)) for one in given):
        raise ValueError(f"every option is a text; it is {given!r:.60}")
    return [str(one) for one in given]


def as_completion(given: Any) -> str:
    """A completion as a text: a text, or the assistant's messages.

    Raises:
        ValueError: saying what is wrong with it.
    """
    if isinstance(given, str):
        return given
    if isinstance(given, Sequence) and given and all(isinstance(one, Mapping) for one in given):
        texts = [one.get("content") for one in given if one.get("role") == "assistant"]
        if texts and all(isinstance(text, str) for text in texts):
            return "\n".join(texts)
    raise ValueError(f"a text or the assistant's messages are wanted, and it is {_kind(given)}")


def _kind(given: Any) -> str:
    return "empty" if given is None else f"a {type(given).__name__}"
