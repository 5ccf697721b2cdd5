"""What an answer to a Dakota row is worth."""

import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.tasks.dakota.paradigms import exercises
from ratchet.tasks.dakota.task import Dakota

TASK = Dakota(source="generated")
KIN = {
    "kind": "morphology",
    "question": "Add -ku.\n\nsuŋka",
    "form": "suŋka",
    "answers": ["suŋkaku"],
    "language": "dakota",
    "affixes": ["-ku"],
}
ENGLISH = {
    "kind": "sentence_translation",
    "question": "Translate:\n\nwićašta kiŋ hipi",
    "form": "wićašta kiŋ hipi",
    "answers": ["the men came", "the men have come"],
    "language": "english",
    "affixes": [],
}
ROWS = [KIN, ENGLISH, *exercises("train")[:6]]


def score(text, row=KIN, task=TASK):
    return task.grade(text, row).components["score"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["answers"][0])
def test_gold_earns_one_and_nothing_earns_nothing(row):
    assert score(TASK.commit(row["answers"][0], row), row) == 1.0
    assert [score(text, row) for text in ("", " \n", row["question"], row["form"])] == [0.0] * 4


def test_every_accepted_answer_is_right():
    assert [TASK.grade(answer, ENGLISH).correct for answer in ENGLISH["answers"]] == [True, True]


def test_the_published_probes_come_out_right(dakota_folder):
    probes = [
        json.loads(line) for line in (dakota_folder / "hack_probes.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert {p["probe_id"]: TASK.grade(p["model_output"], p).correct for p in probes} == {
        p["probe_id"]: p["expect_train_pass"] for p in probes
    }


def test_a_right_affix_on_a_wrong_stem_earns_no_affix_credit():
    assert TASK.grade("wicaštaku", KIN).components["affix"] == 0.0
    assert TASK.grade("sunkaku", KIN).components["affix"] == 1.0


def test_letters_in_another_order_and_letters_alone_earn_little():
    assert score("".join(sorted("suŋkaku"))) < 0.1
    assert score("ŋ ŋ ŋ") < 0.05
    assert TASK.grade("ŋ", KIN).components["special"] == 0.0


def test_a_wrong_answer_earns_at_most_half():
    assert 0 < score("suŋkakuu") <= 0.5


def test_a_runaway_answer_loses_and_long_reasoning_does_not():
    near, runaway = score("Final answer: sunkaku"), score("Final answer: sunkaku" + " and more of it" * 20)
    assert runaway < near
    assert score("It follows from the rule. " * 100 + "\nFinal answer: sunkaku") == near


def test_copying_the_prompt_earns_nothing_even_where_it_resembles_the_answer():
    row = {**KIN, "affixes": []}
    assert TASK.grade("suŋka", row).components["chrf"] > 0.5
    assert score("suŋka", row) == 0.0


def test_unicode_composition_does_not_matter_and_letters_do():
    assert TASK.grade(unicodedata.normalize("NFD", "wówašte"), {**KIN, "answers": ["wówašte"]}).correct
    assert not TASK.grade("sunkaku", KIN).correct
    assert not TASK.grade("suŋkaku".replace("a", "а"), KIN).correct  # a Cyrillic letter


def test_modern_letters_are_taken_for_the_old_ones_only_where_asked():
    row = {**KIN, "answers": ["wićaśta"]}
    assert not TASK.grade("wičašta", row).correct
    assert Dakota(source="generated", orthography="modern").grade("wičašta", row).correct


def test_person_matters_to_the_sense():
    row = {**ENGLISH, "answers": ["I bite it off"]}
    assert TASK.grade("you bite it off", row).components["semantic"] < 1.0


def test_weights_of_the_recipe_change_the_score():
    strict = Dakota(source="generated", weights={"morphology": {"exact": 1.0}})
    assert score("sunkaku", task=strict) == 0.0 < score("sunkaku")


ANY_ROW = st.sampled_from(ROWS)
WORDS = st.sampled_from(["suŋkaku", "suŋka", "the men came", "they came", "wašte", "he", "x y z", "ŋ"])
QUIET = st.lists(
    st.sampled_from(["The suffix marks kinship.", "I look at the stem.", "ŋ is written.", "So far so good."]),
    min_size=1,
    max_size=5,
)


@given(
    st.text(max_size=200)
    | st.lists(WORDS | st.sampled_from(["\\boxed{", "}", "Final answer: ", "\n", "<answer>"]), max_size=8).map(
        "".join
    ),
    ANY_ROW,
)
@settings(max_examples=300, deadline=None)
def test_every_text_has_a_grade_with_components_between_zero_and_one(text, row):
    grade = TASK.grade(text, row)
    assert all(0.0 <= value <= 1.0 for value in grade.components.values())


@given(
    WORDS,
    WORDS,
    st.sampled_from(["Final answer: {}", "\\boxed{{{}}}", "<answer>{}</answer>"]),
    st.sampled_from(["Final answer: {}", "\\boxed{{{}}}"]),
    ANY_ROW,
)
@settings(max_examples=300, deadline=None)
def test_a_second_committed_answer_never_raises_the_score(first, second, form, other, row):
    once = form.format(first)
    assert score(f"{once}\n{other.format(second)}", row) <= score(once, row)


@given(WORDS, QUIET, st.sampled_from(["Final answer: {}", "\\boxed{{{}}}", "{}"]), ANY_ROW)
@settings(max_examples=300, deadline=None)
def test_reasoning_before_the_answer_never_lowers_the_score(answer, reasoning, form, row):
    text = form.format(answer)
    assert score(" ".join(reasoning) + "\n" + text, row) >= score(text, row)
