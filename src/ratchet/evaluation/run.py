"""Evaluate a recipe's model: saved here, on the Hub or behind a server; alone, or with another on the same rows."""

import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratchet.checkpoints.store import step_of
from ratchet.errors import UserError
from ratchet.evaluation.evaluate import Result, evaluate, rows_to_evaluate, write_completions
from ratchet.files import keep_earlier, read_json, write_json
from ratchet.inference.completion import Generator
from ratchet.inference.openai_server import AnswerCache, Server, server_generator, server_kind, with_model
from ratchet.inference.server_dialect import Dialect
from ratchet.models import chat_format, load_for_evaluation, locate, locate_of
from ratchet.models.template_check import Sample, check_prompts
from ratchet.recipe import Recipe
from ratchet.recipe.makers import check_model_is_made
from ratchet.recipe.precision import compute_dtype
from ratchet.runtime import check_device, command_line, commit, import_at_once, main_process, quiet
from ratchet.tasks.base import Row

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PARTIAL = ".partial.jsonl"
ELSEWHERE = Path("outputs/evaluations")  # of models that have no folder here


def run(
    recipe: Recipe,
    compare: str | None,
    output: Path | None,
    completions: Path | None,
    server: Server | None = None,
    add_to_card: Callable[[Path, Mapping[str, Any]], Path | None] | None = None,
) -> dict[str, Any] | None:
    """Measure the recipe's model, print a table and write JSON to ``output``, beside the model or below ``ELSEWHERE``.

    Returns what was written; None on all processes but the first.

    Args:
        compare: another model that is measured on the same rows.
        completions: where every answer is written; a server's go beside the JSON by default.
        server: answers instead of a model here.
        add_to_card: adds the result to the card in a local model's folder, and returns the card where there is one.
    """
    own: list[Path] = []
    if server is not None:
        result, target = _ask(recipe, server, output)
        own = [] if completions else [target.with_suffix(".jsonl")]
        completions = completions or own[0]
    else:
        result, target = _measure_here(recipe, output)
    other = None
    if compare:
        ready(recipe)
        other = measure(recipe, compare)
    if not main_process():
        return None
    found, said = record(result), [result.table()]
    if other:
        paired = result.compare(other)
        found["compared_with"] = {**other.as_dict(), "paired": paired}
        said += [f"\n{other.table()}\n\n{_paired(result.model, compare, paired)}"]
    before = read_json(target)
    if (
        output is None
        and isinstance(before, dict)
        and before.get("command") != found["command"]
        and (note := keep_earlier(target, *own))
    ):
        said.append(note)
    if completions:
        write_completions(completions, result)
        said.append(f"completions in {completions}")
    write_json(target, found)  # all is written before anything is said, to a reader who may have left
    target.with_suffix(PARTIAL).unlink(missing_ok=True)
    said.append(f"\nwritten to {target}")
    if server is None and add_to_card and (card := add_to_card(Path(locate(result.model)), found)):
        said.append(f"and to {card}")
    print("\n".join(said))
    return found


def record(result: Result) -> dict[str, Any]:
    """An evaluation as it is kept: its figures, those of the library ``evaluate``, and how to type it again."""
    from ratchet.evaluation import metrics

    answers, golds = [a.answer for a in result.answered], [a.gold for a in result.answered]
    entry = result.as_dict()
    entry["metrics"] = {"exact_match": metrics.exact_match(answers, golds)}
    if not result.choices:  # a letter is right or wrong; of free text a part may be right
        entry["metrics"]["chrf"] = metrics.chrf(answers, golds)
    if (step := step_of(Path(result.model))) is not None:
        entry["step"] = step
    return {
        **entry,
        "command": command_line(),
        "commit": (commit() or "")[:12] or None,
        "made": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _ask(recipe: Recipe, server: Server, output: Path | None) -> tuple[Result, Path]:
    server = with_model(server)
    target = output or _elsewhere(recipe, server.model)
    generate = generator_there(recipe, server, target.with_suffix(PARTIAL))
    rows = rows_to_evaluate(recipe.task, recipe.evaluation)
    return evaluate(recipe.task, rows, recipe.evaluation, recipe.answer_limit, generate, server.model), target


def generator_there(recipe: Recipe, server: Server, kept: Path) -> Generator:
    """A server as what completes conversations; its answers are kept in a file, and not asked for again."""
    dialect = _dialect(recipe, server)
    if said := dialect.left_open():
        print(f"note: {said}", file=sys.stderr)
    return server_generator(server, AnswerCache(kept), dialect)


def _dialect(recipe: Recipe, server: Server) -> Dialect:
    """How the server is asked, with the tokenizer of the model of that name, or else of the recipe's own."""
    kind, template = server_kind(server), recipe.values.get("chat_template_kwargs") or {}
    for name in (server.model, recipe.values.get("model_name_or_path"), str(recipe.output_dir)):
        try:
            if name:
                path = locate_of(recipe.values, name, weights=False)
                return Dialect(kind, template, chat_format(recipe.values, path))
        except UserError:
            continue
    print(
        f"note: the tokenizer of {server.model} is not here, so what spells one of its special tokens in a row is "
        "not kept from being one",
        file=sys.stderr,
    )
    return Dialect(kind, template, merge_system=bool(recipe.values.get("merge_system")))


def _measure_here(recipe: Recipe, output: Path | None) -> tuple[Result, Path]:
    ready(recipe)
    name = recipe.values.get("model_name_or_path") or str(recipe.output_dir)
    result, folder = measure(recipe, name), Path(locate_of(recipe.values, name))
    # The embedded model's name is not its folder: nothing is written into the installed package.
    is_here = folder.is_dir() and name == str(folder)
    beside = folder / file_name(recipe) if is_here else _elsewhere(recipe, name)
    return result, output or beside


def ready(recipe: Recipe) -> None:
    """Make this a process that runs models on the device that the recipe wants."""
    from accelerate import PartialState

    quiet()
    check_device(recipe)
    import_at_once("ratchet.inference.local")
    PartialState(cpu=bool(recipe.get("use_cpu")))


def file_name(recipe: Recipe) -> str:
    """The JSON file of an evaluation, beside the model and in its repository on the Hub."""
    return f"evaluation-{recipe.task.name}-{recipe.evaluation.split}.json"


def _elsewhere(recipe: Recipe, name: str) -> Path:
    return ELSEWHERE / named(name) / file_name(recipe)


def named(model: str) -> str:
    """A folder's name for a model.

    >>> named("Qwen/Qwen3-0.6B"), named("/data/outputs/demo/")
    ('Qwen--Qwen3-0.6B', 'data--outputs--demo')
    """
    return re.sub(r"[^\w.-]+", "--", model).strip("-.")


def generator_here(recipe: Recipe, name: str, rows: Sequence[Row], title: str) -> Generator:
    """A model of this machine as what completes conversations, once its template and tokenizer fit the rows.

    Raises:
        UserError: where it cannot be loaded, or does not fit.
    """
    from accelerate import PartialState

    from ratchet.inference.local import generator

    check_model_is_made(recipe)
    path = locate_of(recipe.values, name)
    chat = chat_format(recipe.values, path)
    check_prompts(chat, [Sample(row["id"], recipe.task.messages(row)) for row in rows])
    model = load_for_evaluation(path, compute_dtype(recipe), str(PartialState().device), recipe.values)
    check_vocabulary(model, chat.tokenizer, name)
    return generator(model, chat, title)


def measure(recipe: Recipe, name: str) -> Result:
    """Load a model and evaluate it as the recipe says.

    Raises:
        UserError: where the model cannot be loaded, or does not fit its tokenizer.
    """
    rows = rows_to_evaluate(recipe.task, recipe.evaluation)
    generate = generator_here(recipe, name, rows, f"evaluating {Path(name).name}")
    return evaluate(recipe.task, rows, recipe.evaluation, recipe.answer_limit, generate, name)


def check_vocabulary(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", name: str) -> None:
    """Refuse a tokenizer with tokens that the model has no embedding for.

    Raises:
        UserError: naming both sizes.
    """
    known, size = model.get_input_embeddings().num_embeddings, len(tokenizer)
    if size > known:
        raise UserError(
            f"{name}: its tokenizer has {size} tokens and the model embeds {known}; "
            "they do not belong together. Take the tokenizer it was trained with"
        )


def _paired(name: str, other: str, paired: dict[str, Any]) -> str:
    """A line about ``Result.compare``, which takes the other model for the first."""
    only_this, only_other = paired["only_second"], paired["only_first"]
    return (
        f"{name} minus {other}: {paired['difference']:+.3f} on the same {paired['n']} rows "
        f"({only_this} only the first, {only_other} only the other; McNemar p = {paired['p']:.3g})"
    )
