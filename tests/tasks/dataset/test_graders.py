"""The graders of rows of one's own: what each takes as right, and what it refuses to be given."""

import json
import re
import shutil
import time

import pytest

from ratchet.errors import UserError
from ratchet.tasks.dataset.graders.code import read_code
from ratchet.tasks.dataset.task import Dataset

needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")

WHOLE = {"validation_share": 0, "test_share": 0}


@pytest.fixture
def task_of(tmp_path):
    """Makes a task of one row."""

    def make(row, **more):
        (tmp_path / "rows.jsonl").write_text(json.dumps({"prompt": "Well?", **row}) + "\n", encoding="utf-8")
        task = Dataset(source=str(tmp_path / "rows.jsonl"), **WHOLE, **more)
        return task, task.load("train").rows[0]

    return make


@pytest.mark.parametrize(
    ("answer", "said", "right"),
    [
        ("\\frac{1}{2}", "So \\boxed{0.5}.", True),
        ("\\frac{1}{2}", "Answer: $\\frac{2}{4}$", True),
        ("\\frac{1}{2}", "Answer: 2", False),
        ("x^2 + 2x + 1", "\\boxed{(x+1)^2}", True),
        ("\\{1, 2, 3\\}", "\\boxed{\\{3, 2, 1\\}}", True),
        ("[0, 1)", "\\boxed{[0, 1]}", False),
        ("5", "\\boxed{7}, but that leaves out a case. \\boxed{5}", True),
        ("5", "\\boxed{7}\\boxed{5}", False),
        ("5", "\\boxed{7}\nAnswer: $5$.", True),
        ("5", "\\boxed{5}\nAnswer: $7$.", False),
        ("5", "\\boxed{5, 6, 7}", False),
        ("5", "I do not know.", False),
        ("\\text{east}", "\\boxed{East}", True),
        ("east", "\\boxed{seat}", False),
        ("12", "\\boxed{3 \\cdot 4}", False),
        ("12", "\\boxed{24 - 12}", False),
        ("12", "Answer: \\[12\\]", True),
        ("-12", "\\boxed{-12}", True),
        ("12", "\\boxed{12}\n\nQuestion: What is 2 + 2?\n\\boxed{4}", True),
    ],
)
def test_expressions_are_compared_by_what_they_mean(task_of, answer, said, right):
    task, row = task_of({"answer": answer}, grader="math")
    assert task.grade(said, row).correct is right


def test_a_solution_as_math_has_it_is_answer_and_target(task_of):
    solution = "Half of $10$ is $5$, so it is $\\boxed{5}$."
    task, row = task_of({"solution": solution}, grader="math")
    assert task.gold(row) == "5" and task.target(row) == f"{solution}\nAnswer: 5"


@pytest.mark.parametrize("said", ["9^{9^{9^{9}}}", "1000000000!", "+".join(["\\sqrt{2}"] * 90)])
def test_an_expression_that_cannot_be_evaluated_in_time_is_not_right_and_the_next_one_is_read(
    task_of, monkeypatch, said
):
    from ratchet.tasks.answers import expression

    monkeypatch.setattr(expression, "LIMIT", 1.0)
    task, row = task_of({"answer": "5"}, grader="math")
    assert not task.grade(f"\\boxed{{{said}}}", row).correct
    assert task.grade("\\boxed{5.0}", row).correct


def test_an_answer_that_must_match_a_pattern(task_of):
    task, row = task_of({"answer": "[A-Z]{2}-\\d+"}, grader="regex")
    assert task.grade("Answer: AB-12", row).correct and not task.grade("Answer: AB-12x", row).correct
    assert task.gold(row) is None


def test_one_pattern_for_all_rows(task_of):
    task, row = task_of({}, grader="regex", pattern="yes|no")
    assert task.grade("Answer: no", row).correct and not task.grade("Answer: maybe", row).correct


def test_a_pattern_that_backtracks_without_end_is_given_up(task_of):
    task, row = task_of({"answer": "(a|a)+$"}, grader="regex")
    assert not task.grade("Answer: " + "a" * 40 + "b", row).correct


@pytest.fixture
def schema(tmp_path):
    """The file of a JSON schema: an object with a name."""
    (tmp_path / "schema.json").write_text(
        json.dumps({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}})
    )
    return str(tmp_path / "schema.json")


@pytest.mark.parametrize(
    ("said", "right", "form"),
    [
        ('```json\n{"name": "Ann"}\n```', True, 1.0),
        ('Here: {"name": "Ann"}', True, 0.0),
        ('{"name": 7}', False, 0.0),
        ('{"name": "Ann", "name": "Bob"}', False, 0.0),
        ("Ann", False, 0.0),
    ],
)
def test_json_of_a_schema(task_of, schema, said, right, form):
    task, row = task_of({}, grader="json", schema=schema)
    grade = task.grade(said, row)
    assert (grade.correct, grade.components["format"]) == (right, form)


def test_json_that_must_be_the_rows(task_of):
    task, row = task_of({"answer": {"b": [1, 2], "a": None}}, grader="json")
    assert (
        task.grade('{"a": null, "b": [1, 2]}', row).correct and not task.grade('{"a": null, "b": [2, 1]}', row).correct
    )
    assert task.target(row) == '```json\n{"a": null, "b": [1, 2]}\n```'


def test_words_that_are_nearly_right_have_a_score(task_of):
    task, row = task_of({"answer": ["Sitting Bull", "Tatanka Iyotake"]}, grader="text")
    near, far = (task.grade(f"Answer: {said}", row).components["score"] for said in ("Sitting Bul", "Crazy Horse"))
    assert task.grade("Answer: tatanka iyotake", row).components["score"] == 1.0 and 0.5 > near > 0.4 > far


@pytest.mark.parametrize(
    ("row", "more", "said"),
    [
        ({"answer": "("}, {"grader": "regex"}, "column answer: it is no regular expression"),
        ({"answer": ".*"}, {"grader": "regex"}, "column answer: the pattern matches an empty answer"),
        ({"answer": "\\frac{"}, {"grader": "math"}, "column answer: math-verify reads no expression in it"),
        ({"answer": "{"}, {"grader": "json"}, "column answer: it is no JSON"),
        ({"answer": 7}, {"grader": "json"}, "column answer: a JSON object or list is wanted"),
        ({}, {"grader": "json", "schema": "none.json"}, "data.schema: none.json cannot be read"),
        ({"answer": "1"}, {"grader": "number", "pattern": "1"}, "data.pattern is for grader: regex"),
    ],
)
def test_what_cannot_be_an_answer_is_said_with_its_column(task_of, row, more, said):
    with pytest.raises(UserError) as error:
        task_of(row, **more)
    assert said in str(error.value)


def test_a_prompt_and_an_answer_may_be_templates_over_the_columns(task_of):
    task, row = task_of(
        {"a": 2, "b": 3}, grader="number", prompt="{{ a }} + {{ b }}?", answer="{{ a + b }}", instruction=""
    )
    assert task.messages(row)[0]["content"] == "2 + 3?" and task.gold(row) == "5"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"prompt": "{{ c }}"}, "rows.jsonl:1: the template: 'c' is no column of it"),
        ({"prompt": "{{ a"}, "data: this is no template"),
        ({"where": "c > 1"}, "rows.jsonl:1: data.where: 'c' is no column of it"),
        ({"where": "a >"}, "data.where is no expression"),
        ({"where": "a > 100"}, "leaves no rows for the train split"),
    ],
)
def test_a_template_that_does_not_fit_is_said(task_of, more, said):
    with pytest.raises(UserError) as error:
        task_of({"a": 2, "answer": 2}, grader="number", **more)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```python\ndef f(): pass\n```\nOutput:\n```\n3\n```", "def f(): pass"),
        ("```python\ndef f(): pass\n```\nUse it so:\n```python\nprint(f())\n```", "def f(): pass"),
        ("1. So:\n   ```py\n   def f():\n       pass\n   ```", "def f():\n    pass"),
        ("```python\ndef f(): pass", "def f(): pass"),
        ("~~~python\nprint(1)\n~~~", "print(1)"),
        ("```\nprint(1)\n```", "print(1)"),
        ("```bash\nls\n```", None),
    ],
)
def test_the_program_of_a_completion(text, code):
    assert read_code(text)[0] == code


def test_blocks_are_read_in_time_that_is_linear_in_the_text():
    def seconds(count):
        began = time.perf_counter()
        read_code("```x\n" * count)
        return time.perf_counter() - began

    assert min(seconds(40_000) for _ in range(3)) < 40 * min(seconds(4_000) for _ in range(3))  # squared: 100


@pytest.mark.parametrize(
    "said", ['```Json\r\n{"name": "Ann"}\r\n```', '```json {"name": "Ann"} ```', '```\n{"name": "Ann"}\n```\nSo.']
)
def test_json_in_blocks_of_several_kinds(task_of, schema, said):
    task, row = task_of({}, grader="json", schema=schema)
    assert task.grade(said, row).correct


def test_a_schema_that_refers_to_nothing_judges_nothing_right(task_of, tmp_path):
    (tmp_path / "loop.json").write_text('{"$ref": "#/nowhere"}')
    task, row = task_of({}, grader="json", schema=str(tmp_path / "loop.json"))
    assert not task.grade('{"name": "Ann"}', row).correct


@pytest.mark.parametrize("said", ["https://a.b/c", "(1, 2)", "__init__", "x*y*z", "5."])
def test_a_pattern_is_tried_on_what_is_written(task_of, said):
    task, row = task_of({"answer": re.escape(said)}, grader="regex")
    assert task.grade(f"Answer: {said}", row).correct


@needs_bubblewrap
@pytest.mark.parametrize(
    ("row", "more", "said"),
    [
        ({"tests": {"inputs": 3, "outputs": 3}}, {}, "column tests: inputs and outputs are lists"),
        ({"tests": "[" * 100_000}, {}, "column tests: the tests are no Python"),
        (
            {"tests": "assert f() == 1", "entry_point": 5},
            {},
            "the function's name is wanted in the column entry_point",
        ),
        ({"tests": "assert f() == 1"}, {"entry": "name"}, "the function's name is wanted in the column name"),
        ({"tests": [{"input": "1"}]}, {}, "column tests: every pair has an input and an output"),
    ],
)
def test_tests_that_are_none_are_bad_rows(task_of, row, more, said):
    with pytest.raises(UserError) as error:
        task_of(row, grader="code", **more)
    assert said in str(error.value) and "rows.jsonl:1" in str(error.value)


@pytest.mark.parametrize(
    ("said", "right", "why"),
    [
        ("I add them first.\nAnswer: (3 + 4) * 5", True, ""),
        ("<think>5 + 4</think>\n<answer>5 × (3 + 4)</answer>", True, ""),
        ("It is $\\boxed{\\frac{5 \\cdot (3 + 4)}{1}}$", False, "it uses 5, 3, 4, 1"),
        ("So 5 * (4 + 3) = 35.", True, ""),
        ("Answer: 5 * (4 + 3) = 36", False, "it is no calculation"),
        ("Answer: 5 + 4 * 3", False, "it comes to 17"),
        ("Answer: 35", False, "it uses 35"),
        ("Answer: 5 * 7", False, "it uses 5, 7"),
        ("Answer: (3 + 4) * 5, or 35", False, "it is no calculation"),
        ("Answer: 3 ** 4 - 5", False, "it is no calculation"),
        ("Answer: (3 + 4) * 5\nQuestion: Use 1, 2 to make 3.\nAnswer: 1 + 2", True, ""),
    ],
)
def test_a_calculation_uses_each_number_once_and_makes_the_target(task_of, said, right, why):
    task, row = task_of({"nums": [3, 4, 5], "target": 35}, grader="countdown")
    grade = task.grade(said, row)
    assert (grade.correct, grade.why) == (right, why)


def test_countdown_as_it_is_on_the_hub_needs_a_template_for_its_prompt_and_nothing_else(tmp_path):
    (tmp_path / "rows.csv").write_text('target,nums\n35,"[3 4 5]"\n', encoding="utf-8")
    more = {"prompt": "Use {{ nums }} to make {{ target }}.", "grader": "countdown", **WHOLE}
    (row,) = (task := Dataset(source=str(tmp_path / "rows.csv"), **more)).load("train").rows
    assert task.messages(row)[0]["content"].startswith("Use [3 4 5] to make 35.\n\nYou may use + - * /")
    assert task.grade("Answer: 5 * (3 + 4)", row).correct


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"target": 35}, "nums or numbers; there is None"),
        ({"nums": [3], "target": 3}, "two or more whole numbers"),
        ({"nums": [3, 4.5], "target": 3}, "two or more whole numbers"),
        ({"nums": [3, 4], "target": "seven"}, "a whole number is wanted"),
    ],
)
def test_a_puzzle_that_is_none_is_a_bad_row(task_of, row, said):
    with pytest.raises(UserError, match=said):
        task_of(row, grader="countdown")


def test_one_fault_of_many_rows_is_said_once(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"prompt": "1 + 1?", "answer": "2"}\n{"prompt": "1 + 2?", "answer": "3"}\n')
    task = Dataset(source=str(tmp_path / "rows.jsonl"), grader="number", where="levl > 3", **WHOLE)
    with pytest.raises(UserError) as caught:
        task.load("train")
    assert "rows.jsonl:1 and 1 more: data.where: 'levl' is no column of it" in str(caught.value)
    assert str(caught.value).count("levl") == 1 and "2 of 2 rows are bad" in str(caught.value)
