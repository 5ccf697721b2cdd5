"""Talk to a trained model, or watch rows of its task go through: prompt, completion, what the grader reads, worth."""

import select
import sys
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from ratchet.errors import UserError
from ratchet.inference.completion import Completion, Sampling
from ratchet.inference.policy import Policy
from ratchet.rewards import RewardTerm
from ratchet.tasks.base import Message, Row

PASTED = 0.05
"""Seconds within which another line is there only where several were pasted."""


def talk(policy: Policy, sampling: Sampling, conversation: bool = False) -> None:
    """Answer what is typed until an empty line; what is pasted is one question, however many lines it has.

    In a pipe each line is a question; a written \\n in it is a line break.

    Args:
        conversation: whether the model is shown what was said before; else each line is a question of its own.
    """
    system = getattr(policy.task, "system_prompt", None)
    start: list[Message] = [{"role": "system", "content": system}] if system else []
    messages = list(start)
    print(
        "Ask; an empty line ends, several pasted lines are one question." + (" /new forgets." if conversation else "")
    )
    if example := _example(policy):
        print(f"A question of its task:\n{example}")
    for number in count():
        line = _line("> ")
        if not line:
            return
        if line == "/new" or not conversation:
            messages = list(start)
        if line == "/new":
            continue
        if spelled := policy.chat.plain.found(line):
            print(f"({', '.join(spelled)} in your text stays text, and is not the model's special token)")
        messages.append({"role": "user", "content": line.replace("\\n", "\n")})
        completion = _streamed(policy, messages, Sampling(**{**vars(sampling), "seed": sampling.seed + number}))
        messages.append({"role": "assistant", "content": completion.text})


def browse(policy: Policy, split: str, wanted: str | None, sampling: Sampling) -> None:
    """Let rows go through, the one wanted first, then those that are asked for on standard input.

    Args:
        wanted: a row's number in the split, from 0 on, or its id; None: the first.
    """
    rows = policy.rows(split)
    index = _index(rows, wanted or "0")
    while True:
        show(policy, rows[index], f"row {index} of {len(rows)}, {split}", sampling)
        while True:
            line = _line("\nEnter for the next row, a number or an id for another, q to end: ")
            if line is None or line == "q":
                return
            try:
                index = _index(rows, line or str((index + 1) % len(rows)))
                break
            except UserError as error:
                print(error)


def show(policy: Policy, row: Row, title: str, sampling: Sampling) -> None:
    """Let one row go through, and print every station."""
    print(f"--- {title}: {row['id']} ({policy.task.label})")
    for message in policy.task.messages(row):
        print(f"[{message['role']}]\n{message['content']}")
    print("[assistant]")
    completion = _streamed(policy, policy.task.messages(row), sampling)
    scored = policy.score(completion.text, row, completion.tokens)
    grade = scored.grade
    answer, place = "none that the grader can read", ""
    if grade.answer is not None:
        answer = grade.answer
    if grade.span is not None:
        start, end = grade.span
        place = f", read from {completion.text[start:end]!r} at character {start}"
    parts = ", ".join(f"{name} {value:g}" for name, value in grade.components.items())
    print(f"--- answer     {answer}{place}")
    print(f"    gold       {policy.task.gold(row)}")
    print(f"    correct    {'yes' if grade.correct else 'no'}")
    print(f"    grade      {parts or 'has no parts'}")
    print(f"    reward     {scored.reward:g} = {_sum(policy.recipe.rewards, scored.rewards)}")


def _sum(terms: Sequence[RewardTerm], rewards: dict[str, float]) -> str:
    weights = {term.name: term.weight for term in terms}
    return " + ".join(f"{weights.get(name, 1.0):g} x {name} {value:g}" for name, value in rewards.items())


def _streamed(policy: Policy, messages: list[Message], sampling: Sampling) -> Completion:
    start = time.perf_counter()
    completion = policy.stream(messages, sampling)
    cut_off = ", cut off" if completion.truncated else ""
    print(f"({completion.tokens} tokens{cut_off}, {time.perf_counter() - start:.1f} s)")
    return completion


def _index(rows: Sequence[Row], wanted: str) -> int:
    if wanted.isdecimal() and int(wanted) < len(rows):
        return int(wanted)
    found = next((i for i, row in enumerate(rows) if row["id"] == wanted), None)
    if found is None:
        raise UserError(
            f"--row: there is no row {wanted}; give a number from 0 to {len(rows) - 1}, or an id like {rows[0]['id']}"
        )
    return found


def _example(policy: Policy) -> str:
    """A row's question, to be copied; nothing where no rows are at hand, without a network."""
    source = getattr(policy.task, "source", None)
    if isinstance(source, str) and source != "generated" and not Path(source).expanduser().exists():
        return ""
    try:
        return policy.task.messages(policy.rows("validation")[0])[-1]["content"]
    except (UserError, LookupError):
        return ""


def _line(prompt: str) -> str | None:
    """A line without its ends, or all the lines that were pasted at once; None where there are no more."""
    try:
        lines = [input(prompt)]
        while sys.stdin.isatty() and select.select([sys.stdin], [], [], PASTED)[0]:
            lines.append(input())
        return "\n".join(lines).strip()
    except EOFError:
        print()
        return None
