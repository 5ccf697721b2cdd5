"""The Dakota task: grading, cleaning, splitting, preparing, and the exercises it makes itself."""

import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.errors import UserError
from ratchet.tasks.dakota import facts
from ratchet.tasks.dakota.cleaning import clean
from ratchet.tasks.dakota.conversion import gives_away
from ratchet.tasks.dakota.orthography import normalise, skeleton
from ratchet.tasks.dakota.paradigms import conjugated, exercises, held_out
from ratchet.tasks.dakota.rows import split_rows
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


# Grading


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


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ({"morphologie": {"exact": 1}}, "unknown kind morphologie"),
        ({"morphology": {"exakt": 1}}, "unknown component exakt"),
        ({"morphology": {"exact": -1}}, "at least 0"),
        ({"morphology": {"exact": 0.2, "chrf": 0.8}}, "at least half"),
        ({"morphology": 3}, "is a group"),
    ],
)
def test_wrong_weights_are_refused(weights, says):
    with pytest.raises(UserError, match=says):
        Dakota(source="generated", weights=weights)


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


# Cleaning


def published(prompt, answer, kind="word_translation", **info):
    return {
        "prompt": prompt,
        "answer": answer,
        "info": {"task_type": kind, "rule_id": "grammar_p1_r1", "difficulty": "easy", **info},
    }


def cleaned(*rows):
    return clean((f"file:{i}", row) for i, row in enumerate(rows, start=1))


def translated(dakota, gold, gloss=None, **info):
    prompt = f"Translate this Dakota sentence to English:\n\n{dakota}" + (f"\n\nGloss: {gloss}" if gloss else "")
    return published(prompt, gold, dakota_text=dakota, **info)


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
                "Insert the Dakota affix(es) into the base form:\n\nBase form: koda\nAffix(es) to insert: mita-, nita-",
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


def marks(row):
    found = {
        f"rule {row['rule']}",
        f"question {normalise(row['question'], 'modern')}",
        f"form {skeleton(row['form'])}",
    }
    return found | ({f"answer {skeleton(row['answers'][0])}"} if " " in row["answers"][0] else set())


def test_splits_share_no_rule_question_form_or_long_answer(dakota_folder):
    task = Dakota(source=str(dakota_folder))
    train, validation, test = (task.load(split).rows for split in ("train", "validation", "test"))
    assert min(map(len, (train, validation, test))) > 200
    seen = [set().union(*map(marks, rows)) for rows in (train, validation, test)]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


def test_rows_that_hang_together_stay_together():
    rows = cleaned(
        *(translated(f"{a}ŋa{b}", f"the man {a} {b}", rule_id=f"rule {a}") for a in "abcdefghijkl" for b in range(5))
    ).rows
    parts = split_rows(rows, 0.2, seed=1)
    assert all(parts.values())
    assert sum(map(len, parts.values())) == len(rows)
    assert [
        len({row["rule"] for row in part} & {row["rule"] for row in parts["train"]})
        for part in (parts["validation"], parts["test"])
    ] == [0, 0]


def test_preparing_writes_splits_report_and_manifest_that_are_read_again(dakota_folder, tmp_path):
    Dakota(source=str(dakota_folder)).prepare(tmp_path / "made")
    manifest = json.loads((tmp_path / "made/manifest.json").read_text())
    assert manifest["read"] == 7267 and set(manifest["files"]) == {"train.jsonl", "validation.jsonl", "test.jsonl"}
    assert "placeholder" in (tmp_path / "made/report.md").read_text(encoding="utf-8")
    for split in ("train", "validation"):
        assert (
            Dakota(source=str(tmp_path / "made")).load(split).rows
            == Dakota(source=str(dakota_folder)).load(split).rows
        )


def test_a_prepared_file_that_was_changed_is_refused(dakota_folder, tmp_path):
    Dakota(source=str(dakota_folder)).prepare(tmp_path / "made")
    with (tmp_path / "made/train.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(UserError, match="SHA-256 differs"):
        Dakota(source=str(tmp_path / "made")).load("train")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (None, "data.source is missing"),
        ("/nowhere", "does not exist"),
        ("nothing", "neither a folder here"),
        (".", "has no grammar_tasks"),
    ],
)
def test_data_that_is_not_there_is_never_replaced(source, says, monkeypatch, tmp_path):
    monkeypatch.delenv("DAKOTA_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=says):
        Dakota(source=source).load("train")


def test_lines_that_are_no_rows_stop_unless_they_may_be_dropped(tmp_path):
    good = json.dumps(translated("hipi", "they came"))
    (tmp_path / "grammar_tasks_easy.jsonl").write_text(f'{good}\n{{"prompt": "x"\n\n{{"a": 1}}\n')
    with pytest.raises(
        UserError, match="(?s)2 of 3 rows are bad.*easy.jsonl:2: not a row: not JSON.*easy.jsonl:4: not a row"
    ):
        Dakota(source=str(tmp_path)).load("train")
    assert len(Dakota(source=str(tmp_path), bad_rows="drop").load("train").rows) == 1


def test_filters_take_only_what_they_name(dakota_folder):
    rows = Dakota(source=str(dakota_folder), kinds=["affix_insertion"], difficulties=["medium"]).load("train").rows
    assert {(row["kind"], row["difficulty"]) for row in rows} == {("affix_insertion", "medium")}


def test_unchecked_rows_come_only_where_asked_and_only_to_train(dakota_folder):
    task = Dakota(source=str(dakota_folder), unchecked=True)
    assert any(not row["checkable"] for row in task.load("train").rows)
    assert all(row["checkable"] for row in task.load("validation").rows)


# Exercises made from the facts; the forms are those that the grammar's pages show.


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
