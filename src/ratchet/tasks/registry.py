"""Which task a name or a file means, and its rows."""

import inspect
from pathlib import Path
from types import ModuleType

from ratchet.errors import UserError
from ratchet.files import import_file
from ratchet.tasks.aquarat.task import AquaRat
from ratchet.tasks.base import Split, Task
from ratchet.tasks.dakota.task import Dakota
from ratchet.tasks.dataset.task import Dataset

TASKS: dict[str, type[Task]] = {cls.name: cls for cls in (AquaRat, Dakota, Dataset)}


def find_task(name: str) -> type[Task]:
    """The task of that name, or a ``Task`` subclass of a Python file: "file.py", or "file.py:Class" of several.

    Raises:
        UserError: for an unknown name, or a file that cannot be imported, or does not define the one that is meant.
    """
    if name in TASKS:
        return TASKS[name]
    file, _, wanted = name.partition(":") if ".py:" in name else (name, "", "")
    if not file.endswith(".py"):
        known = ", ".join(sorted(TASKS))
        raise UserError(f"task: there is no task {name!r}; choose from {known}, or name a Python file")
    path = Path(file).expanduser()
    there = _tasks_of(import_file(path, "task"))
    found = [cls for cls in there if wanted in ("", cls.__name__)]
    if len(found) != 1:
        names = ", ".join(cls.__name__ for cls in there) or "none"
        raise UserError(
            f"task: {path} must define one subclass of ratchet.tasks.Task, or be followed by the name of one "
            f"(FILE.py:CLASS); it defines {names}"
        )
    missing = sorted(getattr(found[0], "__abstractmethods__", ()))
    if missing:
        raise UserError(
            f"task: {path}: {found[0].__name__} does not define {', '.join(missing)}; "
            "ratchet.tasks.Task says what they do"
        )
    return found[0]


def _tasks_of(module: ModuleType) -> list[type[Task]]:
    """The tasks that a module defines itself; those that it imports are not meant."""
    classes = [value for value in vars(module).values() if inspect.isclass(value)]
    return [c for c in classes if issubclass(c, Task) and c.__module__ == module.__name__]


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
        loaded = task.load(split)
    except UserError:
        raise
    except Exception as error:  # a task of the user's own may raise anything
        raise UserError(f"{task.name}.load({split!r}) raises {type(error).__name__}: {error}") from error
    if not isinstance(loaded, Split):
        raise UserError(f"{task.name}.load must return a ratchet.tasks.Split, it returns a {type(loaded).__name__}")
    return loaded
