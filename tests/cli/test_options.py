"""The parser: every kind of mistake is named, with the nearest right name."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.cli.options import parse
from ratchet.cli.verb import Option, Positional, Verb
from ratchet.cli.verbs import VERBS, verb_of
from ratchet.errors import UserError

VERB = Verb(
    "try",
    "a group",
    "try it",
    "nowhere:function",
    "try recipes/demo.yaml",
    (Positional("recipe", "RECIPE.yaml", "a recipe"),),
    (
        Option("model", "a name", "MODEL"),
        Option("max-price", "a number", "USD", float, default=1.5),
        Option("rows", "a whole number", "N", int, least=1),
        Option("split", "a choice", "SPLIT", choices=("train", "validation", "test")),
        Option("json", "a file, or none", "FILE|-", bare="-"),
        Option("names", "many", "NAME ...", many=True, default=()),
        Option("plain", "a flag"),
        Option("output", "a path", "FILE", Path),
    ),
    keys=True,
)


def test_every_form_is_understood():
    words = "r.yaml --model=m --max_price 3 --bf16 --rows 4 --json --names a b --plain --seed=3 --learning-rate -1e-5"
    found = parse(VERB, words.split())
    assert (found["recipe"], found["model"], found["max_price"], found["rows"]) == ("r.yaml", "m", 3.0, 4)
    assert (found["json"], found["names"], found["plain"], found["output"]) == ("-", ["a", "b"], True, None)
    assert found.overrides == [("bf16", "true"), ("seed", "3"), ("learning_rate", "-1e-5")]
    assert found.given["max_price"] == "3" and "split" not in found.given


def test_defaults_are_typed_and_a_flag_can_be_taken_back():
    found = parse(VERB, ["--config", "r.yaml", "--plain=false", "--output", "x"])
    assert (found["recipe"], found["max_price"], found["plain"]) == ("r.yaml", 1.5, False)
    assert found["output"] == Path("x") and "plain" not in found.given


def test_of_a_recipe_key_that_is_given_twice_the_last_counts():
    assert dict(parse(VERB, ["r.yaml", "--seed", "1", "--seed", "2"]).overrides) == {"seed": "2"}


MISTAKES = [
    ("r.yaml --modle x", "unknown option --modle; did you mean --model?"),
    ("--modle x", "unknown option --modle; did you mean --model?"),
    ("r.yaml --max-prise 3", "did you mean --max-price?"),
    ("r.yaml --lerning_rate 1", "unknown key lerning_rate; did you mean the recipe's --learning_rate?"),
    ("r.yaml --outptu 1", "unknown option --outptu; did you mean --output?"),
    ("r.yaml --output_die x", "did you mean the recipe's --output_dir?"),
    ("r.yaml --zzzz x", "unknown option --zzzz; ratchet try takes --model, "),
    ("r.yaml -rows 3", "-rows: options begin with --; did you mean --rows?"),
    ("r.yaml rows 3", "rows: did you mean --rows?"),
    ("r.yaml s.yaml", "s.yaml: there is a recipe already (r.yaml); options begin with --"),
    ("--plain", "name a recipe, as in: ratchet try recipes/demo.yaml"),
    ("r.yaml --model", "--model needs a value"),
    ("r.yaml --model --plain", "--model needs a value"),
    ("r.yaml --model=", "--model needs a value"),
    ("r.yaml s.yaml t.yaml", "s.yaml: there is a recipe already (r.yaml)"),
    ("r.yaml --model a --model b", "--model is given twice: a and b"),
    ("r.yaml --plain --plain", "--plain is given twice"),
    ("r.yaml --plain=maybe", "--plain takes no value, not maybe"),
    ("r.yaml --rows 0", "--rows takes a number from 1 on, not 0"),
    ("r.yaml --rows 1.5", "--rows takes a whole number, not 1.5"),
    ("r.yaml --max-price much", "--max-price takes a number, not much"),
    ("r.yaml --max-price nan", "--max-price takes a number, not nan"),
    ("r.yaml --split tets", "--split is train, validation or test, not tets; did you mean test?"),
]


@pytest.mark.parametrize(("line", "said"), MISTAKES)
def test_a_mistake_is_named(line, said):
    with pytest.raises(UserError) as found:
        parse(VERB, line.split())
    assert said in str(found.value)


def test_several_unknown_names_are_told_at_once():
    with pytest.raises(UserError, match="(?s)--modle.*lerning_rate"):
        parse(VERB, ["r.yaml", "--modle", "x", "--lerning_rate", "1"])


def test_keys_of_groups_and_retired_keys_are_left_to_the_recipe():
    found = parse(VERB, ["r.yaml", "--data.sorce", "x", "--warmup_ratio", "1"])
    assert [name for name, _ in found.overrides] == ["data.sorce", "warmup_ratio"]


def test_without_recipe_keys_only_options_are_suggested():
    with pytest.raises(UserError, match="unknown option --learning_rate; ratchet doctor takes --server, "):
        parse(verb_of("doctor"), ["--learning_rate", "1"])


NAMES = sorted({f"--{option.name}" for verb in VERBS for option in verb.options})
WORDS = st.sampled_from([*NAMES, "--seed", "--", "-", "-x", "--=", "r.yaml", "3", "list", "bash"]) | st.text(
    max_size=6
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(VERBS), st.lists(WORDS, max_size=6))
def test_any_words_are_understood_or_refused_in_a_sentence(verb, words):
    try:
        found = parse(verb, words)
    except UserError as error:
        assert str(error)
    else:
        assert all(found[option.key] is not None for option in verb.options if option.required)
