"""One parser for all verbs: positional arguments, typed options, recipe keys, and the nearest name for each mistake.

``--key value`` and ``--key=value`` mean the same, hyphens and underscores too. A verb that takes recipe keys takes
every ``--key`` that is no option of its own as one; a recipe key without a value is true, and of one that is given
twice the last counts, so that a command can be laid over by what is appended to it.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ratchet.errors import UserError, UserErrors

NEAR = 0.6  # of difflib's similarity, from which on a name may have been meant
_NUMBER = re.compile(r"-\.?\d")


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
            raise UserError(f"{word}: options begin with --{_meant(verb, word.lstrip('-'))}")
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
        if option.key in self.given:
            raise UserError(f"--{option.name} is given twice")
        if option.flag:
            if value not in (None, "true", "false"):
                raise UserError(f"--{option.name} takes no value, not {value}")
            if value != "false":
                self.given[option.key] = ["true"]
        elif value == "":
            raise UserError(_needs(option))
        elif option.many:
            values = [_value(option, rest)] if value is None else [value]
            while rest and not rest[0].startswith("--"):
                values.append(rest.pop(0))
            self.given[option.key] = values
        else:
            self.given[option.key] = [_value(option, rest) if value is None else value]

    def checked(self) -> Arguments:
        """The arguments.

        Raises:
            UserError: for the first kind of mistake that there is, in the order in which one hides another.
        """
        verb = self.verb
        # A mistyped option may have taken the recipe for its value, so it is told before the recipe is missed.
        if unknown := [name for name, _ in self.overrides if not _known(verb, name)]:
            raise UserErrors([_unknown(verb, name) for name in unknown])
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
        raise UserError(
            f"--{option.name} {option.says} {listed(option.choices)}, not {text}{_nearest_choice(option, text)}"
        )
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
        near = difflib.get_close_matches(word, positional.choices, n=1, cutoff=NEAR)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UserError(f"{word} is not {listed(positional.choices)}{hint}")
    return positional.kind(word)


def _nearest_choice(option: Option, text: str) -> str:
    near = difflib.get_close_matches(text, option.choices, n=1, cutoff=NEAR)
    return f"; did you mean {near[0]}?" if near else ""


def _missing(option: Option) -> str:
    if option.choices:
        return f"--{option.name} {option.says} {listed(option.choices)}"
    return f"--{option.name} {option.metavar} is missing"


def _name_them(verb: Verb, needed: Sequence[Positional]) -> str:
    wanted = [positional.wanted for positional in needed]
    wanted += [f"--{option.name} {option.metavar}" for option in verb.options if option.required]
    together = wanted[0] if len(wanted) == 1 else f"{', '.join(wanted[:-1])}, and {wanted[-1]}"
    return f"name {together}, as in: ratchet {verb.example}"


def _known(verb: Verb, name: str) -> bool:
    """Whether the recipe's loader is to judge a key: it knows groups, tasks' fields and retired keys better."""
    if not verb.keys:
        return False
    from ratchet.recipe.limits import NOT_IN_RECIPES, RETIRED

    return "." in name or name in recipe_keys() or name in RETIRED or name in NOT_IN_RECIPES


def recipe_keys() -> set[str]:
    """The keys at the top level of any recipe."""
    from ratchet.recipe import METHODS, trl_fields
    from ratchet.recipe.groups import OWN_FIELDS

    return set(OWN_FIELDS).union(*(trl_fields(method.section) for method in METHODS.values()))


def _unknown(verb: Verb, name: str) -> str:
    own, key = _candidates(verb, name)
    if own is not None:
        return f"unknown option --{name}{_meant(verb, name)}"
    if key is not None:
        return f"unknown key {name}{_meant(verb, name)}"
    taken = [f"--{option.name}" for option in verb.options]
    taken += ["the keys of a recipe (ratchet grpo RECIPE.yaml --show-config prints them)"] if verb.keys else []
    return f"unknown option --{name}; ratchet {verb.name} takes {listed(taken, 'and') or 'no options'}"


def _meant(verb: Verb, name: str) -> str:
    own, key = _candidates(verb, name)
    shown = [f"--{own.name}"] if own else []
    shown += [f"the recipe's --{key}"] if key else []
    return f"; did you mean {', or '.join(shown)}?" if shown else ""


def _candidates(verb: Verb, name: str) -> tuple[Option | None, str | None]:
    """The option and the recipe key that are nearest; of both only the nearer one where it is by far nearer."""
    own = _nearest(name, [option.key for option in verb.options])
    key = _nearest(name, recipe_keys()) if verb.keys else None
    if own and own == key:
        key = None
    if own and key:
        ahead = _likeness(name, own) - _likeness(name, key)
        own, key = own if ahead > -0.1 else None, key if ahead < 0.02 else None
    return verb.option(own or ""), key


def _nearest(name: str, names: Iterable[str]) -> str | None:
    near = difflib.get_close_matches(name.replace("-", "_"), list(names), n=1, cutoff=NEAR)
    return near[0] if near else None


def _likeness(name: str, other: str) -> float:
    return difflib.SequenceMatcher(None, name.replace("-", "_"), other).ratio()


def listed(names: Sequence[str], word: str = "or") -> str:
    """
    >>> listed(["train", "validation", "test"]), listed(["a"])
    ('train, validation or test', 'a')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}" if names else ""
