"""Exercises made from the facts; the forms are those that the grammar's pages show."""

import pytest

from ratchet.errors import UserError
from ratchet.tasks.dakota import facts
from ratchet.tasks.dakota.paradigms import conjugated, exercises, held_out
from ratchet.tasks.dakota.task import Dakota

TASK = Dakota(source="generated")


@pytest.mark.parametrize(
    ("stem", "forms"),
    [
        ("|kaška", "wakaška yakaška kaška uŋkaška uŋkaškapi yakaškapi kaškapi"),
        ("ba|ksa", "bawaksa bayaksa baksa bauŋksa bauŋksapi bayaksapi baksapi"),
        ("|yuštaŋ", "mduštaŋ duštaŋ yuštaŋ uŋštaŋ uŋštaŋpi duštaŋpi yuštaŋpi"),
        ("|wašte", "mawašte niwašte wašte uŋwašte uŋwaštepi niwaštepi waštepi"),
        ("a|sni", "amasni anisni asni uŋkasni uŋkasnipi anisnipi asnipi"),
        ("i|yotaŋka", "imdotaŋka idotaŋka iyotaŋka uŋkiyotaŋka uŋkiyotaŋkapi idotaŋkapi iyotaŋkapi"),
    ],
)
def test_whole_paradigms_are_those_of_the_grammar(stem, forms):
    verb = next(verb for verb in facts.VERBS if verb.stem == stem)
    assert [conjugated(verb, person) for person in facts.PERSONS] == forms.split()


def test_a_form_that_nothing_attests_is_left_out():
    yaksa = next(verb for verb in facts.VERBS if verb.stem == "|yaksa")
    assert conjugated(yaksa, "1d") is None and conjugated(yaksa, "1s", future=True) is None


def test_the_final_vowel_changes_before_the_future_and_not_after_the_plural():
    kaška = facts.VERBS[0]
    assert conjugated(kaška, "1s", future=True) == "wakaške kta"
    assert conjugated(kaška, "1p", future=True, denied=True) == "uŋkaškapi kte šni"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (14, "wikćemna saŋpa topa"),
        (40, "wikćemna topa"),
        (59, "wikćemna zaptaŋ saŋpa napćiŋwaŋka"),
        (200, "opawiŋǧe noŋpa"),
    ],
)
def test_numbers_are_those_of_the_grammar(value, words):
    assert facts.number(value) == words


def test_stems_are_trained_on_or_held_out_and_never_both():
    train, validation, test = (exercises(split) for split in ("train", "validation", "test"))
    assert not any(held_out(row["stem"]) for row in train)
    assert all(held_out(row["stem"]) for row in [*validation, *test])
    assert not {row["id"] for row in validation} & {row["id"] for row in test}


def test_careless_typing_changes_targets_and_never_the_accepted_answer():
    rows = exercises("train", ["verbs"], careless_share=1.0)
    row = next(row for row in rows if row["answers"] == ["uŋkaškapi"])
    assert TASK.target(row) == "Final answer: unkaskapi"
    assert TASK.grade("uŋkaškapi", row).correct and not TASK.grade(TASK.target(row), row).correct


def test_an_unknown_family_is_refused():
    with pytest.raises(UserError, match="unknown \\['poems'\\]"):
        exercises("train", ["poems"])


def test_no_affix_stands_in_a_prompt_and_another_form_of_the_stem_earns_nothing():
    for row in exercises("test", ["verbs"]):
        assert not any(f" {affix}" in row["question"] for affix in row["affixes"])
        assert all(TASK.grade(TASK.commit(form, row), row).components["score"] < 0.01 for form in row["rivals"])


@pytest.mark.parametrize(("families", "fewest"), [(["verbs"], 10), (["nouns"], 5)])
def test_enough_stems_are_held_out_for_an_interval_over_stems(families, fewest):
    assert len({row["stem"] for row in exercises("test", families)}) >= fewest
