"""What a place to launch is: the options that it takes, what it refuses, what it would do, and doing it."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

from ratchet.launch.request import Launch, LaunchRequest

Options = TypeVar("Options")


class Place(Protocol[Options]):
    """Somewhere a recipe can be launched; ``launch.places`` has one object for each.

    A launch calls its methods in order: ``manage``, ``read``, ``launch``, ``check``, then ``render`` or ``start``.
    """

    name: str
    """As ``--on`` takes it."""
    takes: tuple[str, ...]
    """Names of the command line's options that not every place takes."""
    flags: frozenset[str] = frozenset()
    """Those of them that stand without a value."""

    def manage(self, request: LaunchRequest, environ: Mapping[str, str]) -> int | None:
        """Do what needs no recipe, as showing what is running: its exit status; None where a launch is meant."""
        return None

    def read(self, request: LaunchRequest, environ: Mapping[str, str]) -> Options:
        """The place's options, typed.

        Raises:
            UserError: for one that is missing, or no number where it should be.
        """
        ...

    def launch(self, request: LaunchRequest, options: Options, environ: Mapping[str, str]) -> Launch:
        """The resolved recipe on the processes that the place has."""
        return request.launch(environ)

    def check(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> None:
        """Raise a UserError for what this place cannot do."""
        ...

    def render(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> str:
        """Every file, request and command, for a dry run; secrets are masked by the caller."""
        ...

    def start(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> int:
        """Launch; the exit status."""
        ...
