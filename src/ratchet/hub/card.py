"""The model card: what a model is, what it was trained on and with, what was measured, and what it must not do."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratchet.errors import UserError
from ratchet.files import read_json
from ratchet.recipe import Recipe
from ratchet.tasks.aquarat.rows import HUB_DATASET

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

_TEXT = """
# {name}

Trained with Ratchet and TRL's {trainer} on the task `{task}`, starting from {base}.

## Evaluation

{evaluation}

## Rewards

{rewards}

{audit}

## Data

{data}

## Training

{steps} optimiser steps, {commit}. The whole recipe, which can be run again as it is:

```yaml
{recipe}```

## Use

```python
from transformers import pipeline

answer = pipeline("text-generation", model="{place}")
messages = [{{"role": "user", "content": {question!r}}}]
print(answer(messages, max_new_tokens={tokens})[0]["generated_text"][-1]["content"])
```

## Limits

The model was trained to answer questions of this one task and measured on nothing else. Its working may be wrong where
its answer is right.

## Versions

{versions}
"""
_DAKOTA = """Dakota is the language of the Dakota people, of living communities that speak, teach and look after it.
These rows are not theirs: they are exercises made by machine from S. R. Riggs's grammar, a missionary's book of the
nineteenth century in the public domain, and no speaker has reviewed them. They came from {source}. Spelling, meanings
and rules may be wrong or outdated.

Do not use this model to translate for people, to teach Dakota, to write texts that pass as Dakota, or to speak for
Dakota people; it was trained to study rewards, and knows a few forms of one old book. Learners and projects should
turn to Dakota communities and their own teachers and materials."""
_AQUARAT = (
    "AQuA-RAT (Ling et al., 2017, [arXiv:1705.04146](https://arxiv.org/abs/1705.04146)), Apache-2.0, from `{source}`. "
    "Its labels hold errors."
)
_PACKAGES = ("trl", "transformers", "accelerate", "torch", "peft", "datasets")
_SHOWN_POLICIES = {"gold": 3, "ignorant": 5, "hack": 3}
"""How many of the audit's policies of each kind stand in the card, the best rewarded first."""


def model_card(recipe: Recipe, run: Path, result: Mapping[str, Any]) -> str:
    """The text of ``README.md``, with metadata that huggingface_hub builds.

    Args:
        run: the run's folder, with ``audit.json`` and ``run.json`` where there are any.
        result: what ``evaluation.outcome`` gives: steps, and accuracies with n and interval.
    """
    base = recipe.values.get("model_name_or_path")
    about = read_json(run / "run.json") or {}
    text = _TEXT.format(
        name=run.absolute().name,
        place=recipe.values.get("hub_model_id") or recipe.output_dir,
        trainer=recipe.method.trainer,
        task=recipe.task.label,
        base=f"`{base}`" if base else "random weights",
        evaluation=_evaluation(result),
        rewards=_rewards(recipe),
        audit=_audit(run),
        data=_data(recipe),
        steps=result["steps"],
        commit=_commit(about.get("commit")),
        recipe=recipe.as_yaml(Path.cwd()),
        question=about.get("question") or "...",
        tokens=recipe.answer_limit,
        versions="\n".join(f"- {package} {version(package)}" for package in _PACKAGES),
    )
    return f"---\n{_metadata(recipe, run, result).to_yaml()}\n---\n{text}"


def with_result(card: str, entry: Mapping[str, Any]) -> str:
    """A card with one more evaluation in its metadata, instead of an older one of the same task and split.

    Args:
        entry: what an evaluation writes as JSON: task, split, accuracy, low, high, n, majority.

    Raises:
        UserError: for a card whose metadata cannot be read, or lacks what results need.
    """
    from huggingface_hub import ModelCard

    try:
        parsed = ModelCard(card)
        new, name = _measured(entry), parsed.data.model_name
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"the card's metadata cannot be read: {' '.join(str(error).split())[:200]}") from None
    name = name or entry.get("model")
    if not name:
        raise UserError(
            "the card has no model-index with the model's name, so results have no place in it; "
            "ratchet push writes one that has"
        )
    of_new = (new.dataset_name, new.dataset_split)
    others = [old for old in parsed.data.eval_results or [] if (old.dataset_name, old.dataset_split) != of_new]
    parsed.data.model_name, parsed.data.eval_results = name, [*others, new]
    return str(parsed)


def with_base(card: str, base: str) -> str:
    """An adapter's card, whose metadata name the model that it belongs to."""
    from huggingface_hub import ModelCard

    try:
        parsed = ModelCard(card)
    except (ValueError, TypeError):
        return card  # somebody's own, without metadata
    for key, value in (("base_model", base), ("library_name", "peft"), ("base_model_relation", "adapter")):
        parsed.data[key] = value
    return str(parsed)


def _metadata(recipe: Recipe, run: Path, result: Mapping[str, Any]) -> "ModelCardData":
    from huggingface_hub import ModelCardData

    base, label, after = recipe.values.get("model_name_or_path"), recipe.task.label, result.get("after")
    # The Hub looks these up and refuses or mislabels what is not there: a folder's path is no base model.
    base_is_on_hub = base and "/" in base and not Path(base).exists()
    data_are_on_hub = any(getattr(one.task, "source", None) == HUB_DATASET for one in recipe.each_task().values())
    measured = None
    if after:
        measured = [_measured({**after, "task": label, "split": result["split"], "majority": result["majority"]})]
    return ModelCardData(
        base_model=base if base_is_on_hub else None,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["ratchet", "trl", recipe.trainer],
        datasets=[HUB_DATASET] if data_are_on_hub else None,
        model_name=run.absolute().name,
        eval_results=measured,
    )


def _measured(entry: Mapping[str, Any]) -> "EvalResult":
    """An accuracy as the Hub's ``model-index`` has it, with n, interval and baseline as the metric's arguments."""
    from huggingface_hub import EvalResult

    return EvalResult(
        task_type="text-generation",
        dataset_type=entry["task"],
        dataset_name=entry["task"],
        metric_type="accuracy",
        metric_value=round(entry["accuracy"], 4),
        dataset_split=entry["split"],
        metric_args={key: entry[key] for key in ("n", "low", "high", "majority") if entry.get(key) is not None},
    )


def _commit(commit: str | None) -> str:
    """The commit in short, with what ``run.json`` adds to it where files had been changed."""
    if not commit:
        return "with an installed Ratchet"
    return f"with Ratchet at commit {commit[:12]}{commit[40:]}"


def _evaluation(result: Mapping[str, Any]) -> str:
    if "after" not in result and "before" not in result:
        return "Not evaluated."
    lines = ["| | accuracy | 95 % interval | n |", "|---|---|---|---|"]
    for of_task, shares in {
        "": result,
        **{f", {name}": of for name, of in (result.get("tasks") or {}).items()},
    }.items():
        for when in ("before", "after"):
            if when in shares:
                lines.append(_accuracy(f"{when} training{of_task}", shares[when]))
    for who, share in (result.get("distillation") or {}).items():
        lines.append(_accuracy(f"{who}, before training", share))
    lines.append(f"| always the commonest answer | {result['majority']:.3f} | | |")
    if result.get("chance"):
        lines.append(f"| guessing | {result['chance']:.3f} | | |")
    lines += ["", f"Greedy answers to the {result['split']} rows; Wilson intervals."]
    return "\n".join(lines)


def _accuracy(title: str, share: Mapping[str, Any]) -> str:
    return f"| {title} | {share['accuracy']:.3f} | {share['low']:.3f} to {share['high']:.3f} | {share['n']} |"


def _rewards(recipe: Recipe) -> str:
    teacher = f"{_teacher(recipe)}\n\n" if recipe.distillation is not None else ""
    if teacher and not recipe.learns_from_rewards:
        return f"{teacher}No reward: the teacher alone taught."
    if not recipe.rewards:
        return "None: supervised fine-tuning has no reward; the model imitated the task's targets."
    lines = ["| reward | weight | parameters | what it is |", "|---|---|---|---|"]
    for term in recipe.rewards:
        parameters = ", ".join(f"{key}: {value}" for key, value in term.parameters.items())
        summary = (term.reward.function.__doc__ or "").strip().split("\n")[0]
        lines.append(f"| {term.name} | {term.weight:g} | {parameters} | {summary} |")
    return teacher + "\n".join(lines)


def _teacher(recipe: Recipe) -> str:
    """Who taught, what it was told, and how."""
    settings = recipe.distillation
    told = "the student's own prompts" if settings.context is None else f"also told `{settings.context!r:.200}`"
    return (
        f"Distilled: teacher `{settings.teacher}`, {told}; form {settings.form}, adv_tau {settings.adv_tau:g}, "
        f"teacher_tau {settings.teacher_tau:g}, student_tau {settings.student_tau:g}."
    )


def _audit(folder: Path) -> str:
    """What cheap answers and hacks earned on training rows before the run, or that nobody asked."""
    audit = read_json(folder / "audit.json")
    if audit is None:
        return ""
    if audit["mode"] == "off":
        return "Switched off by the recipe (`audit: off`): nobody looked whether the reward can be cheated."
    lines = [
        f"{audit['scores']} answers of fixed policies to {audit['rows']} training rows, before training "
        f"({audit['title']}, mode {audit['mode']}).",
        "",
        "| policy | mean reward | graded correct |",
        "|---|---|---|",
    ]
    for kind, count in _SHOWN_POLICIES.items():
        best = [policy for policy in audit["policies"] if policy["kind"] == kind][:count]
        for policy in best:
            lines.append(f"| {policy['policy']} ({kind}) | {policy['reward']:.3f} | {policy['correct']:.3f} |")
    lines += ["", *(f"- {_verdict(finding)}: {finding['name']}: {finding['text']}" for finding in audit["findings"])]
    return "\n".join(lines).rstrip()


def _verdict(finding: Mapping[str, Any]) -> str:
    if finding["fails"]:
        return "fails"
    if finding["accepted"]:
        return f"accepted: {finding['accepted']}"
    return "note"


def _data(recipe: Recipe) -> str:
    """Where the rows come from, under which terms, and what is known to be wrong with them."""
    said = [f"{name}: {_data_of(one)}" if name else _data_of(one) for name, one in recipe.each_task().items()]
    return "\n\n".join(said)


def _data_of(recipe: Recipe) -> str:
    source = getattr(recipe.task, "source", None)
    if recipe.task.name == "dakota":
        generated = "a program, from a table of forms that the grammar states"
        return _DAKOTA.format(source=generated if source == "generated" else f"`{source}`")
    if source == "generated":
        return "Word problems made by a program (`ratchet.tasks.aquarat.word_problems`); no person's data."
    if recipe.task.name == "aquarat":
        return _AQUARAT.format(source=source)
    return f"Rows of the author's own: `{recipe.task.label}`."
