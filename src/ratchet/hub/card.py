"""The model card: what a model is, what it was trained on and with, what was measured, and what it must not be used for."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.files import read_json
from ratchet.recipe import Recipe
from ratchet.tasks.aquarat.rows import HUB_DATASET

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
print(answer([{{"role": "user", "content": {question!r}}}], max_new_tokens={tokens})[0]["generated_text"][-1]["content"])
```

## Limits

The model was trained to answer questions of this one task and measured on nothing else. Its working may be wrong where
its answer is right.

## Versions

{versions}
"""
_DAKOTA = """Dakota is the language of the Dakota people, of living communities that speak, teach and look after it. These rows are not theirs:
they are exercises made by machine from S. R. Riggs's grammar, a missionary's book of the nineteenth century in the public
domain, and no speaker has reviewed them. They came from {source}. Spelling, meanings and rules may be wrong or outdated.

Do not use this model to translate for people, to teach Dakota, to write texts that pass as Dakota, or to speak for Dakota
people; it was trained to study rewards, and knows a few forms of one old book. Learners and projects should turn to
Dakota communities and their own teachers and materials."""
_KINDS = {"gold": "right", "ignorant": "knows nothing", "hack": "hack"}
_PACKAGES = ("trl", "transformers", "accelerate", "torch", "peft", "datasets")


def model_card(recipe: Recipe, run: Path, result: Mapping[str, Any]) -> str:
    """The text of ``README.md``, with metadata that huggingface_hub builds.

    Args:
        run: the run's folder, with ``audit.json`` and ``run.json`` where there are any.
        result: what ``training.summary.outcome`` gives: steps, and accuracies with n and interval.
    """
    from huggingface_hub import ModelCardData

    base, label, after = recipe.values.get("model_name_or_path"), recipe.task.label, result.get("after")
    measured = (
        [_measured({**after, "task": label, "split": result["split"], "majority": result["majority"]})]
        if after
        else None
    )
    data = ModelCardData(
        base_model=base if base and not Path(base).exists() and "/" in base else None,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["ratchet", "trl", recipe.trainer],
        datasets=[HUB_DATASET] if getattr(recipe.task, "source", None) == HUB_DATASET else None,
        model_name=run.absolute().name,
        eval_results=measured,
    )
    about = read_json(run / "run.json") or {}
    text = _TEXT.format(
        name=run.absolute().name,
        place=recipe.values.get("hub_model_id") or recipe.output_dir,
        trainer=recipe.method.trainer,
        task=label,
        base=f"`{base}`" if base else "random weights",
        evaluation=_evaluation(result),
        rewards=_rewards(recipe),
        audit=_audit(run),
        data=_data(recipe),
        steps=result["steps"],
        commit=f"with Ratchet at commit {about['commit'][:12]}{about['commit'][40:]}"
        if about.get("commit")
        else "with an installed Ratchet",
        recipe=recipe.as_yaml(),
        question=about.get("question") or "...",
        tokens=recipe.answer_limit,
        versions="\n".join(f"- {package} {version(package)}" for package in _PACKAGES),
    )
    return f"---\n{data.to_yaml()}\n---\n{text}"


def with_result(card: str, found: Mapping[str, Any]) -> str:
    """A card with one more evaluation in its metadata, in the place of an older one of the same task and split.

    Args:
        found: what ``scripts/evaluate.py`` writes: task, split, accuracy, low, high, n, majority.

    Raises:
        UserError: for a card whose metadata cannot be read, or lacks what results need.
    """
    from huggingface_hub import ModelCard

    try:
        parsed = ModelCard(card)
        new, name = _measured(found), parsed.data.model_name
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"the card's metadata cannot be read: {' '.join(str(error).split())[:200]}") from None
    name = name or found.get("model")
    if not name:
        raise UserError(
            "the card has no model-index with the model's name, so results have no place in it; scripts/push.py writes one that has"
        )
    kept = [
        old
        for old in parsed.data.eval_results or []
        if (old.dataset_name, old.dataset_split) != (new.dataset_name, new.dataset_split)
    ]
    parsed.data.model_name, parsed.data.eval_results = name, [*kept, new]
    return str(parsed)


def _measured(found: Mapping[str, Any]) -> Any:
    """An accuracy as the Hub's ``model-index`` has it, with n, interval and baseline as the metric's arguments."""
    from huggingface_hub import EvalResult

    about = {key: found[key] for key in ("n", "low", "high", "majority") if found.get(key) is not None}
    value = round(found["accuracy"], 4)
    return EvalResult(
        "text-generation",
        found["task"],
        found["task"],
        "accuracy",
        value,
        dataset_split=found["split"],
        metric_args=about,
    )


def _evaluation(result: dict[str, Any]) -> str:
    if "after" not in result and "before" not in result:
        return "Not evaluated."
    lines = ["| | accuracy | 95 % interval | n |", "|---|---|---|---|"]
    for when in ("before", "after"):
        if when in result:
            share = result[when]
            lines.append(
                f"| {when} training | {share['accuracy']:.3f} | {share['low']:.3f} to {share['high']:.3f} | {share['n']} |"
            )
    lines.append(f"| always the commonest answer | {result['majority']:.3f} | | |")
    if result.get("chance"):
        lines.append(f"| guessing | {result['chance']:.3f} | | |")
    return "\n".join(lines) + f"\n\nGreedy answers to the {result['split']} rows; Wilson intervals."


def _rewards(recipe: Recipe) -> str:
    if not recipe.rewards:
        return "None: supervised fine-tuning has no reward; the model imitated the task's targets."
    lines = ["| reward | weight | parameters | what it is |", "|---|---|---|---|"]
    for term in recipe.rewards:
        says = (term.reward.function.__doc__ or "").strip().split("\n")[0]
        lines.append(
            f"| {term.name} | {term.weight:g} | {', '.join(f'{k}: {v}' for k, v in term.parameters.items())} | {says} |"
        )
    return "\n".join(lines)


def _audit(folder: Path) -> str:
    """What cheap answers and hacks earned on training rows before the run, or that nobody asked."""
    found = read_json(folder / "audit.json")
    if found is None:
        return ""
    if found["mode"] == "off":
        return "Switched off by the recipe (`audit: off`): nobody looked whether the reward can be cheated."
    head = f"{found['scores']} answers of fixed policies to {found['rows']} training rows, before training ({found['title']}, mode {found['mode']})."
    lines = [head, "", "| policy | mean reward | graded correct |", "|---|---|---|"]
    for kind, count in (("gold", 3), ("ignorant", 5), ("hack", 3)):
        best = [policy for policy in found["policies"] if policy["kind"] == kind][:count]
        lines += [
            f"| {policy['policy']} ({kind}) | {policy['reward']:.3f} | {policy['correct']:.3f} |" for policy in best
        ]
    lines += [
        "",
        *(
            f"- {'fails' if f['fails'] else 'accepted: ' + f['accepted'] if f['accepted'] else 'note'}: {f['name']}: {f['text']}"
            for f in found["findings"]
        ),
    ]
    return "\n".join(lines).rstrip()


def _data(recipe: Recipe) -> str:
    source = getattr(recipe.task, "source", None)
    if recipe.task.name == "dakota":
        return _DAKOTA.format(
            source=f"`{source}`"
            if source != "generated"
            else "a program, from a table of forms that the grammar states"
        )
    if source == "generated":
        return "Word problems made by a program (`ratchet.tasks.aquarat.word_problems`); no person's data."
    if recipe.task.name == "aquarat":
        return f"AQuA-RAT (Ling et al., 2017, [arXiv:1705.04146](https://arxiv.org/abs/1705.04146)), Apache-2.0, from `{source}`. Its labels hold errors."
    return f"The task's own: `{recipe.tree.value['task'].plain()}`."
