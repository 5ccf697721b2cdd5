"""Cleaning published rows: what is taken out, dropped, merged, and kept apart."""

import pytest
from published_dakota import cleaned, published, translated

from ratchet.tasks.dakota.conversion import gives_away
from ratchet.tasks.dakota.task import Dakota

TASK = Dakota(source="generated")


def test_a_gloss_line_is_taken_out_of_the_prompt():
    found = cleaned(translated("wimaćaśta", "I am a man", "I am a man"))
    assert found.rows[0]["question"] == "Translate this Dakota sentence to English:\n\nwimaćaśta"
    assert sum(found.mended.values()) == 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (translated("ktepi", "[explanation]"), "placeholder"),
        (translated("ktepi", "[TO BE GENERATED: violation]"), "placeholder"),
        (translated("ktepi", ""), "empty answer"),
        (translated("kaśkapi", "they bind\nthey bound"), "several lines"),
        (translated("wimaćaśta (I am a man)", "A verb that links"), "form"),
        (translated("I do not know whether he is there", "I do not know whether he is there"), "not Dakota"),
        (translated("wiŋyaŋ", "wiŋyaŋ kiŋ"), "not English"),
        (translated("maṫa", "Verbs used impersonally", rule_id="term_p52_Neuter_Verbs"), "definition"),
        (translated("he tuwe kaġa he", "who made that? I made it"), "about the word"),
        (
            published(
                "Insert the Dakota affix(es) into the base form:\n\n"
                "Base form: koda\nAffix(es) to insert: mita-, nita-",
                "mitakoda (my friend)",
                "affix_insertion",
                base_form="koda",
                target_form="mitakoda",
                required_affixes=["mita-", "nita-"],
            ),
            "affixes that the answer does not have",
        ),
        (published("Identify the pattern", "x (y", "identify_pattern", pattern="x (y"), "invalid pattern"),
        (
            published(
                "Apply this Dakota grammar rule: -pi means they\n\nTransform or analyze: hipi",
                "they",
                "morphology",
                base_form="hipi",
            ),
            "in the prompt",
        ),
        ({"prompt": "x", "answer": 3, "info": {}}, "not a row"),
        ("text", "not a row"),
        (published("x", "y", "unheard_of"), "unknown task_type"),
    ],
)
def test_a_row_that_cannot_be_used_is_dropped_with_its_reason(row, reason):
    found = cleaned(row)
    assert found.rows == [] and found.read == 1
    (said,) = found.dropped
    assert reason in said and found.examples[said]


def test_variants_of_one_answer_become_one_row_and_contradictions_drop_the_prompt():
    found = cleaned(
        translated("hi", "he walked"),
        translated("hi", "he walks"),
        translated("ŋa", "a dog"),
        translated("ŋa", "to walk"),
        translated("ŋe", "I sit"),
        translated("ŋe", "you sit"),
    )
    assert [row["answers"] for row in found.rows] == [["he walked", "he walks"]]
    assert found.dropped["one prompt with answers that contradict each other"] == 4


def test_an_affix_list_that_the_answer_satisfies_is_kept():
    row = published(
        "Insert the Dakota affix(es) into the base form:\n\nBase form: waśte\nAffix(es) to insert: wića-",
        "wićawaśte (goodness)",
        "affix_insertion",
        base_form="waśte",
        target_form="wićawaśte",
        required_affixes=["wića-"],
    )
    (kept,) = cleaned(row).rows
    assert (kept["answers"], kept["affixes"]) == (["wićawaśte", "wićawaśte (goodness)"], ["wića-"])


def test_translations_into_dakota_and_several_steps_are_taken_too():
    back = published(
        "Translate this English sentence to Dakota:\n\nthe men came",
        "wićašta kiŋ hipi",
        "reverse_translation",
        dakota_text="wićašta kiŋ hipi",
        english_text="the men came",
    )
    steps = {
        "base_form": "kaška",
        "target_form": "uŋkaškapi",
        "required_affixes": ["uŋ-", "-pi"],
        "steps": ["uŋ-", "-pi"],
    }
    several = published(
        "Apply both affixes to the verb:\n\nkaška", "uŋ + kaška\nuŋkaškapi", "multi_step_morphology", **steps
    )
    rows = cleaned(back, several, {**back, "answer": "the men came here"}).rows
    assert [(row["form"], row["answers"][0], row["language"]) for row in rows] == [
        ("the men came", "wićašta kiŋ hipi", "dakota"),
        ("kaška", "uŋkaškapi", "dakota"),
    ]
    assert [TASK.grade(f"uŋ- and -pi.\nFinal answer: {row['answers'][0]}", row).correct for row in rows] == [
        True,
        True,
    ]


def test_what_cannot_be_checked_is_kept_apart_with_the_reason():
    (row,) = cleaned(
        published("Identify the grammatical pattern in this Dakota rule:\n\nA rule", "i + adverb", "identify_pattern")
    ).rows
    assert not row["checkable"] and row["why_unchecked"]


def test_no_cleaned_row_shows_its_answer(dakota_folder):
    for split in ("train", "validation", "test"):
        for row in Dakota(source=str(dakota_folder)).load(split).rows:
            asked = row["question"].split("\n", 1)[1].replace(row["form"], " ")
            assert not any(gives_away(line, row["answers"][0]) for line in asked.split("\n")[1:] if ":" not in line), (
                row
            )
