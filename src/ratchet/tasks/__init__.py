"""What is learned: one file per task. ``find_task`` turns a recipe's ``task`` into a class."""

import inspect
from pathlib import Path

from ratchet.errors import UserError
from ratchet.files import import_file
from ratchet.tasks.answers.text import read_written_answer
from ratchet.tasks.aquarat.task import AquaRat
from ratchet.tasks.base import Grade, Message, Probe, Row, Split, Task, completion_text
from ratchet.tasks.dakota.task import Dakota

TASKS: dict[str, type[Task]] = {AquaRat.name: AquaRat, Dakota.name: Dakota}

__all__ = [
    "TASKS",
    "Grade",
    "Message",
    "Probe",
    "Row",
    "Split",
    "Task",
    "completion_text",
    "find_task",
    "load_split",
    "read_written_answer",
    "train_split",
]


def find_task(name: str) -> type[Task]:
    """The task of that name, or the one ``Task`` subclass that the Python file of that path defines.

    Raises:
        UserError: for an unknown name, or a file that cannot be imported or defines no task, or several.
    """
    if name in TASKS:
        return TASKS[name]
    if not name.endswith(".py"):
        raise UserError(
            f"task: there is no task {name!r}; choose from {', '.join(sorted(TASKS))}, or name a Python file"
        )
    path = Path(name).expanduser()
    module = import_file(path, "task")
    found = [
        c
        for c in vars(module).values()
        if inspect.isclass(c) and issubclass(c, Task) and c.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise UserError(f"task: {path} must define one subclass of ratchet.tasks.Task, it defines {len(found)}")
    missing = sorted(getattr(found[0], "__abstractmethods__", ()))
    if missing:
        raise UserError(
            f"task: {path}: {found[0].__name__} does not define {', '.join(missing)}; ratchet.tasks.Task says what they do"
        )
    return found[0]


def train_split(task: Task) -> str:
    """The split that is trained on: the task's ``train_split`` where it has one."""
    return getattr(task, "train_split", "train")


def load_split(task: Task, split: str | None = None) -> Split:
    """The rows of a split, by default those that are trained on.

    Raises:
        UserError: where the task's ``load`` raises, or returns something else than a ``Split``.
    """
    split = split or train_split(task)
    try:
        found = task.load(split)
    except UserError:
        raise
    except Exception as error:  # whatever a task of the user's own raises
        raise UserError(f"{task.name}.load({split!r}) raises {type(error).__name__}: {error}") from error
    if not isinstance(found, Split):
        raise UserError(f"{task.name}.load must return a ratchet.tasks.Split, it returns a {type(found).__name__}")
    return found
