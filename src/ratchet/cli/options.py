"""One parser for all verbs: positional arguments, typed options, recipe keys, and the nearest name for each mistake.

``--key value`` and ``--key=value`` mean the same, hyphens and underscores too. A verb that takes recipe keys takes
every ``--key`` that is no option of its own as one; a recipe key without a value is true, and of one that is given
twice the last counts, so that a command can be laid over by what is appended to it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ratchet.cli.suggestions import is_known, listed, meant, nearest_choice, unknown
from ratchet.cli.verb import Arguments, Option, Positional, Verb
from ratchet.errors import UserError, UserErrors

_NUMBER = re.compile(r"-\.?\d")


def parse(verb: Verb, words: Sequence[str]) -> Arguments:
    """Understand what stands after the verb.

    Raises:
        UserError: naming what is unknown, missing, too much, given twice or of the wrong type, and the nearest name.
    """
    found = _Sorted(verb)
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word.startswith("--"):
            found.option(word[2:], rest)
        elif len(word) > 1 and word[0] == "-" and not _NUMBER.match(word):
            raise UserError(f"{word}: options begin with --{meant(verb, word.lstrip('-'))}")
        else:
            found.positional.append(word)
    return found.checked()


@dataclass
class _Sorted:
    """The words of a command line, each where it belongs."""

    verb: Verb
    positional: list[str] = field(default_factory=list)
    given: dict[str, list[str]] = field(default_factory=dict)
    overrides: list[tuple[str, str]] = field(default_factory=list)

    def option(self, text: str, rest: list[str]) -> None:
        """Take an option, and its value off the rest."""
        name, equals, value = text.partition("=")
        option, key = self.verb.option(name), name.replace("-", "_")
        if option is not None:
            self._own(option, value if equals else None, rest)
        elif key == "config" and self._takes_recipe():
            self.positional.append(value if equals else _value(Option("config", "", "RECIPE.yaml"), rest))
        elif equals:
            self.overrides.append((key, value))
        else:
            # Two hyphens begin an option; one may begin a negative number, which is a value.
            alone = not rest or rest[0].startswith("--")
            self.overrides.append((key, "true" if alone else rest.pop(0)))

    def _takes_recipe(self) -> bool:
        return any(positional.name == "recipe" for positional in self.verb.positionals)

    def _own(self, option: Option, value: str | None, rest: list[str]) -> None:
        values = _flag(option, value) if option.flag else _values(option, value, rest)
        if option.key in self.given:
            raise UserError(f"--{option.name} is given twice{_both(option, self.given[option.key], values)}")
        if values:
            self.given[option.key] = values

    def checked(self) -> Arguments:
        """The arguments.

        Raises:
            UserError: for the first kind of mistake that there is, in the order in which one hides another.
        """
        verb = self.verb
        # A mistyped option may have taken the recipe for its value, so it is told before the recipe is missed.
        if strange := [name for name, _ in self.overrides if not is_known(verb, name)]:
            raise UserErrors([unknown(verb, name) for name in strange])
        values = {option.key: _typed(option, self.given.get(option.key)) for option in verb.options}
        values |= self._positionals()
        if missing := [option for option in verb.options if option.required and option.key not in self.given]:
            raise UserError(_missing(missing[0]))
        given = {key: " ".join(texts) for key, texts in self.given.items()}
        return Arguments(values, given, self.overrides)

    def _positionals(self) -> dict[str, Any]:
        left, values = list(self.positional), {}
        for positional in self.verb.positionals:
            if positional.many:
                values[positional.name] = [positional.kind(word) for word in left] or positional.default
                left = []
            elif left:
                values[positional.name] = _placed(positional, left.pop(0))
            else:
                values[positional.name] = positional.default
        if left:
            raise UserError(self._surplus(left[0], values))
        needed = [one for one in self.verb.positionals if not one.optional]
        if any(values[one.name] is None for one in needed):
            raise UserError(_name_them(self.verb, needed))
        return values

    def _surplus(self, word: str, values: Mapping[str, Any]) -> str:
        option = self.verb.option(word)
        if option is not None:
            return f"{word}: did you mean --{option.name}?"
        if not self.verb.positionals:
            return f"{word}: ratchet {self.verb.name} takes options alone, and they begin with --"
        last = self.verb.positionals[-1]
        return f"{word}: there is {last.wanted} already ({values[last.name]}); options begin with --"


def _flag(option: Option, value: str | None) -> list[str]:
    if value not in (None, "true", "false"):
        raise UserError(f"--{option.name} takes no value, not {value}")
    return [] if value == "false" else ["true"]


def _values(option: Option, value: str | None, rest: list[str]) -> list[str]:
    if value == "":
        raise UserError(_needs(option))
    values = [_value(option, rest) if value is None else value]
    while option.many and rest and not rest[0].startswith("--"):
        values.append(rest.pop(0))
    return values


def _both(option: Option, first: Sequence[str], second: Sequence[str]) -> str:
    return "" if option.flag else f": {' '.join(first)} and {' '.join(second)}"


def _value(option: Option, rest: list[str]) -> str:
    if rest and not rest[0].startswith("--"):
        return rest.pop(0)
    if option.bare is not None:
        return option.bare
    raise UserError(_needs(option))


def _needs(option: Option) -> str:
    return option.needs or f"--{option.name} needs a value: --{option.name} {option.metavar}"


def _typed(option: Option, texts: list[str] | None) -> Any:
    if texts is None:
        return False if option.flag else option.default
    if option.flag:
        return True
    values = [_converted(option, text) for text in texts]
    return values if option.many else values[0]


def _converted(option: Option, text: str) -> Any:
    if option.choices and text not in option.choices:
        hint = nearest_choice(text, option.choices)
        raise UserError(f"--{option.name} {option.says} {listed(option.choices)}, not {text}{hint}")
    if option.kind in (int, float):
        return _number(option, text)
    return option.kind(text)


def _number(option: Option, text: str) -> int | float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not option.least <= value < float("inf"):  # NaN is neither
        least = f" from {option.least:g} on" if option.least else ""
        raise UserError(f"--{option.name} takes a number{least}, not {text}")
    if option.kind is int and value != int(value):
        raise UserError(f"--{option.name} takes a whole number, not {text}")
    return option.kind(value)


def _placed(positional: Positional, word: str) -> Any:
    if positional.choices and word not in positional.choices:
        raise UserError(f"{word} is not {listed(positional.choices)}{nearest_choice(word, positional.choices)}")
    return positional.kind(word)


def _missing(option: Option) -> str:
    if option.choices:
        return f"--{option.name} {option.says} {listed(option.choices)}"
    return f"--{option.name} {option.metavar} is missing"


def _name_them(verb: Verb, needed: Sequence[Positional]) -> str:
    wanted = [positional.wanted for positional in needed]
    wanted += [f"--{option.name} {option.metavar}" for option in verb.options if option.required]
    together = wanted[0] if len(wanted) == 1 else f"{', '.join(wanted[:-1])}, and {wanted[-1]}"
    return f"name {together}, as in: ratchet {verb.example}"
