"""Evaluate a saved model from a recipe, alone or against another on the same rows; or just talk to it."""

import time
from pathlib import Path
from typing import Any

from accelerate import PartialState

from ratchet.evaluation.evaluate import Result, evaluate, rows_to_evaluate, write_completions
from ratchet.evaluation.generate import Sampling, generator
from ratchet.files import write_json
from ratchet.models import load_for_evaluation, load_tokenizer, locate
from ratchet.recipe import Recipe
from ratchet.runtime import check_device, quiet


def run(recipe: Recipe, compare: str | None, output: Path | None, completions: Path | None) -> Result:
    """Measure the recipe's model, print a table, and write JSON beside a local model (or to ``output``)."""
    quiet()
    check_device(recipe)
    state = PartialState(cpu=bool(recipe.get("use_cpu")))
    name = recipe.values.get("model_name_or_path") or str(recipe.output_dir)
    result = measure(recipe, name)
    other = measure(recipe, compare) if compare else None
    if not state.is_main_process:
        return result
    print(result.table())
    found: dict[str, Any] = result.as_dict()
    if other:
        paired = result.compare(other)
        found["compared_with"] = {**other.as_dict(), "paired": paired}
        print(f"\n{other.table()}\n\n{_paired(name, compare, paired)}")
    folder = Path(locate(name))
    target = output or (folder / f"evaluation-{recipe.task.name}-{recipe.evaluation.split}.json" if folder.is_dir() and name == str(folder) else None)
    if target:
        write_json(target, found)
        print(f"\nwritten to {target}")
    if completions:
        write_completions(completions, result)
        print(f"completions in {completions}")
    return result


def measure(recipe: Recipe, name: str) -> Result:
    """Load a model and evaluate it as the recipe says."""
    state = PartialState()
    path = locate(name)
    tokenizer = load_tokenizer(path, chat_template=recipe.values.get("chat_template_path"))
    model = load_for_evaluation(path, recipe.get("dtype"), str(state.device))
    generate = generator(model, tokenizer, recipe.values.get("chat_template_kwargs"), f"evaluating {Path(name).name}")
    rows = rows_to_evaluate(recipe.task, recipe.evaluation)
    return evaluate(recipe.task, rows, recipe.evaluation, recipe.answer_limit, generate, name)


def _paired(name: str, other: str, paired: dict[str, Any]) -> str:
    return (
        f"{name} minus {other}: {paired['difference']:+.3f} on the same {paired['n']} rows "
        f"({paired['only_second']} only the first, {paired['only_first']} only the other; McNemar p = {paired['p']:.3g})"
    )


def talk(name: str, max_new_tokens: int) -> None:
    """Answer lines from standard input until an empty one."""
    quiet()
    state = PartialState()
    path = locate(name)
    tokenizer = load_tokenizer(path)
    model = load_for_evaluation(path, "auto", str(state.device))
    generate = generator(model, tokenizer)
    print("Ask; an empty line ends.")
    while True:
        try:
            line = input("> ").strip()
        except EOFError:
            return
        if not line:
            return
        start = time.perf_counter()
        ((completion,),), _ = generate([[{"role": "user", "content": line.replace("\\n", "\n")}]], Sampling(max_new_tokens))
        print(f"{completion.text}\n({completion.tokens} tokens, {time.perf_counter() - start:.1f} s)")
