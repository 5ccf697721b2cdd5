"""What may have been meant: the nearest option of a verb, key of a recipe, or choice."""

import difflib
from collections.abc import Iterable, Sequence

from ratchet.cli.verb import Option, Verb

NEAR = 0.6  # of difflib's similarity, from which on a name may have been meant


def is_known(verb: Verb, name: str) -> bool:
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


def unknown(verb: Verb, name: str) -> str:
    """What is told about a name that is neither an option nor a key."""
    own, key = _candidates(verb, name)
    if own is not None:
        return f"unknown option --{name}{meant(verb, name)}"
    if key is not None:
        return f"unknown key {name}{meant(verb, name)}"
    taken = [f"--{option.name}" for option in verb.options]
    taken += ["the keys of a recipe (ratchet grpo RECIPE.yaml --show-config prints them)"] if verb.keys else []
    return f"unknown option --{name}; ratchet {verb.name} takes {listed(taken, 'and') or 'no options'}"


def meant(verb: Verb, name: str) -> str:
    """A question after the nearest names; empty where none is near."""
    own, key = _candidates(verb, name)
    shown = [f"--{own.name}"] if own else []
    shown += [f"the recipe's --{key}"] if key else []
    return f"; did you mean {', or '.join(shown)}?" if shown else ""


def _candidates(verb: Verb, name: str) -> tuple[Option | None, str | None]:
    """The option and the recipe key that are nearest; of both only the nearer one where it is by far nearer."""
    name = name.replace("-", "_")
    own = nearest(name, [option.key for option in verb.options])
    key = nearest(name, recipe_keys()) if verb.keys else None
    if own and own == key:
        key = None
    if own and key:
        # An option is what a verb is called with, so it is named beside a key that is somewhat nearer.
        ahead = _likeness(name, own) - _likeness(name, key)
        own, key = own if ahead > -0.1 else None, key if ahead < 0.02 else None
    return verb.option(own or ""), key


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that may have been meant."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=NEAR)
    return near[0] if near else None


def nearest_choice(text: str, choices: Sequence[str]) -> str:
    """A question after the nearest choice; empty where none is near."""
    near = nearest(text, choices)
    return f"; did you mean {near}?" if near else ""


def _likeness(name: str, other: str) -> float:
    return difflib.SequenceMatcher(None, name, other).ratio()


def listed(names: Sequence[str], word: str = "or") -> str:
    """
    >>> listed(["train", "validation", "test"]), listed(["a"])
    ('train, validation or test', 'a')
    """
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {word} {names[-1]}"
