"""Which column of a row is the prompt, the answer, the options and the completion: as told, or by the usual names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    """Whole conversations, of which the last turn is the completion; instead of prompt and completion."""

    def __str__(self) -> str:
        parts = {kind: getattr(self, kind) for kind in USUAL}
        return ", ".join(f"{kind} from {name}" for kind, name in parts.items() if name)


def columns_of(row: Mapping[str, Any], named: Mapping[str, str | None], place: str, answered: bool) -> Columns:
    """Find the columns.

    Args:
        row: of the data set.
        named: kind -> the column that the recipe names, or None.
        place: of the row, for a message.
        answered: whether there must be an answer.

    Raises:
        UserError: where a named column is not there, or prompt or answer cannot be told.
    """
    found: dict[str, str | None] = {}
    for kind, usual in USUAL.items():
        name = named.get(kind)
        if name is not None and name not in row:
            raise UserError(f"data.{kind}: {place} has no column {name}; it has {', '.join(map(str, row))}")
        taken = set(found.values())
        found[kind] = name or next((one for one in usual if one in row and one not in taken), None)
    if found["prompt"] is not None:
        found["messages"] = None
    for kind in ("prompt", "answer") if answered else ("prompt",):
        if found[kind] is None and not (kind == "prompt" and found["messages"]):
            raise UserError(
                f"data.{kind}: name the column; {place} has {', '.join(map(str, row)) or 'none'}, and none of "
                f"{', '.join(USUAL[kind])}"
            )
    return Columns(**found)


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

    Raises:
        ValueError: saying what is wrong with it.
    """
    if isinstance(given, Sequence) and len(given) > 1 and isinstance(given[-1], Mapping):
        last = given[-1]
        if last.get("role") == "assistant" and isinstance(last.get("content"), str) and last["content"].strip():
            return as_messages(given[:-1]), last["content"]
    raise ValueError("a list of messages is wanted whose last one is the assistant's, with a content")


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
