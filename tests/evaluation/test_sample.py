"""Graded samples as rows: what is kept, that nothing is drawn twice, and what reads them."""

import json

import pytest
import yaml

from ratchet.errors import UserError
from ratchet.evaluation.sample import CHUNK, Wanted, sample
from ratchet.inference.completion import Completion
from ratchet.recipe import load_recipe
from ratchet.tasks import load_split
from ratchet.tasks.dataset.task import Dataset
from ratchet.training.dataset import _between

ROWS = [{"question": f"What is {n} plus {n}?", "answer": 2 * n} for n in range(CHUNK + 6)]


@pytest.fixture
def recipe(tmp_path):
    """Loads a recipe over rows of sums; four samples of each."""
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))

    def load(**more):
        values = {
            "trainer": "grpo",
            "task": "dataset",
            "data": {"source": "rows.jsonl", "grader": "number", "validation_share": 0, "test_share": 0},
            "model_name_or_path": "ratchet-tiny",
            "rewards": {"correctness": {"weight": 1.0}, "answer_format": {"weight": 0.1}},
            "evaluation": {"samples": 4},
            **more,
        }
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
        return load_recipe(tmp_path / "recipe.yaml", environ={})

    return load


class Model:
    """Right in as many of its samples as the number that is asked about has over, divided by five."""

    def __init__(self):
        self.asked = []

    def __call__(self, conversations, sampling):
        self.asked += conversations
        found = []
        for messages in conversations:
            n = int(messages[-1]["content"].split()[2])
            right = [f"Answer: {2 * n}", f"It is {2 * n}.", f"Answer: {2 * n}", f"So it is\nAnswer: {2 * n}"]
            texts = right[: n % 5] + ["Answer: 7777"] * (4 - n % 5)
            found.append([Completion(text, len(text), text == "So it is" and n > 50) for text in texts])
        return found, 1.0


def drawn(recipe, folder, model=None, **wanted):
    rows = load_split(recipe.task).rows
    return sample(recipe, model or Model(), "a model", "train", rows, Wanted(**wanted), folder)


def lines(folder, name):
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def test_right_samples_are_kept_each_text_once(recipe, tmp_path):
    found = drawn(recipe(), tmp_path / "out")
    of_row = [row for row in lines(tmp_path / "out", "rows") if row["id"].startswith("train-4#")]
    texts = [row["completion"][0]["content"] for row in of_row]
    assert texts == ["Answer: 8", "So it is\nAnswer: 8", "It is 8."]  # by reward, then length
    assert found["never_right"] == found["always_right"] == len(ROWS) // 5
    assert found["pass_at_k"]["1"]["accuracy"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("wanted", "counts"),
    [
        ({"per_prompt": 1}, [0, 1, 1, 1, 1]),
        ({"keep": "best"}, [1, 1, 1, 1, 1]),
        ({"keep": "all"}, [1, 2, 3, 3, 3]),
        ({"hardest": 0.3, "easiest": 0.8}, [0, 0, 2, 2, 0]),
        ({"longest": 9}, [0, 1, 2, 2, 2]),
    ],
)
def test_what_becomes_a_row(recipe, tmp_path, wanted, counts):
    drawn(recipe(), tmp_path / "out", **wanted)
    ids = [row["id"].partition("#")[0] for row in lines(tmp_path / "out", "rows")]
    assert [ids.count(f"train-{n}") for n in range(5)] == counts


def test_what_was_drawn_is_not_drawn_again(recipe, tmp_path):
    class Dies(Model):
        def __call__(self, conversations, sampling):
            if self.asked:
                raise KeyboardInterrupt
            return super().__call__(conversations, sampling)

    with pytest.raises(KeyboardInterrupt):
        drawn(recipe(), tmp_path / "out", Dies())
    second = Model()
    drawn(recipe(), tmp_path / "out", second)
    assert len(second.asked) == len(ROWS) - CHUNK
    drawn(recipe(), tmp_path / "whole")
    for name in ("samples", "rows", "difficulty"):
        assert lines(tmp_path / "out", name) == lines(tmp_path / "whole", name)
    third = Model()
    drawn(recipe(), tmp_path / "out", third, keep="best")
    assert third.asked == []


def test_samples_of_two_ways_are_not_mixed(recipe, tmp_path):
    drawn(recipe(), tmp_path / "out")
    with pytest.raises(UserError, match=r"holds samples drawn otherwise \(temperature 1.0, now 0.5\)"):
        drawn(recipe(evaluation={"samples": 4, "temperature": 0.5}), tmp_path / "out")


def test_sft_reads_the_rows(recipe, tmp_path):
    drawn(recipe(), tmp_path / "out")
    whole = {"validation_share": 0, "test_share": 0}
    task = Dataset(source=str(tmp_path / "out/rows.jsonl"), grader="none", **whole)
    row = task.load("train").rows[0]
    assert task.messages(row)[-1]["content"].startswith("What is 1 plus 1?") and task.target(row) == "Answer: 2"


def test_grpo_leaves_out_what_is_always_or_never_right(recipe, tmp_path):
    drawn(recipe(), tmp_path / "out")
    found = recipe(curriculum={"measured": str(tmp_path / "out/difficulty.jsonl"), "hardest": 0.3, "easiest": 0.8})
    rows = load_split(found.task).rows
    kept, said = _between([*rows, {**rows[0], "id": "another"}], found.curriculum)
    assert {int(row["id"].rpartition("-")[2]) % 5 for row in kept} == {2, 3}
    assert (
        said == f"kept {len(kept)} of {len(rows) + 1} rows, right in 0.3 to 0.8 of their samples; 1 were not measured"
    )


@pytest.mark.parametrize(
    ("curriculum", "said"),
    [
        ({"measured": "x.jsonl", "hardest": 0.9, "easiest": 0.1}, "curriculum.hardest and easiest are shares"),
        ({"hardest": 0.1, "resample": 1}, "curriculum.hardest and easiest belong to measured"),
    ],
)
def test_shares_that_do_not_go_together_are_said(recipe, curriculum, said):
    with pytest.raises(UserError) as error:
        recipe(curriculum=curriculum)
    assert said in str(error.value)


def test_a_file_of_something_else_is_said(recipe, tmp_path):
    rows = load_split(recipe().task).rows
    for path, said in (
        (tmp_path / "none.jsonl", "there is no file"),
        (tmp_path / "rows.jsonl", "has no id and share"),
    ):
        settings = recipe(curriculum={"measured": str(path)}).curriculum
        with pytest.raises(UserError) as error:
            _between(rows, settings)
        assert said in str(error.value)
