"""The recipe's group ``distillation``: what goes together, and what is refused before anything is loaded."""

import pytest
import yaml

from ratchet.errors import UserError
from ratchet.recipe import load_recipe

BASE = {
    **{"trainer": "distill", "task": "aquarat", "data": {"source": "generated"}, "model_name_or_path": "ratchet-tiny"},
    **{"num_generations": 4, "per_device_train_batch_size": 4, "temperature": 1.0},
}
REWARDS = {"correctness": {"weight": 1.0}}


@pytest.fixture
def recipe(tmp_path):
    def load(settings, **keys):
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump({**BASE, "distillation": settings, **keys}))
        return load_recipe(tmp_path / "mine.yaml", environ={})

    return load


def test_without_rewards_the_teacher_alone_teaches_and_right_answers_are_counted(recipe):
    found = recipe({"context": "Count."})
    assert not found.learns_from_rewards and [term.name for term in found.rewards] == ["correctness"]
    assert found.distillation.adv_tau == 0


def test_beside_rewards_both_teach(recipe):
    assert recipe({"context": "Count."}, rewards=REWARDS).distillation.adv_tau == 0.5
    assert recipe({"context": "Count."}, rewards=REWARDS, trainer="grpo").learns_from_rewards


def test_rows_that_nobody_grades_can_be_learned_from(recipe, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 1)
    data = {"source": str(tmp_path / "rows.jsonl"), "grader": "none"}
    found = recipe({"context": "Count."}, task="dataset", data=data, evaluation={"after": False})
    assert found.rewards == [] and not found.learns_from_rewards


def test_the_file_of_a_context_is_found_beside_the_recipe_and_belongs_to_it(recipe, tmp_path):
    (tmp_path / "mine.py").write_text("def hint(row): return 'x'\n")
    found = recipe({"context": "mine.py:hint"})
    assert found.distillation.context == f"{tmp_path / 'mine.py'}:hint"
    assert tmp_path / "mine.py" in found.own_files


@pytest.mark.parametrize(
    ("settings", "keys", "said"),
    [
        (None, {}, "distillation is missing"),
        ({}, {}, "teacher: start without a context is the student itself"),
        ({"context": "x", "teacher_tau": 0, "student_tau": 0}, {}, "the teacher says nothing"),
        ({"context": "x", "form": "jsd", "teacher_tau": 0}, {}, "the form jsd teaches nothing"),
        ({"context": "x", "form": "kl"}, {}, "distillation.form must be one of token, sequence"),
        ({"context": "x", "form": "teacher_samples"}, {"rewards": REWARDS}, "has no use for the student's advantage"),
        ({"context": "x", "form": "teacher_samples"}, {"use_vllm": True}, "and use_vllm from the student"),
        ({"context": "x", "by_length": True}, {}, "by_length is for form: sequence"),
        ({"context": "x", "form": "jsd", "only_where_wrong": True}, {}, "only_where_wrong is for the forms"),
        ({"context": "x", "teacher": "average"}, {"use_peft": True}, "average is for full fine-tuning"),
        ({"context": "x", "teacher": "http://h:1"}, {"temperature": 0.7}, "temperature must be 1, it is 0.7"),
        ({"context": "x", "teacher": "http://h:1", "form": "jsd"}, {}, "needs the teacher's weights"),
        ({"context": "x", "follow": 2}, {}, "distillation.follow must lie between 0 and 1"),
        ({"context": "x", "taus": 2}, {}, "unknown key distillation.taus"),
        ({"context": "x"}, {"trainer": "sft"}, "distillation is for steps that sample and train in turn"),
        ({"context": "x"}, {"curriculum": {"resample": 2}}, "from which a teacher still teaches"),
        (
            {"context": "x", "form": "sequence"},
            {"objective": "opo", "rewards": REWARDS},
            "opo has a baseline of its own",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(recipe, settings, keys, said):
    with pytest.raises(UserError, match=said):
        recipe(settings, **keys)
