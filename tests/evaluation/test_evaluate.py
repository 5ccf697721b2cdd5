"""An evaluation with generators and graders made up here: what is asked for, what is counted, what is named."""

from dataclasses import replace

import pytest

from ratchet.evaluation.evaluate import Answered, Result, evaluate, graded, write_completions
from ratchet.inference.completion import Completion, Sampling
from ratchet.recipe.groups import Evaluation
from ratchet.rewards.scoring import Failure, Score, failed
from ratchet.tasks.base import Grade

SETTINGS = Evaluation(samples=0, split="validation", seed=3, batch_size=7)


class Letters:
    """A task whose gold answer stands in the row, and whose grader raises where a completion says so."""

    label, answers = "letters", ("A", "B", "C", "D")

    def messages(self, row):
        return [{"role": "system", "content": "Choose."}, {"role": "user", "content": f"question {row['id']}"}]

    def gold(self, row):
        return row["gold"]

    def cluster(self, row):
        return row.get("text")

    def part(self, row):
        return None

    def grade(self, completion, row):
        if completion == "raise":
            raise RuntimeError("on purpose")
        return Grade(completion == row["gold"], completion or None, {"length": len(completion)})


ROWS = [{"id": "1", "gold": "A"}, {"id": "2", "gold": "B"}, {"id": "3", "gold": "A"}]


class Writer:
    """A generator that writes what it is given, by row; the sampled ones in turn."""

    def __init__(self, greedy, sampled=()):
        self.greedy, self.sampled = greedy, sampled
        self.asked: list[Sampling] = []

    def __call__(self, conversations, sampling):
        self.asked.append(sampling)
        texts = self.sampled if sampling.temperature else [[text] for text in self.greedy]
        assert len(texts) == len(conversations)
        return [[Completion(text, 2, text == "") for text in of_row] for of_row in texts], 1.5


class Pool:
    """A scorer that remembers the batches it was given; ``lost`` completions fail the first time they are seen."""

    def __init__(self, task, lost=()):
        self.task, self.lost, self.batches = task, set(lost), []

    def __call__(self, requests):
        self.batches.append([request.text for request in requests])
        return [self.score(request) for request in requests]

    def score(self, request):
        if request.text in self.lost:
            self.lost.remove(request.text)
            return failed((), "grade", "its process died")
        return Score(self.task.grade(request.text, request.row), ())


def measured(writer, samples=0, scorer=None):
    settings = replace(SETTINGS, samples=samples)
    return evaluate(Letters(), ROWS, settings, 9, writer, "model", scorer)


def test_greedy_completions_are_graded_and_kept_with_prompt_and_components():
    result = measured(Writer(["A", "", "B"]))
    first, second, third = result.answered
    assert (first.correct, second.correct, third.correct) == (True, False, False)
    assert (second.answer, second.truncated) == (None, True)
    assert (first.prompt, first.gold, first.components) == ("question 1", "A", {"length": 1.0})
    assert (result.seconds, result.generated_tokens, result.failures) == (1.5, 6, [])


def test_greedy_is_asked_for_once_and_sampled_with_the_recipes_settings():
    writer = Writer(["A", "B", "A"], [["A", "B"]] * 3)
    result = measured(writer, samples=2)
    greedy, sampled = writer.asked
    assert greedy == Sampling(9, batch_size=7)
    assert sampled == Sampling(9, SETTINGS.temperature, SETTINGS.top_p, 2, 7, 3)
    assert (result.seconds, result.generated_tokens) == (3.0, 2 * 3 + 2 * 6)


def test_samples_are_counted_for_pass_at_k():
    result = measured(Writer(["A", "B", "A"], [["A", "B"], ["A", "A"], ["A", "A"]]), samples=2)
    assert [a.samples_correct for a in result.answered] == [[True, False], [False, False], [True, True]]
    assert result.as_dict()["pass_at_k"]["1"]["accuracy"] == 0.5
    assert result.as_dict()["pass_at_k"]["2"]["accuracy"] == pytest.approx(2 / 3)


def test_rows_without_a_gold_answer_have_no_majority_and_no_confusion():
    answered = [Answered(str(i), "", None, True, "x", 1, False) for i in range(4)]
    result = Result("m", "t", "test", answered, (), 1.0, 4)
    assert result.majority == 0.0 and "confusion" not in result.as_dict()
    assert result.accuracy.accuracy == 1.0 and result.figures()["exact_match"] == 0.0


def test_rows_of_one_group_are_said_to_be_one_cluster():
    rows = [{"id": str(i), "gold": "A", "text": "long" if i else "short"} for i in range(6)]
    answered = [Answered(row["id"], "A", "A", True, "A", 1, False, cluster=Letters().cluster(row)) for row in rows]
    result = Result("m", "t", "test", answered, "AB", 1.0, 6)
    assert result.accuracy.clusters == 2 and "in 2 clusters" in result.table()
    assert result.as_dict()["clusters"] == 2


def test_a_grader_that_raises_on_a_greedy_completion_is_named_and_counts_as_wrong():
    result = measured(Writer(["A", "raise", "A"]))
    assert result.failures == ["row 2: RuntimeError: on purpose"]
    assert result.accuracy.accuracy == pytest.approx(2 / 3)
    assert result.as_dict()["failed"] == 1
    assert "the grader failed on 1 answers, which count as wrong; row 2: RuntimeError" in result.table()


def test_a_grader_that_raises_on_a_sampled_completion_is_named_and_counts_as_wrong():
    result = measured(Writer(["A", "B", "A"], [["A", "raise"], ["B", "B"], ["raise", "A"]]), samples=2)
    assert result.failures == [
        "row 1, sample 2: RuntimeError: on purpose",
        "row 3, sample 1: RuntimeError: on purpose",
    ]
    assert [a.samples_correct for a in result.answered] == [[True, False], [True, True], [False, True]]


def test_all_samples_are_scored_in_one_batch():
    pool = Pool(Letters())
    measured(Writer(["A", "B", "A"], [["A", "B"], ["C", "D"], ["A", "A"]]), samples=2, scorer=pool)
    assert pool.batches == [["A", "B", "A"], ["A", "B", "C", "D", "A", "A"]]


def test_a_completion_that_the_grader_failed_on_by_chance_is_scored_again():
    pool = Pool(Letters(), lost=["B"])
    result = measured(Writer(["A", "B", "A"]), scorer=pool)
    assert pool.batches == [["A", "B", "A"], ["B"]]
    assert result.failures == [] and result.accuracy.accuracy == 1.0


def test_rows_may_have_different_numbers_of_completions():
    completions = [[Completion("A", 1, False)], [], [Completion("A", 1, False), Completion("B", 1, False)]]
    grades, failures = graded(ROWS, completions, Pool(Letters()))
    assert [[grade.correct for grade in of_row] for of_row in grades] == [[True], [], [True, False]]
    assert failures == []


def test_a_second_failure_is_the_one_that_is_named():
    errors = iter(["first", "second"])

    def scorer(requests):
        return [Score(Grade(False, None), (), Failure("grade", next(errors))) for _ in requests]

    _, failures = graded(ROWS[:1], [[Completion("A", 1, False)]], scorer)
    assert failures == ["row 1: second"]


def result_of(answers, golds="AABB", choices="AB") -> Result:
    answered = [
        Answered(id=str(i), gold=gold, answer=answer, correct=gold == answer, completion="", tokens=1, truncated=False)
        for i, (gold, answer) in enumerate(zip(golds, answers, strict=True))
    ]
    return Result("m", "t", "test", answered, choices, seconds=2.0, generated_tokens=8)


def test_baselines_stand_beside_the_accuracy():
    result = result_of("AAAA", golds="AAAB")
    assert (result.majority, result.chance) == (0.75, 0.5)
    assert "baselines  majority 0.750, chance 0.500" in result.table()
    assert "chance" not in result_of("AAAA", golds="AAAB", choices=()).table()


def test_answers_that_could_not_be_read_have_a_column_of_their_own():
    confusion = result_of(["A", None, "B", "A"]).as_dict()["confusion"]
    assert confusion == {"A": {"A": 1, "none": 1}, "B": {"A": 1, "B": 1}}
    assert "          A      B   none" in result_of(["A", None, "B", "A"]).table()


def test_programs_make_no_table():
    said = result_of(["A", "A"], golds=["def f():\n    return 1", "A"], choices=()).table()
    assert "answers too long for a table" in said and "return 1" not in said


def test_many_different_golds_have_no_confusion_matrix():
    words = [f"word {i}" for i in range(27)]
    assert "confusion" not in result_of(words, golds=words).as_dict()
    assert "more than twelve different answers" in result_of(words[:13], golds=words[:13]).table()


def test_components_are_averaged_over_the_rows_that_have_them():
    result = result_of("AB", golds="AB")
    result.answered[0].components = {"format": 1.0, "order": 0.0}
    result.answered[1].components = {"format": 0.0}
    assert result.as_dict()["components"] == {"format": {"mean": 0.5, "n": 2}, "order": {"mean": 0.0, "n": 1}}


def test_figures_are_single_numbers_with_the_ends_of_each_interval():
    figures = result_of("AAAB").figures()
    assert figures["accuracy"] == figures["exact_match"] == 0.75
    assert figures["accuracy_low"] < 0.75 < figures["accuracy_high"] and figures["n"] == 4
    assert all(isinstance(value, (int, float)) for value in figures.values())


def test_an_evaluation_of_no_rows_is_a_result():
    figures = result_of("", golds="").as_dict()
    assert (figures["n"], figures["accuracy"], figures["majority"], figures["mean_tokens"]) == (0, 0.0, 0.0, 0.0)


def test_this_model_is_the_second_of_a_comparison():
    paired = result_of("AABB").compare(result_of("BABB"))
    assert (paired["only_first"], paired["only_second"], paired["difference"]) == (0, 1, 0.25)


def test_evaluations_of_different_rows_are_not_compared():
    with pytest.raises(ValueError, match="different rows"):
        result_of("AABB").compare(result_of("AA", golds="AA"))


def test_every_completion_is_written_as_a_line_of_json(tmp_path):
    import json

    write_completions(tmp_path / "made/completions.jsonl", result_of(["A", None, "é", "B"]))
    lines = (tmp_path / "made/completions.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["answer"] for line in lines] == ["A", None, "é", "B"] and "é" in lines[2]
