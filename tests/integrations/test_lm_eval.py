"""What lm-evaluation-harness is given to read answers with, without the harness."""

import re

import pytest

from ratchet.errors import UserError
from ratchet.integrations import lm_eval
from ratchet.recipe import load_recipe


class Plain:
    """A task as the harness's part sees it."""

    name, answers = "plain", ()

    def __init__(self, golds, form="{}"):
        self.golds, self.form = golds, form

    def gold(self, row):
        return self.golds[row]

    def commit(self, answer, row):
        return self.form.format(answer)


def last(found):
    return found[-1] if found else None


READ = [
    ("Answer: {}", "3 + 4 = 7\nAnswer: 7", "7", "7"),
    ("#### {}", "so 12\n#### 1,200", "1,200", "1,200"),
    ("<answer>{}</answer>", "x <answer>40</answer> y 3", "40", "3"),
    ("Answer: {}", "it is 7", None, "7"),
]


@pytest.mark.parametrize(("form", "text", "strict", "flexible"), READ)
def test_answers_are_read_in_the_form_that_is_asked_for_and_anywhere(form, text, strict, flexible):
    task = Plain(["7"], form)
    assert last(re.findall(lm_eval.pattern(task, 0, "strict"), text)) == strict
    assert last(re.findall(lm_eval.pattern(task, 0, "flexible"), text)) == flexible


def test_letters_are_read_and_may_be_likeliest(root):
    task = load_recipe(root / "recipes/demo.yaml").task
    row = task.load("validation").rows[0]
    assert re.findall(lm_eval.pattern(task, row, "strict"), "A is wrong\nAnswer: C") == ["C"]
    assert re.findall(lm_eval.pattern(task, row, "flexible"), "A is wrong\nAnswer: C") == ["A", "C"]
    assert lm_eval._chosen(task, [row], []) == ["aquarat_strict", "aquarat_flexible", "aquarat_letters"]


def test_words_are_read_in_their_form_alone():
    assert lm_eval._chosen(Plain(["wikcemna"]), [0], []) == ["plain_strict"]
    assert lm_eval._chosen(Plain(["7", "-3.5"]), [0, 1], []) == ["plain_strict", "plain_flexible"]


def test_rows_without_an_answer_and_unknown_tasks_are_refused():
    with pytest.raises(UserError, match="rows without a right answer"):
        lm_eval._chosen(Plain([None]), [0], [])
    with pytest.raises(UserError, match="no task plain_letters; there are plain_strict"):
        lm_eval._chosen(Plain(["word"]), [0], ["plain_letters"])
