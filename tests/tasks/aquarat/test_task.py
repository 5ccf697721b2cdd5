"""Prompt, target and grade say one thing."""

from ratchet.tasks.aquarat.task import AquaRat, extract_answer, grade

GOOD = {
    "question": "What is 6 * 7?",
    "options": ["A)7", "B)24", "C)42", "D)84", "E)1"],
    "rationale": "6 * 7 = 42\nAnswer C",
    "correct": "C",
}


def test_the_target_of_every_real_row_is_read_as_its_gold_letter(aqua_folder):
    task = AquaRat(source=str(aqua_folder))
    rows = task.load("validation").rows
    assert [row["id"] for row in rows if not task.grade(task.target(row), row).correct] == []


def test_the_target_ends_in_one_answer_line_after_the_working():
    assert AquaRat(source="generated").target(GOOD) == "6 * 7 = 42\nAnswer: C"


def test_a_rationale_that_names_another_letter_cannot_contradict_the_gold():
    row = {**GOOD, "rationale": "6 * 7 = 42\nSo the answer is D"}
    assert extract_answer(AquaRat(source="generated").target(row), row["options"]) == "C"


def test_the_prompt_shows_each_option_once_and_gives_nothing_away():
    task = AquaRat(source="generated")
    (message,) = task.messages(GOOD)
    assert "C) 42" in message["content"]
    assert extract_answer(message["content"], GOOD["options"]) is None


def test_the_format_component_wants_the_answer_line_last():
    assert grade("6 * 7 = 42\nAnswer: C", GOOD).components["format"] == 1.0
    assert grade("Answer: C, since 6 * 7 = 42.", GOOD).components == {"correct": 1.0, "answered": 1.0, "format": 0.0}


def test_conversational_completions_are_graded_like_texts():
    assert grade([{"role": "assistant", "content": "Answer: C"}], GOOD).correct
