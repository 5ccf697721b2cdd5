"""A question whose answer is the likeliest letter, as harnesses ask it."""

from ratchet.tasks.base import Row, Task


def letters(task: Task, row: Row) -> tuple[str, list[str]]:
    """What stands before the letter in the answer's form, and the letters as they follow it."""
    prefix = task.commit("", row).rstrip()  # a space belongs to the letter: tokenizers have " A"
    return prefix, [task.commit(answer, row).removeprefix(prefix) for answer in task.answers]
