"""``ratchet completion SHELL``: a shell's completion, made from the table of verbs and the keys of a recipe."""

import shlex
from collections.abc import Iterable, Iterator

from ratchet.cli.suggestions import recipe_keys
from ratchet.cli.verb import Arguments, Option, Verb
from ratchet.cli.verbs import NAMES, VERBS
from ratchet.recipe.groups import OWN_FIELDS

BASH = """\
_ratchet() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD - 1]}}" verb="${{COMP_WORDS[1]}}"
    local offered="" keys="{keys}"
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        offered="{verbs}"
    elif [ "${{word#-}}" != "$word" ]; then
        case "$verb" in
{options}
        esac
    else
        case "$verb $before" in
{values}
        esac
    fi
    while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$offered" -- "$word")
}}
complete -o default -F _ratchet ratchet
"""
ZSH = "autoload -U +X bashcompinit && bashcompinit\n"


def completion(arguments: Arguments) -> None:
    """Print it."""
    shell = arguments["shell"]
    print({"bash": bash, "zsh": lambda: ZSH + bash(), "fish": fish}[shell](), end="")


def bash() -> str:
    """A function for bash; file names are offered where nothing else is."""
    options = (f'            {verb.name}) offered="{_offered(verb)}" ;;' for verb in VERBS)
    return BASH.format(
        keys=" ".join(f"--{key}" for key in keys()),
        verbs=" ".join(NAMES),
        values="\n".join(_values()),
        options="\n".join(options),
    )


def _offered(verb: Verb) -> str:
    names = [f"--{option.name}" for option in verb.options]
    return " ".join([*names, "--help", *(["$keys"] if verb.keys else [])])


def _values() -> Iterator[str]:
    """A line for each option, and each first argument, that has choices."""
    for verb in VERBS:
        for option in _with_choices(verb):
            yield f'            "{verb.name} --{option.name}") offered="{" ".join(option.choices)}" ;;'
        for positional in verb.positionals[:1]:
            if positional.choices:  # it stands right after the verb
                yield f'            "{verb.name} {verb.name}") offered="{" ".join(positional.choices)}" ;;'


def _with_choices(verb: Verb) -> Iterable[Option]:
    return (option for option in verb.options if option.choices)


def keys() -> list[str]:
    """Every key of a recipe, those of groups with their dots."""
    found = set(recipe_keys())
    for name, field in OWN_FIELDS.items():
        found.update(f"{name}.{key}" for key in field.group or ())
    return sorted(found)


def fish() -> str:
    """Lines for fish."""
    lines = [
        f"complete -c ratchet -n __fish_use_subcommand -a {verb.name} -d {shlex.quote(verb.help)}" for verb in VERBS
    ]
    for verb in VERBS:
        here = f"complete -c ratchet -n '__fish_seen_subcommand_from {verb.name}'"
        for option in verb.options:
            takes = "" if option.flag else f" -x -a '{' '.join(option.choices)}'" if option.choices else " -r"
            lines.append(f"{here} -l {option.name}{takes} -d {shlex.quote(option.help)}")
    taking = " ".join(verb.name for verb in VERBS if verb.keys)
    lines += (f"complete -c ratchet -n '__fish_seen_subcommand_from {taking}' -l {key} -r" for key in keys())
    return "\n".join([*lines, ""])
