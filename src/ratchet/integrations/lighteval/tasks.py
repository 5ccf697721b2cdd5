"""Ratchet's tasks for lighteval (``--custom-tasks``): prompts are ``Task.messages``, verdicts are ``Task.grade``.

Imported by lighteval, in its own environment. LIGHTEVAL_RECIPE holds

    {"recipe": path, "overrides": [[key, value], ...], "rows": folder}

all of which ``ratchet.integrations.lighteval.run`` writes. The tasks are

    <task>            answers are generated, greedily, and graded: accuracy, and the share that could be read
    <task>_<kind>     the same for the rows of one kind, where rows have kinds (Dakota)
    <task>_letters    the letter with the highest log-likelihood after the answer's prefix ("Answer:"), where answers
                      are letters
    agieval:aqua-rat  lighteval's own, with rows from the Hub (AQuA-RAT)

lighteval pads with the end token, cuts prompts that it thinks too long, and changes texts that it decodes. So the
tokens that it gave to the model are compared with the prompt, and answers are decoded here from their tokens, as
``inference.local`` does.
"""

import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lighteval.metrics.metrics_sample import LoglikelihoodAcc, SampleLevelComputation
from lighteval.metrics.utils.metric_utils import SampleLevelMetric, SampleLevelMetricGrouping
from lighteval.models.model_output import ModelResponse
from lighteval.tasks.lighteval_task import LightevalTaskConfig
from lighteval.tasks.requests import Doc, SamplingMethod

from ratchet.integrations.letters import letters
from ratchet.models import chat_format, locate_of
from ratchet.recipe import load_recipe
from ratchet.rewards.scoring import ScoringRequest, score
from ratchet.tasks.base import Row
from ratchet.tasks.packing import COLUMN, unpack

Prompt = Callable[[dict[str, Any], str], Doc | None]
"""What lighteval calls a prompt function: a line of its data set, and the task's name, to a question."""
METRICS = ("accuracy", "answered")
_asked = json.loads(os.environ["LIGHTEVAL_RECIPE"])
# Of the module, since lighteval copies and prints what a task's configuration holds.
RECIPE = load_recipe(_asked["recipe"], [tuple(pair) for pair in _asked["overrides"]], to_train=False)
TASK = RECIPE.task
MODEL = locate_of(RECIPE.values, weights=False)
CHAT = chat_format(RECIPE.values, MODEL)
TOKENIZER = CHAT.tokenizer
# A row is kept as text: Arrow would make the columns of all rows alike.
with (Path(_asked["rows"]) / "test.jsonl").open(encoding="utf-8") as _lines:
    ROWS: dict[str, Row] = {line["id"]: unpack(line[COLUMN]) for line in map(json.loads, _lines)}


def check_prompt(query: str, tokens: Sequence[int]) -> None:
    """Refuse what lighteval made of a prompt, where that is something else.

    Raises:
        ValueError: with the model arguments that are needed.
    """
    padding = {-1, TOKENIZER.eos_token_id}  # -1 stands before the contexts of choices

    def bare(ids: Sequence[int]) -> list[int]:
        inner = [i for i, token in enumerate(ids) if token not in padding]
        return list(ids[inner[0] : inner[-1] + 1]) if inner else []

    if bare(tokens) != bare(TOKENIZER.encode(query, add_special_tokens=False)):
        raise ValueError(
            "lighteval changed a prompt: it needs the model arguments override_chat_template=False, "
            "add_special_tokens=False and a max_length above prompt and answer together, "
            "no system_prompt, no generation_parameters and no few-shot examples"
        )


class Graded(SampleLevelComputation):
    """Grades a generated answer."""

    def compute(self, doc: Doc, model_response: ModelResponse, **ignored: Any) -> dict[str, float]:
        """Accuracy and whether there is an answer, each 0 or 1; the decoded answer stays in the details."""
        check_prompt(doc.query, model_response.input_tokens)
        ids = model_response.output_tokens[0]
        stop = next((i for i, token in enumerate(ids) if token in CHAT.ends), None)
        if stop is None and len(ids) < RECIPE.answer_limit:
            raise ValueError(
                f"lighteval cut an answer at {len(ids)} of {RECIPE.answer_limit} tokens: it needs a larger max_length"
            )
        text = TOKENIZER.decode(ids if stop is None else ids[:stop], skip_special_tokens=True)
        model_response.text = [text]
        grade = score(TASK, (), ScoringRequest(text, ROWS[doc.specific["id"]], rewarded=False)).grade
        return {"accuracy": float(grade.correct), "answered": float(grade.answer is not None)}


class Chosen(LoglikelihoodAcc):
    """lighteval's own choice by log-likelihood, of a prompt that it left as it is."""

    def compute(self, doc: Doc, model_response: ModelResponse, **more: Any) -> int:
        """1 where the gold letter is the likeliest."""
        check_prompt(doc.query.rstrip(), model_response.input_tokens)
        return super().compute(doc, model_response, **more)


GRADED = SampleLevelMetricGrouping(
    metric_name=list(METRICS),
    higher_is_better=dict.fromkeys(METRICS, True),
    category=SamplingMethod.GENERATIVE,
    sample_level_fn=Graded(),
    corpus_level_fn=dict.fromkeys(METRICS, np.mean),
)
CHOSEN = SampleLevelMetric(
    metric_name="accuracy",
    higher_is_better=True,
    category=SamplingMethod.LOGPROBS,
    sample_level_fn=Chosen(),
    corpus_level_fn=np.mean,
)


def _written(kind: str | None) -> Prompt:
    """Questions that are answered in writing; of the rows of one kind, or of all."""

    def prompt(line: dict[str, Any], task_name: str) -> Doc | None:
        row = ROWS[line["id"]]
        if kind is not None and row["kind"] != kind:
            return None  # lighteval leaves the row out
        return Doc(
            query=CHAT.prompt(TASK.messages(row)),
            choices=[TASK.gold(row)],
            gold_index=0,
            specific={"id": row["id"]},
            task_name=task_name,
        )

    return prompt


def _letters(line: dict[str, Any], task_name: str) -> Doc:
    """A question whose answer is the likeliest letter after the answer's prefix."""
    row = ROWS[line["id"]]
    prefix, choices = letters(TASK, row)
    gold = list(TASK.answers).index(TASK.gold(row))
    query = CHAT.prompt(TASK.messages(row)) + prefix
    return Doc(query=query, choices=choices, gold_index=gold, specific={"id": row["id"]}, task_name=task_name)


def _config(
    name: str, prompt: Prompt, metric: SampleLevelMetric | SampleLevelMetricGrouping, tokens: int
) -> LightevalTaskConfig:
    return LightevalTaskConfig(
        name=re.sub(r"[^A-Za-z0-9_.-]", "_", name),
        prompt_function=prompt,
        metrics=[metric],
        hf_repo=str(Path(_asked["rows"]).resolve()),
        hf_subset="default",
        hf_avail_splits=["test"],
        evaluation_splits=["test"],
        generation_size=tokens,
        stop_sequence=[],
    )


def _configs() -> list[LightevalTaskConfig]:
    kinds = sorted({str(row["kind"]) for row in ROWS.values() if row.get("kind")})
    configs = [_config(TASK.name, _written(None), GRADED, RECIPE.answer_limit)]
    configs += [_config(f"{TASK.name}_{kind}", _written(kind), GRADED, RECIPE.answer_limit) for kind in kinds]
    if TASK.answers:
        configs.append(_config(f"{TASK.name}_letters", _letters, CHOSEN, -1))
    if TASK.name == "aquarat":
        from lighteval.tasks.tasks.agieval import agieval_aqua_rat

        configs.append(agieval_aqua_rat)
    return configs


TASKS_TABLE = _configs()
