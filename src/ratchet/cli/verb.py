"""What a verb of the program is: its arguments, its options, and what a command line comes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Option:
    """``--name VALUE``, or ``--name`` where it has no metavar."""

    name: str
    """As it is shown: some are written with hyphens, those that accelerate and TRL have too with underscores."""
    help: str
    metavar: str = ""
    kind: type = str
    """str, int, float or Path."""
    default: Any = None
    least: float = 0
    """The smallest number that is taken."""
    choices: tuple[str, ...] = ()
    says: str = "is"
    """What stands between the option and its choices in a message."""
    many: bool = False
    """Whether it takes all words up to the next option."""
    bare: str | None = None
    """The value where none is given."""
    required: bool = False
    needs: str = ""
    """The message where a value is missing."""
    group: str = ""
    """The heading under which the help shows it."""

    @property
    def key(self) -> str:
        """Its name in ``Arguments``."""
        return self.name.replace("-", "_")

    @property
    def flag(self) -> bool:
        """Whether it takes no value."""
        return not self.metavar


@dataclass(frozen=True)
class Positional:
    """An argument that is told by its place."""

    name: str
    metavar: str
    wanted: str
    """In a message: "name a recipe"."""
    help: str = ""
    kind: type = str
    choices: tuple[str, ...] = ()
    optional: bool = False
    many: bool = False
    default: Any = None


@dataclass(frozen=True)
class Verb:
    """One thing that the program does."""

    name: str
    group: str
    help: str
    """One line."""
    run: str
    """ "module:function", imported once the command line is understood; the function gets ``Arguments``."""
    example: str
    """What stands after ``ratchet``; it works when typed from the repository's root."""
    positionals: tuple[Positional, ...] = ()
    options: tuple[Option, ...] = ()
    keys: bool = False
    """Whether any key of the recipe is taken besides, as ``--key value``."""
    details: str = ""
    more: tuple[str, ...] = ()
    """Whole command lines that are shown as they stand."""

    def option(self, name: str) -> Option | None:
        """The option of that name, however its hyphens are written."""
        key = name.replace("-", "_")
        return next((option for option in self.options if option.key == key), None)


@dataclass(frozen=True)
class Arguments:
    """A command line that was understood."""

    values: Mapping[str, Any]
    """Positional arguments and options, typed, with defaults."""
    given: Mapping[str, str]
    """The options that were given, as they were typed."""
    overrides: Sequence[tuple[str, str]]
    """Recipe keys."""

    def __getitem__(self, name: str) -> Any:
        return self.values[name]
