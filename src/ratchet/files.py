"""Files that are written whole or not at all, folders that one process has to itself, and the user's Python files."""

import ast
import errno
import fcntl
import importlib.util
import inspect
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from ratchet.errors import UserError

# What a disk without room, a quota, and a limit on the size of a file say.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_full(error: BaseException | None) -> bool:
    """Whether an error says that there is no room to write; torch, safetensors and Arrow have errors of their own."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:  # libraries raise their own error because of it
        said = str(error)
        if getattr(error, "errno", None) in FULL:
            return True
        if any(os.strerror(number) in said or f"(os error {number})" in said for number in FULL):
            return True
        seen.append(error)
        error = error.__cause__ or error.__context__
    return False


def of_the_disk(error: BaseException) -> bool:
    """Whether an error is the file system's. safetensors, being Rust, raises its own with the number in its text.

    >>> of_the_disk(Exception("Error while serializing: I/O error: No such file or directory (os error 2)"))
    True
    """
    return is_full(error) or isinstance(error, OSError) or "(os error " in str(error)


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside it, since a rename is atomic within one file system only.
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def keep_earlier(path: Path, *beside: Path) -> str | None:
    """Move a file, and those that belong to it, out of the way of a new one.

    Returns:
        A sentence about it; None where there was no file.

    >>> keep_earlier(Path("nowhere/result.json"))
    """
    if not path.exists():
        return None
    number = next(i for i in range(1, 10_000) if not path.with_stem(f"{path.stem}-{i}").exists())
    for file in (path, *beside):
        if file.exists():
            file.rename(file.with_stem(f"{file.stem}-{number}"))
    return f"kept the earlier {path.name} as {path.stem}-{number}{path.suffix}"


def read_json(path: Path) -> Any:
    """What a JSON file holds; None where it is not there or cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def room_under(folder: Path) -> tuple[Path, int]:
    """A folder and the bytes free under it; of one that is not there, or was just taken away, what it stands in."""
    folder = folder.absolute()
    for there in (folder, *folder.parents):
        if there.is_dir():
            with suppress(FileNotFoundError):
                return there, shutil.disk_usage(there).free
    raise FileNotFoundError(folder)


def cache(what: str) -> Path:
    """The folder in which something is remembered from one command to the next."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "ratchet" / what


def size_text(size: float) -> str:
    """
    >>> size_text(300), size_text(11 * 2**20), size_text(3.2 * 2**30)
    ('0.3 KiB', '11.0 MiB', '3.2 GiB')
    """
    for unit, name in ((2**30, "GiB"), (2**20, "MiB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size / 2**10:.1f} KiB"


def is_volume(folder: Path) -> bool:
    """Whether a folder has a file system of its own, or one beside which nothing can be written."""
    if not folder.is_dir():
        return False
    parent = folder.resolve().parent
    return folder.is_mount() or folder.stat().st_dev != parent.stat().st_dev or not os.access(parent, os.W_OK)


def hidden_beside(folder: Path, what: str) -> Path:
    """A hidden path for what belongs to a folder: beside it, or inside where it is a volume.

    It is the same for every link that leads to the folder, and on the folder's own file system.
    """
    folder = folder.resolve()
    return folder / f".{what}" if is_volume(folder) else folder.with_name(f".{folder.name}.{what}")


def lock_of(folder: Path) -> Path:
    """The lock file of a run's folder."""
    return hidden_beside(folder, "lock")


def in_use(folder: Path) -> bool:
    """Whether a process holds a run's folder."""
    try:
        with lock_of(folder).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextmanager
def alone(path: Path, what: str, option: str) -> Iterator[None]:
    """Hold a lock file while the block lasts. The lock goes with the process, however that ends; the file at the end.

    Args:
        what: is being locked, and ``option`` names another, for the error message.

    Raises:
        UserError: when another process holds it, or it cannot be written.
    """
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise UserError(f"{what} cannot be written ({error.strerror}); name another with {option}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            raise UserError(
                f"{what} is in use by {holder}; wait for it, stop it, or name another with {option}"
            ) from None
        if path.exists() and os.fstat(file.fileno()).st_ino == path.stat().st_ino:
            break
        file.close()  # its last holder took the file away in this moment
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        file.flush()
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


def import_file(path: Path, key: str) -> ModuleType:
    """Import a Python file that the user named.

    Args:
        key: under which it was named, for the error message.

    Raises:
        UserError: when there is no such file, or it raises anything, with the line that raised it.
    """
    if not path.is_file():
        raise UserError(f"{key}: the file {path} does not exist")
    spec = importlib.util.spec_from_file_location(f"ratchet_{key.strip('-')}_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    beside = str(path.resolve().parent)
    if beside not in sys.path:  # it may import what lies beside it; last, so that nothing is hidden
        sys.path.append(beside)
    try:
        spec.loader.exec_module(module)
    except UserError as error:
        raise UserError(f"{key}: {path}: {error}") from error
    except Exception as error:  # the user's file may raise anything
        full = str(path.absolute())
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == full]
        line = getattr(error, "lineno", None) or (lines[-1] if lines else 1)
        raise UserError(f"{key}: {path}:{line}: {type(error).__name__}: {error}") from error
    return module


def place_of(error: BaseException) -> str:
    """Where in the user's own code an exception was raised, " (mine.py:7)"; empty where that is not in it."""
    here = str(Path(__file__).parent)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith((here, sys.prefix, sys.base_prefix, "<"))]
    return f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""


def function_in(place: str, key: str) -> Callable[..., Any]:
    """The function that "path/to/file.py:function" names.

    Args:
        key: under which it was named, for a message.

    Raises:
        UserError: when there is no such file or function, or the file cannot be imported.
    """
    path, _, name = place.rpartition(":")
    if not path.endswith(".py") or not name:
        raise UserError(f"{key}: write path/to/file.py:function, not {place}")
    module = import_file(Path(path), key)
    function = getattr(module, name, None)
    if not callable(function):
        there = ", ".join(n for n, value in vars(module).items() if inspect.isfunction(value)) or "none"
        raise UserError(f"{key}: {path} has no function {name}; it has {there}")
    return function


def with_imports(path: Path) -> list[Path]:
    """A Python file, and the files beside it that it imports, those that these import, and so on, in a fixed order.

    Read off the sources: an import within a function counts as well, and nothing is imported for it.
    """
    folder, found, waiting = path.resolve().parent, [], [path.resolve()]
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.append(file)
        waiting += _imported_beside(file, folder)
    return sorted(found)


def _imported_beside(file: Path, folder: Path) -> list[Path]:
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
            names |= {f"{node.module or ''}.{alias.name}".strip(".") for alias in node.names}
    found = []
    for name in names - {""}:
        parts = name.split(".")
        for place in {folder, file.parent}:  # absolute, or relative to a package
            first = place / parts[0]
            found += [p for p in (first.with_suffix(".py"), place.joinpath(*parts).with_suffix(".py")) if p.is_file()]
            found += sorted(first.rglob("*.py")) if (first / "__init__.py").is_file() else []
    return [p.resolve() for p in found]
