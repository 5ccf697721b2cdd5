"""Measure a model on a task: the same ``Task.grade`` that gives the reward, with intervals and baselines beside it."""

import json
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.evaluation.statistics import Share, clusters, mcnemar, passes_at_k, share
from ratchet.inference.completion import Completion, Generator, Sampling
from ratchet.recipe.groups import Evaluation
from ratchet.rewards.scoring import Score, Scorer, ScoringRequest, score
from ratchet.tasks.base import Grade, Message, Row, Task
from ratchet.tasks.loading import capped

NO_ANSWER = "none"
MOST_GOLDS = 26
"""More different gold answers than options have letters are free text, of which a confusion matrix tells nothing."""
MOST_COLUMNS = 12
"""Answers side by side that still fit a terminal."""
WIDEST = 24
"""Characters of an answer in that table."""


@dataclass
class Answered:
    """A row, the model's greedy completion of it, and how that was graded."""

    id: str
    gold: str
    """Empty where the row has no single right answer."""
    answer: str | None
    correct: bool
    completion: str
    tokens: int
    truncated: bool
    samples_correct: list[bool] = field(default_factory=list)
    components: Mapping[str, float] = field(default_factory=dict)
    span: tuple[int, int] | None = None
    """Where the answer stands in the completion, if the task can tell."""
    prompt: str = ""
    cluster: str | None = None
    """The group of rows that it hangs together with (``Task.cluster``)."""
    part: str | None = None
    """The task that it is of, in a mixture (``Task.part``)."""


@dataclass
class Result:
    """What one model made of one split of a task."""

    model: str
    task: str
    split: str
    answered: list[Answered]
    choices: Sequence[str]
    seconds: float
    generated_tokens: int
    failures: Sequence[str] = ()
    """Completions that the grader failed on, greedy and sampled, each with row and error; they count as wrong."""

    @property
    def accuracy(self) -> Share:
        """Greedy accuracy with its interval."""
        return share([a.correct for a in self.answered], _clusters(self.answered))

    @property
    def majority(self) -> float:
        """What the commonest gold answer, always given, would score on these rows; of a mixture, that of each task."""
        right = 0
        for answered in _by_part(self.answered).values():
            counts = Counter(a.gold for a in answered if a.gold)
            right += max(counts.values(), default=0)
        return right / len(self.answered) if self.answered else 0.0

    def parts(self) -> dict[str, "Result"]:
        """Of a mixture, the result of each task; else nothing."""
        parts = _by_part(self.answered)
        return {} if None in parts else {name: replace(self, answered=of, failures=()) for name, of in parts.items()}

    @property
    def chance(self) -> float | None:
        """What guessing among the possible answers scores on average; None where there is no list of them."""
        return 1 / len(self.choices) if self.choices else None

    def as_dict(self) -> dict[str, Any]:
        """Everything but the completions, for JSON."""
        n = max(1, len(self.answered))
        result = {
            "model": self.model,
            "task": self.task,
            "split": self.split,
            **self.short(),
            "chance": self.chance,
            "truncated": sum(a.truncated for a in self.answered) / n,
            "tokens_per_second": self.generated_tokens / self.seconds if self.seconds else 0.0,
            "seconds": self.seconds,
        }
        if parts := self.parts():
            result["tasks"] = {name: part.short() for name, part in parts.items()}
        if self.failures:
            result["failed"] = len(self.failures)
        result["components"] = _components(self.answered)
        confusion = _confusion(self.answered)
        if 0 < len(confusion) <= MOST_GOLDS:
            result["confusion"] = confusion
        samples = len(self.answered[0].samples_correct) if self.answered else 0
        if samples:
            result["samples"] = samples
            result["pass_at_k"] = passes_at_k(
                [sum(a.samples_correct) for a in self.answered], samples, _clusters(self.answered)
            )
        return result

    def short(self) -> dict[str, Any]:
        """The accuracy with its baseline, and how answers look."""
        n = max(1, len(self.answered))
        return {
            **self.accuracy.as_dict(),
            "majority": self.majority,
            "unparsed": sum(a.answer is None for a in self.answered) / n,
            "mean_tokens": sum(a.tokens for a in self.answered) / n,
        }

    def figures(self) -> dict[str, float]:
        """The result as single numbers, the way trackers want it: each share with the ends of its interval."""
        d = self.as_dict()
        exact = share([a.answer == a.gold for a in self.answered], _clusters(self.answered))
        shares = {"accuracy": self.accuracy, "exact_match": exact}
        shares |= {f"pass@{k}": Share.of(one) for k, one in d.get("pass_at_k", {}).items()}
        shares |= {f"accuracy/{name}": part.accuracy for name, part in self.parts().items()}
        numbers = {name: one.accuracy for name, one in shares.items()}
        for name, one in shares.items():
            numbers |= {f"{name}_low": one.low, f"{name}_high": one.high}
        numbers["n"] = float(len(self.answered))
        return numbers | {key: d[key] for key in ("majority", "truncated", "unparsed", "mean_tokens")}

    def table(self) -> str:
        """The result for a person."""
        d = self.as_dict()
        chance = "" if self.chance is None else f", chance {self.chance:.3f}"
        lines = [
            f"{self.model} on {self.task} {self.split}",
            f"  accuracy   {self.accuracy}",
            f"  baselines  majority {self.majority:.3f}{chance}",
            f"  answers    {d['unparsed']:.1%} without one, {d['truncated']:.1%} truncated, "
            f"{d['mean_tokens']:.1f} tokens on average",
            f"  speed      {d['tokens_per_second']:.0f} tokens per second",
        ]
        lines += [f"  pass@{k:<5} {Share.of(one)}" for k, one in d.get("pass_at_k", {}).items()]
        lines += [f"  {name:<10} {one.accuracy}, majority {one.majority:.3f}" for name, one in self.parts().items()]
        if self.failures:
            lines.append(
                f"  warning    the grader failed on {len(self.failures)} answers, which count as wrong; "
                f"{self.failures[0]}"
            )
        if d["components"]:
            means = [f"{name} {part['mean']:.3f} (n = {part['n']})" for name, part in d["components"].items()]
            lines.append("  grade      " + ", ".join(means))
        if "confusion" in d:
            lines += ["  gold -> answered", *_confusion_lines(d["confusion"])]
        return "\n".join(lines)

    def compare(self, other: "Result") -> dict[str, Any]:
        """Paired comparison with another model on the same rows: ``other`` first, this one second."""
        if [a.id for a in self.answered] != [a.id for a in other.answered]:
            raise ValueError("the two evaluations are of different rows")
        return mcnemar(
            [a.correct for a in other.answered], [a.correct for a in self.answered], _clusters(self.answered)
        )


def _by_part(answered: Sequence[Answered]) -> dict[str | None, list[Answered]]:
    found: dict[str | None, list[Answered]] = {}
    for one in answered:
        found.setdefault(one.part, []).append(one)
    return found


def _clusters(answered: Sequence[Answered]) -> list[Hashable]:
    return clusters((a.id, a.cluster) for a in answered)


def _components(answered: Sequence[Answered]) -> dict[str, dict[str, float]]:
    """The mean of every component of the grades; rows may have different ones, so each has an n of its own."""
    values: dict[str, list[float]] = {}
    for a in answered:
        for name, value in a.components.items():
            values.setdefault(name, []).append(value)
    return {name: {"mean": sum(found) / len(found), "n": len(found)} for name, found in sorted(values.items())}


def _confusion(answered: Sequence[Answered]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter] = {}
    for a in answered:
        if a.gold:
            counts.setdefault(a.gold, Counter())[a.answer or NO_ANSWER] += 1
    return {gold: dict(sorted(row.items())) for gold, row in sorted(counts.items())}


def _confusion_lines(confusion: Mapping[str, Mapping[str, int]]) -> list[str]:
    given = {answer for row in confusion.values() for answer in row}
    answers = [*sorted(given - {NO_ANSWER}), NO_ANSWER]
    if len(answers) > MOST_COLUMNS:
        return ["    (more than twelve different answers)"]
    if max(map(len, [*answers, *confusion])) > WIDEST or any("\n" in gold for gold in confusion):
        return ["    (answers too long for a table; --completions FILE writes them)"]
    lines = ["         " + "".join(f"{answer:>7}" for answer in answers)]
    for gold, row in confusion.items():
        counts = "".join(f"{row.get(answer, 0):>7}" for answer in answers)
        lines.append(f"    {gold:<5}{counts}")
    return lines


def evaluate(
    task: Task,
    rows: Sequence[Row],
    settings: Evaluation,
    max_new_tokens: int,
    generate: Generator,
    name: str,
    scorer: Scorer | None = None,
) -> Result:
    """Grade greedy completions of every row, and ``settings.samples`` sampled ones for pass@k.

    A completion that the grader fails on counts as wrong, and ``Result.failures`` names it.

    Args:
        name: of the model, for the reader.
        scorer: scores a batch, in worker processes perhaps; without it this process does.
    """
    scorer = scorer or _scorer_here(task)
    conversations = [task.messages(row) for row in rows]
    greedy, seconds = generate(conversations, Sampling(max_new_tokens, batch_size=settings.batch_size))
    tokens = _tokens(greedy)
    grades, failures = graded(rows, greedy, scorer)
    answered = [
        _answered(task, row, conversation, completion, grade)
        for row, conversation, (completion,), (grade,) in zip(rows, conversations, greedy, grades, strict=True)
    ]
    if settings.samples:
        sampling = Sampling(
            max_new_tokens,
            temperature=settings.temperature,
            top_p=settings.top_p,
            samples=settings.samples,
            batch_size=settings.batch_size,
            seed=settings.seed,
        )
        sampled, more_seconds = generate(conversations, sampling)
        seconds += more_seconds
        tokens += _tokens(sampled)
        sample_grades, more_failures = graded(rows, sampled, scorer, sampled=True)
        failures += more_failures
        for entry, of_row in zip(answered, sample_grades, strict=True):
            entry.samples_correct = [grade.correct for grade in of_row]
    return Result(
        model=name,
        task=task.label,
        split=settings.split,
        answered=answered,
        choices=task.answers,
        seconds=seconds,
        generated_tokens=tokens,
        failures=failures,
    )


def graded(
    rows: Sequence[Row], completions: Sequence[Sequence[Completion]], scorer: Scorer, sampled: bool = False
) -> tuple[list[list[Grade]], list[str]]:
    """Grade every completion of every row; returns grades by row, and a sentence for each that the grader failed on.

    The scorer gets all of them at once: with a call for each row, reward workers would idle at the end of every row.
    """
    requests, places = [], []
    for row, of_row in zip(rows, completions, strict=True):
        for number, completion in enumerate(of_row, start=1):
            requests.append(ScoringRequest(completion.text, row, rewarded=False))
            places.append(f"row {row['id']}" + (f", sample {number}" if sampled else ""))
    scores = _scored(requests, scorer)
    failures = [
        f"{place}: {scored.failure.error}"
        for place, scored in zip(places, scores, strict=True)
        if scored.failure is not None
    ]
    grades = iter(scores)
    return [[next(grades).grade for _ in of_row] for of_row in completions], failures


def _scored(requests: Sequence[ScoringRequest], scorer: Scorer) -> list[Score]:
    """Score a batch; those that failed are scored once more.

    A grader may fail by chance: its process was killed, or its time was up on a busy machine. A figure that depends
    on such a moment could not be reproduced.
    """
    scores = list(scorer(requests))
    failed = [i for i, scored in enumerate(scores) if scored.failure is not None]
    if failed:
        second = scorer([requests[i] for i in failed])
        for i, scored in zip(failed, second, strict=True):
            scores[i] = scored
    return scores


def _scorer_here(task: Task) -> Scorer:
    """A scorer that grades in this process."""

    def scorer(requests: Sequence[ScoringRequest]) -> list[Score]:
        return [score(task, (), request) for request in requests]

    return scorer


def _answered(task: Task, row: Row, conversation: Sequence[Message], completion: Completion, grade: Grade) -> Answered:
    return Answered(
        id=row["id"],
        gold=task.gold(row) or "",
        answer=grade.answer,
        correct=grade.correct,
        completion=completion.text,
        tokens=completion.tokens,
        truncated=completion.truncated,
        components={name: float(value) for name, value in grade.components.items()},
        span=grade.span,
        prompt=conversation[-1]["content"],
        cluster=task.cluster(row),
        part=task.part(row),
    )


def _tokens(completions: Sequence[Sequence[Completion]]) -> int:
    return sum(completion.tokens for of_row in completions for completion in of_row)


def rows_to_evaluate(task: Task, settings: Evaluation) -> list[Row]:
    """The rows of the split that the recipe evaluates on.

    Raises:
        UserError: for a task whose answers nobody can judge.
    """
    if not task.graded:
        raise UserError(f"{task.label}: data.grader: none has no accuracy to measure")
    return capped(task.load(settings.split).rows, settings.max_rows, settings.seed)


def write_completions(path: Path, result: Result) -> None:
    """One JSON line per row: the fields of ``Answered``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as lines:
        for a in result.answered:
            lines.write(json.dumps(vars(a), ensure_ascii=False) + "\n")
