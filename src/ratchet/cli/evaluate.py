"""The verbs that ask a trained model: evaluate, lighteval, chat."""

import os
from typing import TYPE_CHECKING

from ratchet.cli.verb import Arguments
from ratchet.errors import UserError
from ratchet.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from ratchet.inference.openai_server import Server

LIMITS = ("concurrency", "timeout", "retries")


def evaluate(arguments: Arguments) -> None:
    """Measure a model on the recipe's task, and put the result beside it, and on the Hub."""
    _check_server(arguments)
    recipe = load_recipe(arguments["recipe"], _overrides(arguments), to_train=False)
    from ratchet.evaluation.run import file_name, run
    from ratchet.hub import results

    server = _server(arguments)
    record = run(recipe, arguments["compare"], arguments["output"], arguments["completions"], server, results.beside)
    if arguments["publish"] and record is not None:
        print(results.publish(arguments["publish"], file_name(recipe), record))


def sample(arguments: Arguments) -> None:
    """Draw graded samples of a model, and write those that are wanted as rows."""
    _check_server(arguments)
    overrides = [*arguments.overrides, ("evaluation.samples", str(arguments["samples"]))]
    if arguments["model"] and not arguments["server"]:
        overrides += _instead(arguments["model"])
    recipe = load_recipe(arguments["recipe"], overrides, to_train=False)
    if not 0 <= arguments["hardest"] <= arguments["easiest"] <= 1:
        raise UserError("--hardest and --easiest are shares between 0 and 1, the first not above the second")
    from ratchet.evaluation.sample import Wanted, run

    wanted = Wanted(**{name: arguments[name] for name in ("keep", "per_prompt", "longest", "hardest", "easiest")})
    run(recipe, arguments["split"], arguments["rows"], wanted, arguments["output"], _server(arguments))


def _server(arguments: Arguments) -> "Server | None":
    """The server that answers, where one is named."""
    if not arguments["server"]:
        return None
    from ratchet.inference.openai_server import Server

    limits = {name: arguments[name] for name in LIMITS}
    key = arguments["key_variable"] or "OPENAI_API_KEY"
    return Server(arguments["server"], arguments["model"] or "", **limits, key=key)


def _check_server(arguments: Arguments) -> None:
    given = arguments.given
    variable = given.get("key_variable")
    if variable is not None and not os.environ.get(variable):
        raise UserError(f"--key-variable: the environment variable {variable} is not set")
    alone = [name for name in ("concurrency", "key_variable", "retries", "timeout") if name in given]
    if alone and "server" not in given:
        raise UserError(f"--{alone[0].replace('_', '-')} goes with --server URL")


def _overrides(arguments: Arguments) -> list[tuple[str, str]]:
    """The recipe keys, with those that have an option."""
    overrides = list(arguments.overrides)
    if arguments["split"]:
        overrides.append(("evaluation.split", arguments["split"]))
    if arguments["model"] and not arguments["server"]:
        overrides += _instead(arguments["model"])
    return overrides


def _instead(model: str) -> list[tuple[str, str]]:
    """The recipe keys that put another model in the place of the recipe's own."""
    # It has revisions of its own: NAME@REVISION.
    return [("model_name_or_path", model), ("from_scratch", "null"), ("model_revision", "main")]


def lighteval(arguments: Arguments) -> int:
    """Evaluate a model with lighteval, beside this project's own way."""
    from ratchet.integrations.lighteval.run import run

    return run(*_beside(arguments))


def lm_eval(arguments: Arguments) -> int:
    """Evaluate a model with lm-evaluation-harness, beside this project's own way."""
    from ratchet.integrations.lm_eval import run

    return run(*_beside(arguments))


def _beside(arguments: Arguments) -> tuple[Recipe, str, list[str], bool]:
    """What another harness is to measure: recipe, model, its tasks, and whether ratchet evaluate stands beside it."""
    from ratchet.inference.policy import recipe_of

    overrides = list(arguments.overrides)
    if arguments["split"]:
        overrides.append(("evaluation.split", arguments["split"]))
    named = arguments["recipe"]
    if named.endswith((".yaml", ".yml")):
        overrides += _instead(arguments["model"]) if arguments["model"] else []
        recipe = load_recipe(named, overrides, to_train=False)
        model = arguments["model"] or recipe.values.get("model_name_or_path") or str(recipe.output_dir)
    else:
        model = arguments["model"] or named
        recipe = recipe_of(named, arguments["task"], overrides)
    tasks = [name for name in (arguments["tasks"] or "").split(",") if name]
    return recipe, model, tasks, not arguments["alone"]


def chat(arguments: Arguments) -> None:
    """Answer questions, or let rows of a task go through."""
    from ratchet.inference.chat import browse, talk
    from ratchet.inference.policy import Policy, recipe_of
    from ratchet.runtime import quiet

    name, task = arguments["model"], arguments["task"]
    recipe_of(name, task, arguments.overrides)  # what is wrong with it is said before PyTorch is loaded
    quiet()
    if arguments["server"]:
        from ratchet.inference.openai_server import Server
        from ratchet.inference.served import ServedPolicy

        policy: Policy = ServedPolicy.of(
            Server(arguments["server"], arguments["served_model"] or ""), name, task, arguments.overrides
        )
    else:
        policy = Policy.load(name, task, arguments.overrides)
    sampling = policy.sampling(1, arguments["temperature"], arguments["max_new_tokens"], arguments["seed"])
    if {"task", "row", "split"} & arguments.given.keys():
        browse(policy, arguments["split"] or "validation", arguments["row"], sampling)
    else:
        talk(policy, sampling, arguments["conversation"])
