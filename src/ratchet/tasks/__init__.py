"""What is learned: one file per task. ``find_task`` turns a recipe's ``task`` into a class."""

import importlib.util
import inspect
import sys
import traceback
from pathlib import Path

from ratchet.errors import UserError
from ratchet.tasks.aquarat import AquaRat
from ratchet.tasks.base import Grade, Message, Row, Split, Task, completion_text

TASKS: dict[str, type[Task]] = {AquaRat.name: AquaRat}

__all__ = ["TASKS", "Grade", "Message", "Row", "Split", "Task", "completion_text", "find_task"]


def find_task(name: str) -> type[Task]:
    """The task of that name, or the one ``Task`` subclass that the Python file of that path defines.

    Raises:
        UserError: for an unknown name, or a file that cannot be imported or defines no task, or several.
    """
    if name in TASKS:
        return TASKS[name]
    if not name.endswith(".py"):
        raise UserError(f"task: there is no task {name!r}; choose from {', '.join(sorted(TASKS))}, or name a Python file")
    path = Path(name).expanduser()
    if not path.is_file():
        raise UserError(f"task: the file {name} does not exist")
    module_name = f"ratchet_task_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file raises, at the line that raised it
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = getattr(error, "lineno", None) or (lines[-1] if lines else 1)
        raise UserError(f"task: {path}:{line}: {type(error).__name__}: {error}") from error
    found = [c for c in vars(module).values() if inspect.isclass(c) and issubclass(c, Task) and c.__module__ == module_name]
    if len(found) != 1:
        raise UserError(f"task: {path} must define one subclass of ratchet.tasks.Task, it defines {len(found)}")
    return found[0]
