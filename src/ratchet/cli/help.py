"""What ``--help`` prints: the verbs in their groups, or one verb with an example that can be typed."""

import textwrap
from collections.abc import Iterator

from ratchet.cli.verb import Option, Verb
from ratchet.cli.verbs import VERBS
from ratchet.program import program

WIDTH, COLUMN = 110, 30
KEYS = "any key of the recipe, as --learning_rate 1e-4 or --evaluation.samples 8"
EXITS = (
    "exit codes: 0 done, 1 a finding (a failed audit, a plan that does not fit, a broken checkpoint), 2 a mistake "
    "that the message names, 75 stopped (the same command resumes), 130 interrupted"
)


def overview() -> str:
    """All verbs."""
    lines = ["usage: ratchet VERB ...      (ratchet VERB --help shows an example and the options)"]
    for group in dict.fromkeys(verb.group for verb in VERBS):
        lines += ["", f"{group}:"]
        lines += (_entry(verb.name, verb.help, 14) for verb in VERBS if verb.group == group)
    return "\n".join([*lines, "", _wrapped(EXITS)])


def page(verb: Verb) -> str:
    """One verb."""
    lines = [f"usage: {usage(verb)}", "", _wrapped(_sentence(verb.help)), ""]
    lines += ["example:", f"  {program()} {verb.example}"]
    if verb.positionals:
        lines += ["", "arguments:"]
        lines += (_entry(one.metavar, one.help or one.wanted, COLUMN) for one in verb.positionals)
    lines += _options(verb)
    lines += ["", _wrapped(verb.details)] if verb.details else []
    return "\n".join([*lines, *(f"  {line}" for line in verb.more)])


def usage(verb: Verb) -> str:
    """One line: what has to be given, and that there is more."""
    words = ["ratchet", verb.name]
    words += [f"[{one.metavar}]" if one.optional else one.metavar for one in verb.positionals]
    words += [f"--{option.name} {option.metavar}" for option in verb.options if option.required]
    words += ["[options]"] if any(not option.required for option in verb.options) else []
    return " ".join([*words, *(["[--key value ...]"] if verb.keys else [])])


def _options(verb: Verb) -> Iterator[str]:
    plain = [option for option in verb.options if not option.group]
    if plain:
        yield "\noptions:"
        yield from map(_option, plain)
    if verb.keys:
        yield _entry("--key value", KEYS, COLUMN)
    for group in dict.fromkeys(option.group for option in verb.options if option.group):
        yield f"\n{group}:"
        yield from (_option(option) for option in verb.options if option.group == group)


def _option(option: Option) -> str:
    shown = f"--{option.name} {option.metavar}".rstrip()
    return _entry(shown, f"{option.help}{_default(option)}", COLUMN)


def _default(option: Option) -> str:
    if option.choices:
        return f": {', '.join(option.choices)}"
    if option.flag or option.default is None or option.default == ():
        return ""
    value = f"{option.default:g}" if isinstance(option.default, float) else option.default
    return f" ({value})"


def _entry(name: str, text: str, column: int) -> str:
    """A name, and its text in a column beside it, or below a name that is too long for that."""
    indent = " " * column
    first = f"  {name}".ljust(column)
    if len(first) > column - 1 and not first.endswith(" "):
        return f"{first}\n{_filled(text, indent, indent)}"
    return _filled(text, first, indent)


def _wrapped(text: str) -> str:
    return _filled(text, "", "")


def _filled(text: str, first: str, indent: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
