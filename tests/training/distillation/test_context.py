"""What a teacher is told: made of a row, joined to the prompt, and checked before anything is trained."""

import pytest

from ratchet.errors import UserError
from ratchet.models import chat_format, locate
from ratchet.models.load import trl_templates
from ratchet.tasks.aquarat.task import AquaRat, Generated
from ratchet.training.distillation.context import check_context, context_of, told

TASK = AquaRat(source="generated", instruction="", generated=Generated(train=8, validation=4))


@pytest.fixture(scope="module")
def chat():
    return chat_format({}, locate("ratchet-tiny"))


def row():
    return TASK.load("train").rows[0]


def test_a_context_is_a_text_a_template_or_a_function(tmp_path):
    (tmp_path / "mine.py").write_text("def hint(row):\n    return 'It is ' + row['correct']\n")
    assert context_of(None) is None
    assert context_of("Count.")(row()) == "Count."
    assert context_of("Think of {{ correct }}.")(row()) == f"Think of {row()['correct']}."
    assert context_of(f"{tmp_path / 'mine.py'}:hint")(row()) == f"It is {row()['correct']}"
    assert context_of("{{ level }}")({"id": "1", "columns": {"level": "hard"}}) == "hard"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{{ hint", "is no template"),
        ("{{ hint }}", "row train-0: 'hint' is no column of it; it has id"),
        ("{{ '' }}", "a text is wanted that is not empty"),
        ("nowhere.py:hint", "distillation.context: the file nowhere.py does not exist"),
        ("MINE:number", "it makes 3; a text is wanted"),
        ("MINE:breaks", "distillation.context"),
    ],
)
def test_a_context_that_cannot_be_made_is_said(tmp_path, given, said):
    (tmp_path / "mine.py").write_text("def number(row): return 3\ndef breaks(row): return 1 / 0\n")
    with pytest.raises(UserError, match=said):
        context_of(given.replace("MINE", str(tmp_path / "mine.py")))(row())


def test_every_message_of_the_student_is_kept():
    few = [{"role": r, "content": c} for r, c in (("system", "S"), ("user", "U"), ("assistant", "A"), ("user", "V"))]
    assert [m["content"] for m in told(few, "C")] == ["C\n\nS", "U", "A", "V"]
    assert [m["content"] for m in told(few[1:], "C")] == ["C", "U", "A", "V"]


def test_the_teacher_is_shown_context_and_prompt_and_the_longest_is_said(chat):
    (said,) = check_context(context_of("Work it out."), TASK, TASK.load("train").rows, chat, 512, 4)
    assert said.startswith("the teacher's prompts, context included, have at most")


def test_a_context_that_does_not_fit_is_refused_with_the_row(chat):
    with pytest.raises(
        UserError, match=r"row train-0: prompt and context are \d+ tokens, and the teacher can read 20"
    ):
        check_context(context_of("Work it out."), TASK, TASK.load("train").rows, chat, 20, 4)


def test_a_template_that_drops_the_system_message_is_refused(chat, monkeypatch):
    drops = "{% for m in messages if m.role != 'system' %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
    monkeypatch.setattr(chat.tokenizer, "chat_template", drops)
    with pytest.raises(UserError, match="the chat template leaves out the system's text, 'Work it out.'"):
        check_context(context_of("Work it out."), TASK, TASK.load("train").rows, chat, None, 4)


def test_a_template_that_ends_prompts_differently_is_refused(chat, monkeypatch):
    ends = (
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        "{% if messages[0].role == 'system' %}thinking:{% else %}answer:{% endif %}"
    )
    monkeypatch.setattr(chat.tokenizer, "chat_template", ends)
    with pytest.raises(UserError, match="would be two different ones"):
        check_context(context_of("Work it out."), TASK, TASK.load("train").rows, chat, None, 4)


@pytest.mark.parametrize("name", ["qwen3", "qwen2_5", "llama3_2", "gemma3", "deepseekv3", "phi3", "gptoss"])
def test_under_a_models_own_template_the_context_is_shown_or_refused(chat, monkeypatch, name):
    path = trl_templates() / f"{name}.jinja"
    if not path.is_file():
        pytest.fail(f"TRL has no {name}; it has {sorted(p.stem for p in trl_templates().glob('*.jinja'))}")
    monkeypatch.setattr(chat.tokenizer, "chat_template", path.read_text(encoding="utf-8"))
    rows = TASK.load("train").rows
    check_context(context_of("Work it out."), TASK, rows, chat, None, 4)
    prompt = chat.prompt(told(TASK.messages(rows[0]), "Work it out."))
    assert "Work it out." in prompt and rows[0]["question"] in prompt
