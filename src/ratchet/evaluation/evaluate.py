"""Measure a model on a task: the same ``Task.grade`` that gives the reward, with intervals and baselines beside it."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ratchet.evaluation.statistics import Share, mcnemar, mean_share, pass_at_k, powers_of_two, wilson
from ratchet.inference.completion import Sampling
from ratchet.recipe.groups import Evaluation
from ratchet.rewards.scoring import Scorer, ScoringRequest, score
from ratchet.tasks.base import Row, Task
from ratchet.tasks.loading import capped

NO_ANSWER = "none"


@dataclass
class Answered:
    """One row with what the model made of it."""

    id: str
    gold: str
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


@dataclass
class Result:
    """One evaluation."""

    model: str
    task: str
    split: str
    answered: list[Answered]
    choices: Sequence[str]
    seconds: float
    generated_tokens: int
    failures: Sequence[str] = ()
    """Rows whose greedy answer the grader failed on, each with the error; they count as wrong."""

    @property
    def accuracy(self) -> Share:
        """Greedy accuracy with Wilson's interval."""
        return wilson(sum(a.correct for a in self.answered), len(self.answered))

    @property
    def majority(self) -> float:
        """What the commonest gold answer, always given, would score on these rows."""
        return max(Counter(a.gold for a in self.answered).values()) / len(self.answered) if self.answered else 0.0

    @property
    def chance(self) -> float | None:
        """What guessing among the possible answers scores on average; None where there is no list of them."""
        return 1 / len(self.choices) if self.choices else None

    def as_dict(self) -> dict[str, Any]:
        """Everything but the completions, for JSON."""
        n = max(1, len(self.answered))
        samples = len(self.answered[0].samples_correct) if self.answered else 0
        confusion: dict[str, Counter] = {}
        for a in self.answered:
            confusion.setdefault(a.gold, Counter())[a.answer or NO_ANSWER] += 1
        result = {
            "model": self.model,
            "task": self.task,
            "split": self.split,
            **self.accuracy.as_dict(),
            "majority": self.majority,
            "chance": self.chance,
            "unparsed": sum(a.answer is None for a in self.answered) / n,
            "truncated": sum(a.truncated for a in self.answered) / n,
            "mean_tokens": sum(a.tokens for a in self.answered) / n,
            "tokens_per_second": self.generated_tokens / self.seconds if self.seconds else 0.0,
            "seconds": self.seconds,
        }
        if self.failures:
            result["failed"] = len(self.failures)
        parts: dict[str, list[float]] = {}
        for a in self.answered:
            for name, value in a.components.items():
                parts.setdefault(name, []).append(value)
        result["components"] = {
            name: {"mean": sum(values) / len(values), "n": len(values)} for name, values in sorted(parts.items())
        }
        if len(confusion) <= 26:
            result["confusion"] = {gold: dict(sorted(row.items())) for gold, row in sorted(confusion.items())}
        if samples:
            counts = [sum(a.samples_correct) for a in self.answered]
            result["samples"] = samples
            result["pass_at_k"] = {
                str(k): mean_share([pass_at_k(samples, c, k) for c in counts]).as_dict()
                for k in powers_of_two(samples)
            }
        return result

    def figures(self) -> dict[str, float]:
        """The result as single numbers, the way trackers want it: each share with the ends of its interval."""
        d = self.as_dict()
        exact = wilson(sum(a.answer == a.gold for a in self.answered), len(self.answered))
        shares = {"accuracy": self.accuracy, "exact_match": exact}
        shares |= {f"pass@{k}": Share(**share) for k, share in d.get("pass_at_k", {}).items()}
        found = {name: share.accuracy for name, share in shares.items()}
        for name, share in shares.items():
            found |= {f"{name}_low": share.low, f"{name}_high": share.high}
        return found | {
            "n": float(len(self.answered)),
            **{key: d[key] for key in ("majority", "truncated", "unparsed", "mean_tokens")},
        }

    def table(self) -> str:
        """The result for a person."""
        d = self.as_dict()
        chance = "" if self.chance is None else f", chance {self.chance:.3f}"
        lines = [
            f"{self.model} on {self.task} {self.split}",
            f"  accuracy   {self.accuracy}",
            f"  baselines  majority {self.majority:.3f}{chance}",
            f"  answers    {d['unparsed']:.1%} without one, {d['truncated']:.1%} truncated, {d['mean_tokens']:.1f} tokens on average",
            f"  speed      {d['tokens_per_second']:.0f} tokens per second",
        ]
        for k, share in d.get("pass_at_k", {}).items():
            lines.append(f"  pass@{k:<5} {Share(**share)}")
        if self.failures:
            lines.append(
                f"  warning    the grader failed on {len(self.failures)} answers, which count as wrong; {self.failures[0]}"
            )
        if d["components"]:
            shown = (f"{name} {part['mean']:.3f} (n = {part['n']})" for name, part in d["components"].items())
            lines.append("  grade      " + ", ".join(shown))
        if "confusion" in d:
            lines += ["  gold -> answered", *_confusion(d["confusion"])]
        return "\n".join(lines)

    def compare(self, other: "Result") -> dict[str, Any]:
        """Paired comparison with another model on the same rows: ``other`` first, this one second."""
        if [a.id for a in self.answered] != [a.id for a in other.answered]:
            raise ValueError("the two evaluations are of different rows")
        return mcnemar([a.correct for a in other.answered], [a.correct for a in self.answered])


def _confusion(confusion: dict[str, dict[str, int]]) -> list[str]:
    answers = sorted({answer for row in confusion.values() for answer in row} - {NO_ANSWER}) + [NO_ANSWER]
    if len(answers) > 12:
        return ["    (more than twelve different answers)"]
    head = "         " + "".join(f"{answer:>7}" for answer in answers)
    return [
        head,
        *(
            f"    {gold:<5}" + "".join(f"{row.get(answer, 0):>7}" for answer in answers)
            for gold, row in confusion.items()
        ),
    ]


def evaluate(
    task: Task,
    rows: Sequence[Row],
    settings: Evaluation,
    max_new_tokens: int,
    generate: Callable,
    name: str,
    scorer: Scorer | None = None,
) -> Result:
    """Grade greedy completions of every row, and ``settings.samples`` sampled ones for pass@k.

    A completion that the grader fails on counts as wrong, and ``Result.failures`` names them.

    Args:
        generate: maps (conversations, ``Sampling``) to (completions per row, seconds); see
            ``evaluation.generate.generator``.
        name: of the model, for the reader.
        scorer: scores a batch, in worker processes perhaps; without it this process does.
    """
    scorer = scorer or (lambda requests: [score(task, (), request) for request in requests])
    conversations = [task.messages(row) for row in rows]
    greedy, seconds = generate(conversations, Sampling(max_new_tokens, batch_size=settings.batch_size))
    tokens = sum(c.tokens for found in greedy for c in found)
    requests = [
        ScoringRequest(completion.text, row, rewarded=False) for row, (completion,) in zip(rows, greedy, strict=True)
    ]
    # A grader that failed by chance (its process was killed, its time was up on a busy machine) is asked once more.
    scores = [
        found_score if found_score.failure is None else scorer([request])[0]
        for request, found_score in zip(requests, scorer(requests), strict=True)
    ]
    answered = []
    failures = [
        f"row {row['id']}: {found_score.failure.error}"
        for row, found_score in zip(rows, scores, strict=True)
        if found_score.failure
    ]
    for row, (completion,), found_score in zip(rows, greedy, scores, strict=True):
        grade = found_score.grade
        answered.append(
            Answered(
                row["id"],
                task.gold(row),
                grade.answer,
                grade.correct,
                completion.text,
                completion.tokens,
                completion.truncated,
                components={name: float(value) for name, value in grade.components.items()},
                span=grade.span,
                prompt=task.messages(row)[-1]["content"],
            )
        )
    if settings.samples:
        sampling = Sampling(
            max_new_tokens, settings.temperature, settings.top_p, settings.samples, settings.batch_size, settings.seed
        )
        drawn, more = generate(conversations, sampling)
        seconds += more
        for entry, row, found in zip(answered, rows, drawn, strict=True):
            entry.samples_correct = [
                v.grade.correct for v in scorer([ScoringRequest(c.text, row, rewarded=False) for c in found])
            ]
            tokens += sum(c.tokens for c in found)
    return Result(name, task.label, settings.split, answered, task.answers, seconds, tokens, failures)


def rows_to_evaluate(task: Task, settings: Evaluation) -> list[Row]:
    """The rows of the split that the recipe evaluates on."""
    return capped(task.load(settings.split).rows, settings.max_rows, settings.seed)


def write_completions(path: Path, result: Result) -> None:
    """One JSON line per row: the fields of ``Answered``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as lines:
        for a in result.answered:
            lines.write(json.dumps(vars(a), ensure_ascii=False) + "\n")
