"""What an evaluation writes and says, without a model."""

from types import SimpleNamespace

import pytest

from ratchet.errors import UserError
from ratchet.evaluation import run
from ratchet.evaluation.evaluate import Answered, Result


def result(answers: str, golds: str = "AABB", choices=("A", "B"), model: str = "m") -> Result:
    answered = [
        Answered(id=str(i), gold=gold, answer=answer, correct=gold == answer, completion="", tokens=1, truncated=False)
        for i, (gold, answer) in enumerate(zip(golds, answers, strict=True))
    ]
    return Result(model, "t", "test", answered, choices, seconds=1.0, generated_tokens=4)


def test_a_comparison_names_the_rows_that_each_model_alone_got_right():
    this, other = result("AABA", model="new"), result("BBBB", model="old")
    line = run._paired("new", "old", this.compare(other))
    assert line.startswith(
        "new minus old: +0.250 on the same 4 rows (2 only the first, 1 only the other; McNemar p = "
    )


def test_a_record_holds_figures_metrics_and_how_to_repeat_it():
    entry = run.record(result("AABA"))
    assert entry["metrics"] == {"exact_match": 0.75} and entry["accuracy"] == 0.75
    assert {"command", "commit", "made", "low", "high", "n", "majority"} <= entry.keys()
    assert "step" not in entry


def test_free_text_is_measured_by_characters_too():
    metrics = run.record(result(["ab", "cd"], ["ab", "xy"], choices=()))["metrics"]
    assert metrics["exact_match"] == 0.5 and 0 < metrics["chrf"] < 1


def test_a_checkpoints_record_names_its_step(tmp_path):
    (tmp_path / "trainer_state.json").write_text('{"global_step": 30}')
    assert run.record(result("AABB", model=str(tmp_path)))["step"] == 30


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused():
    model = SimpleNamespace(get_input_embeddings=lambda: SimpleNamespace(num_embeddings=3))
    run.check_vocabulary(model, "abc", "m")
    with pytest.raises(UserError, match="its tokenizer has 4 tokens and the model embeds 3"):
        run.check_vocabulary(model, "abcd", "m")
