"""What the teacher is told beside the student's prompt, and the check that it is really shown.

The context joins the system message: a system message of its own is dropped by some chat templates without a word, and
refused by others.
"""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import jinja2

from ratchet.errors import UserError
from ratchet.files import function_in
from ratchet.models import ChatFormat
from ratchet.models.template_check import Sample, check_prompts
from ratchet.rewards import raised
from ratchet.tasks.base import Message, Row, Task
from ratchet.tasks.dataset.columns import is_template, jinja
from ratchet.tasks.dataset.sources import is_function

Context = Callable[[Row], str]
BETWEEN = "\n\n"
KEY = "distillation.context"


def context_of(given: str | None) -> Context | None:
    """The recipe's ``distillation.context`` as a function of a row; None where the teacher reads what the student
    reads.

    Raises:
        UserError: for a template that is none, or a function that is not there; and, when it is called, for a row of
            which no context can be made.
    """
    if given is None:
        return None
    if is_function(given):
        made = function_in(str(Path(given).expanduser()), KEY)
    elif is_template(given):
        try:
            template = jinja().from_string(given)
        except jinja2.TemplateError as error:
            raise UserError(f"{KEY} is no template ({error}): {given!r:.80}") from None

        def made(row: Row) -> str:
            return template.render(**{**row.get("columns", {}), **row})
    else:

        def made(row: Row) -> str:
            return given

    def context(row: Row) -> str:
        try:
            text = made(row)
        except jinja2.UndefinedError as error:
            said = str(error.message).replace(" is undefined", " is no column of it")
            raise UserError(f"{KEY}: row {row['id']}: {said}; it has {', '.join(map(str, row))}") from None
        except Exception as error:  # a function of the user's own
            raise raised(KEY, row, error) from error
        if not isinstance(text, str) or not text.strip():
            raise UserError(f"{KEY}: of row {row['id']} it makes {text!r:.60}; a text is wanted that is not empty")
        return text

    return context


def told(messages: Sequence[Message], text: str) -> list[Message]:
    """A conversation whose system message begins with a context; every message of it is kept.

    >>> told([{"role": "user", "content": "2 + 2?"}], "Count.")[0]
    {'role': 'system', 'content': 'Count.'}
    >>> told([{"role": "system", "content": "Be brief."}], "Count.")
    [{'role': 'system', 'content': 'Count.\\n\\nBe brief.'}]
    """
    if messages and messages[0]["role"] == "system":
        return [{**messages[0], "content": text + BETWEEN + messages[0]["content"]}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def told_task(task: Task, context: Context) -> Task:
    """The same task, whose prompts hold the context as well: what a teacher is measured on."""
    found = copy.copy(task)
    vars(found)["messages"] = lambda row: told(task.messages(row), context(row))
    return found


def check_context(
    context: Context, task: Task, rows: Sequence[Row], chat: ChatFormat, room: int | None, samples: int
) -> list[str]:
    """Make sure that the teacher is shown the context and all of the student's prompt, and that both prompts end
    alike; returns what should be known, a sentence each.

    Args:
        room: tokens that the teacher can read before the completion, if there is a limit.
        samples: rows whose rendered prompts are compared.

    Raises:
        UserError: for the first row where that is not so.
    """
    longest, every = 0, [told(task.messages(row), context(row)) for row in rows]
    texts = [chat.prompt(messages) for messages in every]
    for row, ids in zip(rows, chat.tokenizer(texts, add_special_tokens=False)["input_ids"], strict=True):
        longest = max(longest, len(ids))
        if room is not None and len(ids) > room:
            raise UserError(
                f"{KEY}: row {row['id']}: prompt and context are {len(ids)} tokens, and the teacher can read {room} "
                "before a completion; shorten the context, or lower max_completion_length"
            )
    chosen = [*zip(rows, every, strict=True)][:: max(1, len(rows) // samples)]
    check_prompts(chat, [Sample(row["id"], more) for row, more in chosen])
    for row, more in chosen:
        ends = [_ending(chat, messages) for messages in (task.messages(row), more)]
        if ends[0] != ends[1]:
            raise UserError(
                f"{KEY}: row {row['id']}: with the context the chat template ends the prompt with {ends[1]!r:.60}, "
                f"and without it with {ends[0]!r:.60}, so that the same completion would be two different ones"
            )
    return [f"the teacher's prompts, context included, have at most {longest} tokens"]


def _ending(chat: ChatFormat, messages: Sequence[Message]) -> str:
    """What follows the last message's text."""
    last = chat.messages(messages)[-1]["content"].strip()
    return chat.prompt(messages).rpartition(last)[2]
