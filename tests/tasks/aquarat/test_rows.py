"""AQuA-RAT rows: what is loaded, mended, removed, and refused."""

import json

import pytest

from ratchet.errors import UserError
from ratchet.tasks.aquarat.rows import without_overlap
from ratchet.tasks.aquarat.task import AquaRat

GOOD = {
    "question": "What is 6 * 7?",
    "options": ["A)7", "B)24", "C)42", "D)84", "E)1"],
    "rationale": "6 * 7 = 42\nAnswer C",
    "correct": "C",
}


def folder_of(tmp_path, **splits):
    for name, rows in splits.items():
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(tmp_path)


def test_upstreams_file_names_are_read(aqua_folder):
    split = AquaRat(source=str(aqua_folder)).load("validation")
    assert len(split.rows) == 254
    assert set(split.rows[0]) == {"id", "question", "options", "rationale", "correct", "ambiguous"}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("{broken", "not JSON"),
        ({"question": "x"}, "options, correct missing"),
        ({**GOOD, "question": " "}, "question is empty"),
        ({**GOOD, "options": GOOD["options"][:4]}, "five texts"),
        ({**GOOD, "options": ["B)7", "A)24", "C)42", "D)84", "E)1"]}, "not in the order"),
        ({**GOOD, "correct": "F"}, "one of A to E"),
        ({**GOOD, "options": ["A)7", "B)", "C)42", "D)84", "E)1"]}, "option B is empty"),
        ([1, 2], "a row is an object"),
    ],
)
def test_a_bad_row_is_named_with_file_and_line(tmp_path, row, says):
    source = folder_of(tmp_path, validation=[GOOD, row])
    with pytest.raises(UserError, match="validation.jsonl:2: .*" + says):
        AquaRat(source=source).load("validation")


def test_bad_rows_can_be_dropped_and_are_counted(tmp_path):
    split = AquaRat(source=folder_of(tmp_path, validation=[GOOD, "{broken"]), bad_rows="drop").load("validation")
    assert len(split.rows) == 1
    assert "dropped 1 bad validation rows" in split.notes[0]


def test_labels_spaces_and_mojibake_are_put_right(tmp_path):
    row = {**GOOD, "options": ["A) 7", "B)B)24", "C)6 Ã— 7", "D)84", "E)1"]}
    (loaded,) = AquaRat(source=folder_of(tmp_path, validation=[row])).load("validation").rows
    assert loaded["options"] == ["A)7", "B)24", "C)6 × 7", "D)84", "E)1"]


def test_rows_whose_gold_option_stands_twice_are_marked(tmp_path):
    row = {**GOOD, "options": ["A)42", "B)24", "C)42", "D)84", "E)1"]}
    split = AquaRat(source=folder_of(tmp_path, validation=[row])).load("validation")
    assert split.rows[0]["ambiguous"]
    assert any("twice" in note for note in split.notes)


def test_training_rows_that_repeat_or_overlap_the_test_data_are_removed(tmp_path):
    long = "A tap fills a tank in four hours and another one empties it in six hours how long do both take"
    train = [{**GOOD, "question": q} for q in ("One?", "one", f"Listen: {long} in all?")]
    source = folder_of(tmp_path, train=train, validation=[{**GOOD, "question": long}], test=[GOOD])
    split = AquaRat(source=source).load("train")
    assert [row["question"] for row in split.rows] == ["One?"]


def test_an_overlap_needs_n_words_in_a_row():
    row = {"question": "a b c d e f"}
    assert without_overlap([row], [{"question": "x b c d y"}], 4) == [row]
    assert without_overlap([row], [{"question": "x b c d y"}], 3) == []


def test_a_cap_draws_the_same_rows_for_the_same_seed(tmp_path):
    source = folder_of(tmp_path, validation=[{**GOOD, "question": f"Question {i}?"} for i in range(50)])
    first, second = (AquaRat(source=source, max_validation=10, seed=3).load("validation").rows for _ in range(2))
    assert len(first) == 10
    assert first == second


def test_a_missing_split_says_what_the_folder_holds(aqua_folder):
    with pytest.raises(UserError, match="has no test.json or test.jsonl .*dev.json"):
        AquaRat(source=str(aqua_folder)).load("test")


def test_an_empty_file_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no rows"):
        AquaRat(source=folder_of(tmp_path, validation=[])).load("validation")


def test_the_folder_of_the_environment_is_used_where_the_recipe_names_none(tmp_path, monkeypatch):
    monkeypatch.setenv("AQUA_DATA_DIR", folder_of(tmp_path, validation=[GOOD]))
    assert len(AquaRat().load("validation").rows) == 1


def test_a_named_folder_that_is_not_there_is_no_reason_to_ask_the_hub():
    with pytest.raises(UserError, match="does not exist"):
        AquaRat(source="./nowhere").load("train")


@pytest.mark.parametrize("odd", [b'{"question": "\\ud800"}', b"9" * 5000, b"[" * 100_000])
def test_a_line_that_python_cannot_take_is_named_or_dropped(tmp_path, odd):
    (tmp_path / "dev.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\n" + odd + b"\n")
    with pytest.raises(UserError, match=r"dev\.json:2"):
        AquaRat(source=str(tmp_path)).load("validation")
    assert len(AquaRat(source=str(tmp_path), bad_rows="drop").load("validation").rows) == 1
