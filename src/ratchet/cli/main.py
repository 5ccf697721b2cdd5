"""``ratchet VERB ...``: find the verb, understand its command line, and only then import what it does."""

import importlib
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import ratchet
from ratchet.cli.help import overview, page
from ratchet.cli.options import parse
from ratchet.cli.suggestions import nearest
from ratchet.cli.verb import Arguments, Verb
from ratchet.cli.verbs import NAMES, verb_of
from ratchet.errors import Stopped, UserError, command
from ratchet.files import is_full

HELP = ("--help", "-h")


@command
def main() -> int | None:
    """The program; its exit code."""
    return run(sys.argv[1:])


@command
def sft() -> int | None:
    """``scripts/sft.py``, which accelerate launches: the verb sft."""
    return _launched("sft")


@command
def distill() -> int | None:
    """``scripts/distill.py``, which accelerate launches: the verb distill."""
    return _launched("distill")


@command
def grpo() -> int | None:
    """``scripts/grpo.py``, which accelerate launches: the verb grpo."""
    return _launched("grpo")


def _launched(script: str) -> int | None:
    # A job's launcher ignores SIGUSR1, which is for its processes; they inherit that.
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    return run([script, *sys.argv[1:]])


def run(words: Sequence[str]) -> int | None:
    """Do what a command line says.

    Raises:
        UserError: for what cannot be understood, and whatever the verb finds.
    """
    first, rest = (words[0], words[1:]) if words else ("", ())
    if first == "--version":
        print(f"ratchet {ratchet.__version__}")
        return 0
    if first in (*HELP, "help", ""):
        verb = verb_of(rest[0]) if rest else None
        print(page(verb) if verb else overview())
        if not words:
            raise UserError("name a verb")
        return 0
    verb = verb_of(first)
    if verb is None:
        raise UserError(_no_verb(first))
    if set(HELP) & set(rest):
        print(page(verb))
        return 0
    arguments = parse(verb, rest)
    try:
        return _function(verb)(arguments)
    except UserError as error:
        error.args = (f"{error}{_how_to_make(arguments)}",)
        raise
    except Exception as error:
        if not is_full(error):
            raise
        where = getattr(error, "filename", None) or "a file"
        raise Stopped(f"no space left while writing {where}; free some, and rerun the same command") from None


def _how_to_make(arguments: Arguments) -> str:
    """What would make the run that a command line names, where it is not there and a recipe is known that does."""
    named = [str(arguments.values[key]) for key in ("run", "model") if arguments.values.get(key)]
    missing = [name for name in named if not Path(name).expanduser().exists()]
    if not missing:
        return ""
    from ratchet.recipe.makers import how_to_make

    return how_to_make(missing[0])


def _function(verb: Verb) -> Callable[[Arguments], int | None]:
    module, _, name = verb.run.partition(":")
    return getattr(importlib.import_module(module), name)


def _no_verb(word: str) -> str:
    if word.endswith((".yaml", ".yml")):
        return f"{word}: name first what is to be done with it, as in ratchet plan {word}"
    near = nearest(Path(word).stem.lstrip("-"), NAMES)
    hint = f"did you mean ratchet {near}?" if near else f"there are {', '.join(NAMES)}"
    return f"unknown verb {word}; {hint}"
