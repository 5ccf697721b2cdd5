"""Rows of one's own: what is taken from which column, how rows are split, and what is wrong with them."""

import csv
import gzip
import json
from pathlib import Path

import pytest

from ratchet.errors import UserError
from ratchet.recipe import load_recipe
from ratchet.tasks import find_task
from ratchet.tasks.dataset.task import Dataset

GSM = [
    {"question": f"{a} and {b} pens?", "answer": f"{a}+{b}=<<{a}+{b}={a + b}>>{a + b}\n#### {a + b}"}
    for a in range(2, 12)
    for b in range(a, 12)
]


@pytest.fixture
def rows(tmp_path):
    """Writes rows to a file, and returns its path."""

    def write(rows, name="rows.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return str(path)

    return write


def row_of(task):
    return task.load("train").rows[0]


def test_it_is_a_task_like_the_others():
    assert find_task("dataset") is Dataset


def test_rows_as_gsm8k_has_them(rows):
    task = Dataset(source=rows(GSM), grader="number", validation_share=0, test_share=0)
    row = row_of(task)
    assert row["columns"] == GSM[0] and task.gold(row) == "4"
    assert task.messages(row)[-1]["content"].startswith("2 and 2 pens?\n\nWork it out")
    assert task.target(row) == "2+2=<<2+2=4>>4\nAnswer: 4"
    assert task.grade(task.target(row), row).components == {"correct": 1.0, "answered": 1.0, "format": 1.0}


@pytest.mark.parametrize(
    ("given", "letter"),
    [(2, "C"), ("C", "C"), ("(c)", "C"), ("42", "C")],
    ids=["number", "letter", "in brackets", "text"],
)
def test_rows_with_options(rows, given, letter):
    source = rows([{"question": "6 x 7?", "choices": ["40", "41", "42", "43"], "answer": given}])
    task = Dataset(source=source, validation_share=0, test_share=0)
    row = row_of(task)
    assert task.gold(row) == letter and task.answers == ("A", "B", "C", "D")
    assert "\nC) 42\n" in task.messages(row)[0]["content"]
    assert task.grade(f"Answer: {letter}", row).correct and not task.grade("Answer: A", row).correct


def test_options_with_labels_of_their_own_as_arc_has_them(rows):
    options = {"text": ["sun", "moon"], "label": ["1", "2"]}
    task = Dataset(
        source=rows([{"question": "Which shines?", "choices": options, "answer": "sun"}]),
        validation_share=0,
        test_share=0,
    )
    assert task.gold(row_of(task)) == "A"


def test_answers_in_words_may_have_several_spellings(rows):
    source = rows([{"query": "Capital?", "label": ["New York", "NYC"]}])
    task = Dataset(source=source, prompt="query", answer="label", grader="text", validation_share=0, test_share=0)
    row = row_of(task)
    assert all(task.grade(text, row).correct for text in ("Answer: new  york.", "Answer: NYC", "<answer>nyc</answer>"))
    assert not task.grade("Answer: York", row).correct


def test_conversations_are_taken_as_they_are(rows):
    prompt = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "2 + 2?"},
    ]
    completion = [{"role": "assistant", "content": "It is 4.\nAnswer: 4"}]
    source = rows([{"prompt": prompt, "completion": completion, "solution": 4}])
    task = Dataset(source=source, grader="number", instruction="", validation_share=0, test_share=0)
    row = row_of(task)
    assert task.messages(row) == prompt and task.target(row) == "It is 4.\nAnswer: 4"


def test_the_last_line_can_have_another_form(rows):
    task = Dataset(source=rows(GSM), grader="text", form="Result -> {answer} <-", validation_share=0, test_share=0)
    row = {**row_of(task), "answer": ["forty two"]}
    said = task.commit("forty two", row)
    assert said == "Result -> forty two <-" and "Result -> ... <-" in task.messages(row)[-1]["content"]
    assert task.grade(f"Well.\n{said}", row).components["format"] == 1.0 and task.grade(said, row).correct
    assert task.grade("Answer: forty two", row).components["format"] == 0.0


def test_every_kind_of_file_holds_the_same_rows(tmp_path, rows):
    import pyarrow
    import pyarrow.parquet

    wanted = Dataset(source=rows(GSM), grader="number").load("train").rows
    (tmp_path / "array.json").write_text(json.dumps(GSM))
    with gzip.open(tmp_path / "packed.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in GSM)
    with (tmp_path / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, GSM[0])
        writer.writeheader()
        writer.writerows(GSM)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(GSM), tmp_path / "table.parquet")
    for name in ("array.json", "packed.jsonl.gz", "table.csv", "table.parquet"):
        assert Dataset(source=str(tmp_path / name), grader="number").load("train").rows == wanted, name


def test_a_folder_that_datasets_has_written(tmp_path):
    import datasets

    parts = {"train": datasets.Dataset.from_list(GSM[:20]), "test": datasets.Dataset.from_list(GSM[20:30])}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "saved"))
    task = Dataset(source=str(tmp_path / "saved"), grader="number")
    sizes = {split: len(task.load(split).rows) for split in ("train", "validation", "test")}
    assert sizes == {"train": 18, "validation": 2, "test": 10}


def test_splits_are_the_folders_own_where_it_has_them(rows, tmp_path):
    for name, part in (("train", GSM[:30]), ("dev", GSM[30:40]), ("test", GSM[40:50])):
        rows(part, f"own/{name}.jsonl")
    task = Dataset(source=str(tmp_path / "own"), grader="number")
    assert [len(task.load(split).rows) for split in ("train", "validation", "test")] == [30, 10, 10]


def test_splits_that_are_made_share_no_prompt_and_stay_when_rows_are_added(rows):
    few, more = (
        Dataset(source=rows(part, name), grader="number") for name, part in (("a.jsonl", GSM[:50]), ("b.jsonl", GSM))
    )
    held = {row["prompt"][0]["content"] for row in few.load("test").rows}
    assert len(held) == 5 and not held & {row["prompt"][0]["content"] for row in few.load("train").rows}
    assert few.load("test").rows == Dataset(source=few.source, grader="number").load("test").rows
    assert len(held & {row["prompt"][0]["content"] for row in more.load("test").rows}) >= 3


def test_rows_of_one_group_stay_together(rows):
    grouped = [{**row, "topic": f"t{number % 8}"} for number, row in enumerate(GSM)]
    task = Dataset(source=rows(grouped), grader="number", group="topic", validation_share=0.25, test_share=0.25)
    topics = [{row["columns"]["topic"] for row in task.load(split).rows} for split in ("train", "validation", "test")]
    assert not topics[0] & topics[1] and not topics[0] & topics[2] and not topics[1] & topics[2]


def test_a_prompt_is_trained_on_once_and_never_where_it_is_held_out(rows, tmp_path):
    rows([*GSM[:30], *GSM[:5], GSM[40], {**GSM[29], "answer": "#### 999"}], "own/train.jsonl")
    rows(GSM[40:50], "own/test.jsonl")
    task = Dataset(source=str(tmp_path / "own"), grader="number", validation_share=0)
    loaded = task.load("train")
    assert len(loaded.rows) == 29 and len(task.load("test").rows) == 10
    assert any("removed 6 rows whose prompt is there already" in note for note in loaded.notes)
    assert any("removed 2 rows whose prompt is there with another answer" in note for note in loaded.notes)


BAD = {
    "empty": ({"question": None, "answer": 1}, "column question is empty"),
    "missing": ({"answer": 1}, "column question is not there"),
    "no number": ({"question": "a", "answer": "many"}, "column answer: it holds no number that can be told: 'many'"),
    "another type": ({"question": 3, "answer": 1}, "column question: a text or a list of messages is wanted"),
    "an answer in the prompt": (
        {"question": [{"role": "assistant", "content": "4"}], "answer": 1},
        "column question: its last message is the assistant's",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_is_named_with_its_line_and_its_column(rows, name):
    row, said = BAD[name]
    source = rows([GSM[0], row, GSM[1]])
    with pytest.raises(UserError, match="1 of 3 rows are bad") as error:
        Dataset(source=source, grader="number").load("train")
    assert f"{source}:2: {said}" in str(error.value)
    loaded = Dataset(source=source, grader="number", bad_rows="drop", validation_share=0, test_share=0).load("train")
    assert len(loaded.rows) == 2 and any("dropped 1 of 3 rows" in note for note in loaded.notes)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"source": None}, "data.source is missing"),
        ({"source": "nowhere.jsonl"}, "there is no file and no folder nowhere.jsonl"),
        ({"grader": None}, "data.grader: say what kind of answer it is"),
        ({"grader": "choice"}, "data.choices: name the column"),
        ({"prompt": "quest"}, "has no column quest; it has question, answer"),
        ({"form": "Answer"}, "data.form is one line with {answer}"),
        ({"validation_share": 0.5, "test_share": 0.5}, "must leave some rows to train on"),
        ({"grader": "text", "tolerance": 0.1}, "data.tolerance is for grader: number"),
        ({"test_share": 0}, "leaves no rows for the test split; raise data.test_share"),
    ],
)
def test_what_cannot_be_meant_is_said_in_a_sentence(rows, settings, said):
    with pytest.raises(UserError) as error:
        Dataset(**{"source": rows(GSM), "grader": "number", **settings}).load("test")
    assert said in str(error.value)


def test_columns_that_cannot_be_told_are_asked_for(rows):
    with pytest.raises(UserError, match="data.prompt: name the column; .* has a, b"):
        Dataset(source=rows([{"a": 1, "b": 2}]), grader="number").load("train")


def test_an_empty_file_is_said(tmp_path):
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(UserError, match="has no rows: it is empty"):
        Dataset(source=str(tmp_path / "empty.jsonl"), grader="number").load("train")


CHAT = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "And now?"},
    {"role": "assistant", "content": "Now this."},
]


def test_the_last_turn_of_a_conversation_is_imitated_and_nothing_is_judged(rows):
    task = Dataset(source=rows([{"messages": CHAT}]), grader="none", turns="last", validation_share=0, test_share=0)
    row = row_of(task)
    assert task.messages(row) == CHAT[:3] and task.target(row) == "Now this."
    assert task.gold(row) is None and not task.graded and not task.grade("Now this.", row).correct


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"messages": CHAT[:3]}, "column messages: a list of messages is wanted whose last one is the assistant's"),
        ({"messages": "Hi"}, "column messages: a list of messages is wanted"),
        ({"messages": None}, "column messages is empty"),
    ],
)
def test_a_conversation_without_an_answer_is_a_bad_row(rows, row, said):
    with pytest.raises(UserError) as error:
        Dataset(source=rows([{"messages": CHAT}, row]), grader="none").load("train")
    assert said in str(error.value)


def test_prompts_with_nothing_to_imitate_are_bad_rows(rows):
    with pytest.raises(UserError, match="it has nothing to imitate; name its column with data.completion"):
        Dataset(source=rows([{"prompt": "Hi"}]), grader="none").load("train")


RIGHT = """
def right(completion, row):
    return row["word"][::-1] in completion

def maybe(completion, row):
    return 1.0
"""


@pytest.fixture
def spelled(rows, tmp_path):
    (tmp_path / "mine.py").write_text(RIGHT)
    return {
        "source": rows([{"prompt": "Backwards?", "word": "abc"}]),
        "grader": "python",
        "validation_share": 0,
        "test_share": 0,
    }


def test_a_function_of_ones_own_says_what_is_right(spelled, tmp_path):
    task = Dataset(**spelled, function=f"{tmp_path}/mine.py:right")
    row = row_of(task)
    assert task.grade("It is cba.", row).correct and not task.grade("It is abc.", row).correct
    assert task.gold(row) is None and task.messages(row)[0]["content"] == "Backwards?"
    assert [*task.own_files] == [tmp_path / "mine.py"]


def test_what_is_neither_true_nor_false_is_no_grade(spelled, tmp_path):
    task = Dataset(**spelled, function=f"{tmp_path}/mine.py:maybe")
    with pytest.raises(TypeError, match="returns True or False; it returned float 1.0"):
        task.grade("It is cba.", row_of(task))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "data.function is missing: name one, as in mine.py:right, for grader: python"),
        ({"function": "{}/mine.py:left"}, "has no function left; it has right, maybe"),
        ({"function": "{}/theirs.py:right"}, "theirs.py does not exist"),
        ({"function": "{}/mine.py:right", "grader": "number"}, "data.function is for grader: python"),
    ],
)
def test_a_function_that_is_not_there_is_said(spelled, tmp_path, more, said):
    more = {key: value.format(tmp_path) for key, value in more.items()}
    with pytest.raises(UserError) as error:
        Dataset(**{**spelled, **more}).load("train")
    assert said in str(error.value)


def test_files_are_found_beside_the_recipe_that_names_them(spelled, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    data = {"source": "rows.jsonl", "grader": "python", "function": "mine.py:right"}
    values = {"trainer": "grpo", "task": "dataset", "data": data, "rewards": {"correctness": {"weight": 1.0}}}
    (tmp_path / "first.yaml").write_text(json.dumps({**values, "model_name_or_path": "ratchet-tiny"}))
    (tmp_path / "elsewhere/second.yaml").write_text("extends: ../first.yaml\nmax_steps: 3\n")
    for name in ("../first.yaml", "second.yaml"):
        found = load_recipe(Path(name), environ={})
        assert found.task.source == str(tmp_path / "rows.jsonl") and found.own_files == [tmp_path / "mine.py"]
        assert found.has_user_code and f"source: {tmp_path}/rows.jsonl" in found.as_yaml()


def test_conversations_that_answer_one_prompt_in_several_ways_all_stay(rows):
    again = [*CHAT[:3], {"role": "assistant", "content": "Or this."}]
    source = rows([{"messages": CHAT}, {"messages": again}, {"messages": CHAT}])
    loaded = Dataset(source=source, grader="none", turns="last", validation_share=0, test_share=0).load("train")
    assert [row["completion"] for row in loaded.rows] == ["Now this.", "Or this."]


def test_each_of_the_assistants_turns_is_imitated_once_with_all_before_it_as_its_prompt(rows):
    split = Dataset(source=rows([{"messages": CHAT}]), grader="none", validation_share=0, test_share=0).load("train")
    assert [(row["prompt"], row["completion"]) for row in split.rows] == [
        (CHAT[:1], CHAT[1]["content"]),
        (CHAT[:3], CHAT[3]["content"]),
    ]
    assert "1 training conversations with 2 of the assistant's turns" in split.notes


def test_turns_of_one_conversation_are_in_one_split(rows):
    chats = [
        [{"role": r, "content": f"{i} {r} {t}"} for t in range(3) for r in ("user", "assistant")] for i in range(20)
    ]
    task = Dataset(source=rows([{"messages": chat} for chat in chats]), grader="none")
    train, test = ({row["prompt"][0]["content"] for row in task.load(split).rows} for split in ("train", "test"))
    assert len(test) == 2 and not train & test


def test_conversations_as_sharegpt_has_them(rows):
    given = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    task = Dataset(source=rows([{"conversations": given}]), grader="none", validation_share=0, test_share=0)
    assert task.messages(row_of(task)) == [{"role": "user", "content": "Hi"}] and task.target(row_of(task)) == "Hello"
