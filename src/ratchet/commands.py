"""What the scripts call: a command line becomes a checked recipe, and the recipe is run.

    scripts/<name>.py RECIPE.yaml [--key value ...] [--show-config]

``--config RECIPE.yaml`` is accepted too; ``--key=value`` as well as ``--key value``; a key without a value is true.
"""

import argparse
import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from ratchet.errors import UserError, command
from ratchet.recipe import Recipe, load_recipe, show

FLAGS = frozenset({"help", "show_config", "resume_anyway", "conversation", "alone"})  # options that take no value


def split_arguments(
    argv: Sequence[str], own: Sequence[str] = (), flags: Collection[str] = FLAGS
) -> tuple[str | None, list[tuple[str, str]], dict[str, str]]:
    """Split a command line into the recipe's path, overrides for the recipe, and the script's ``own`` options.

    >>> split_arguments(["r.yaml", "--learning_rate", "1e-5", "--bf16", "--seed=3"])
    ('r.yaml', [('learning_rate', '1e-5'), ('bf16', 'true'), ('seed', '3')], {})
    """
    path, overrides, found, rest = None, [], {}, ["--help" if word == "-h" else word for word in argv]
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            if path is not None:
                raise UserError(f"{word}: there is a recipe already ({path}); options begin with --")
            path = word
            continue
        key, equals, value = word[2:].partition("=")
        if not equals and key.replace("-", "_") in flags:
            value = "true"
        elif not equals:
            value = rest.pop(0) if rest and not rest[0].startswith("--") else "true"
        name = key.replace("-", "_")
        if name == "config":
            path = value
        elif name in own:
            found[name] = value
        else:
            overrides.append((name, value))
    return path, overrides, found


def recipe_from_command_line(trainer: str, usage: str) -> tuple[Recipe | None, dict[str, str]]:
    """The checked recipe that the command line names, None where it only asked for help or the configuration; and options."""
    path, overrides, own = split_arguments(sys.argv[1:], ("help", "show_config", "resume", "resume_anyway"))
    if "help" in own or (path is None and not overrides):
        print(usage.strip())
        if "help" in own:
            return None, own
        raise UserError("name a recipe")
    if path is None:
        raise UserError(f"name a recipe: scripts/{trainer}.py RECIPE.yaml")
    recipe = load_recipe(path, overrides, trainer=trainer)
    if "show_config" in own:
        print(show(recipe))
        return None, own
    return recipe, own


def _train(trainer: str, usage: str) -> None:
    recipe, own = recipe_from_command_line(trainer, usage)
    if recipe is None:
        return
    from ratchet.training.run import train

    train(recipe, own.get("resume", "latest"), own.get("resume_anyway") == "true")


@command
def sft() -> None:
    """Usage: sft.py RECIPE.yaml [--key value ...] [--show-config] [--resume latest|never|hub|STEP|FOLDER] [--resume-anyway]:
    supervised fine-tuning on a task's targets. A run that was stopped goes on by itself."""
    _train("sft", sft.__doc__)


@command
def grpo() -> None:
    """Usage: grpo.py RECIPE.yaml [--key value ...] [--show-config] [--resume latest|never|hub|STEP|FOLDER] [--resume-anyway]:
    GRPO with a task's rewards. A run that was stopped goes on by itself."""
    _train("grpo", grpo.__doc__)


@command
def evaluate() -> None:
    """Usage: evaluate.py RECIPE.yaml [--model MODEL] [--split SPLIT] [--compare MODEL] [--output FILE.json]
    [--completions FILE.jsonl] [--key value ...]: measure a model on the recipe's task.

    With --server URL, a server with OpenAI's chat API (vLLM, transformers serve, a hosted model) answers: --model names one of
    its models, --concurrency (16) the requests at a time, --timeout (120) and --retries (5) what one may take; the key is in
    OPENAI_API_KEY, or in what --key-variable names. Stopped, the same command goes on with the answers that are kept.

    --publish OWNER/MODEL[@REVISION] also writes the result into the card of that revision on the Hub."""
    ours = {"concurrency": 16, "timeout": 120.0, "retries": 5}
    own = ("help", "model", "split", "compare", "output", "completions", "server", "key_variable", "publish", *ours)
    path, overrides, options = split_arguments(sys.argv[1:], own)
    if "help" in options or path is None:
        print(evaluate.__doc__)
        if path is None and "help" not in options:
            raise UserError("name a recipe")
        return
    _need_values(options, ("model", "split", "compare", "output", "completions", "server", "publish", "key_variable"))
    if "key_variable" in options and not os.environ.get(options["key_variable"]):
        raise UserError(f"--key-variable: the environment variable {options['key_variable']} is not set")
    if alone := sorted({"key_variable", *ours} & options.keys()) if "server" not in options else ():
        raise UserError(f"--{alone[0]} goes with --server URL")
    if "split" in options:
        overrides.append(("evaluation.split", options["split"]))
    if "model" in options and "server" not in options:
        overrides += [("model_name_or_path", options["model"]), ("from_scratch", "null")]
    _hide_scripts()
    recipe = load_recipe(path, overrides, to_train=False)
    from ratchet.evaluation.run import run
    from ratchet.inference.openai_server import Server

    server = None
    if "server" in options:
        limits = {
            key: type(default)(_number(options, key, default, least=int(key == "concurrency")))
            for key, default in ours.items()
        }
        server = Server(
            options["server"], options.get("model", ""), **limits, key=options.get("key_variable", "OPENAI_API_KEY")
        )
    run(
        recipe,
        options.get("compare"),
        _path(options, "output"),
        _path(options, "completions"),
        server,
        options.get("publish"),
    )


@command
def lighteval() -> int:
    """Usage: lighteval.py RECIPE.yaml|MODEL [--model MODEL] [--task TASK] [--tasks NAME,NAME] [--split SPLIT] [--alone] [--key value ...]

    Evaluate a model with lighteval on the recipe's rows, graded by the recipe's task, beside scripts/evaluate.py's own way (--alone
    leaves that out). MODEL is a run's folder, a checkpoint or any model; --task names the task of one that has no recipe.yaml.
    --tasks: <task>, <task>_<kind>, <task>_letters, agieval:aqua-rat; all by default."""
    path, overrides, options = split_arguments(sys.argv[1:], ("help", "model", "task", "tasks", "split", "alone"))
    if "help" in options or path is None:
        print(lighteval.__doc__)
        if path is None and "help" not in options:
            raise UserError("name a recipe or a model")
        return 0
    _need_values(options, ("model", "task", "tasks", "split"))
    overrides += [("evaluation.split", options["split"])] if "split" in options else []
    _hide_scripts()
    from ratchet.inference.policy import recipe_of
    from ratchet.integrations.lighteval.run import run

    if path.endswith((".yaml", ".yml")):
        recipe = load_recipe(path, overrides, to_train=False)
        model = options.get("model") or recipe.values.get("model_name_or_path") or str(recipe.output_dir)
    else:
        model = options.get("model") or path
        recipe = recipe_of(path, options.get("task"), overrides)
    return run(recipe, model, [name for name in options.get("tasks", "").split(",") if name], "alone" not in options)


def _hide_scripts() -> None:
    """The folder of the scripts, which Python puts first, holds an evaluate.py and a lighteval.py: they would hide libraries of these names."""
    sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != Path(sys.argv[0]).resolve().parent]


@command
def audit() -> int:
    """Usage: audit.py RECIPE.yaml [--split SPLIT] [--rows N] [--json FILE] [--html FILE] [--reward FILE.py:FUNCTION [--plain]]
    [--key value ...]: let cheap answers and hacks compete for the recipe's reward; the exit code is 1 if a finding fails.

    --reward audits somebody else's function, called as TRL calls it, on the recipe's rows; with --plain it is given
    completions as text instead of lists of messages. --json - prints the JSON in the place of the table."""
    own = ("help", "split", "rows", "json", "html", "reward", "plain")
    path, overrides, options = split_arguments(sys.argv[1:], own)
    if "true" in (options.get("html"), options.get("json")):
        raise UserError("--html and --json take the name of a file, as in --html audit.html")
    if "help" in options or path is None:
        print(audit.__doc__)
        if path is None and "help" not in options:
            raise UserError("name a recipe")
        return 0
    recipe = load_recipe(path, overrides, to_train=False)
    from ratchet.audit.run import run

    return run(recipe, options)


@command
def prepare() -> None:
    """Usage: prepare.py RECIPE.yaml --output FOLDER [--key value ...]: clean and split the task's published rows."""
    path, overrides, options = split_arguments(sys.argv[1:], ("help", "output"))
    if "help" in options or path is None or "output" not in options:
        print(prepare.__doc__)
        if "help" not in options:
            raise UserError("name a recipe and --output FOLDER")
        return
    task = load_recipe(path, overrides, to_train=False).task
    if not hasattr(task, "prepare"):
        raise UserError(f"the task {task.name} needs no preparation: its rows are cleaned as they are read")
    folder = Path(options["output"])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UserError(f"--output: {folder} is there already and not empty; name another, or take it away first")
    except OSError as error:
        raise UserError(f"--output: {folder} cannot be made ({error.strerror}); name another folder") from None
    print("\n".join(task.prepare(folder)))
    print(f"written to {folder}: train.jsonl, validation.jsonl, test.jsonl, report.md, manifest.json")


@command
def chat() -> None:
    """Usage: chat.py MODEL [--conversation] [--temperature T] [--max_new_tokens N]
           chat.py MODEL --row NUMBER|ID [--split SPLIT] [--task TASK] [--key value ...]

    Ask a trained model questions, one line each, an empty line ends it; or let rows of its task go through one by one: prompt,
    completion, the answer that the grader reads, its grade, its rewards. MODEL is a run's folder, a checkpoint, a folder or the
    name of a model, or ratchet-tiny; --task names the task of a model that has no recipe.yaml, --key value changes the recipe.

    The lines of one question are joined by writing \\n between them, as in "Mia has 3 pens and buys 4 more. How many
    pens does Mia have now?\\nA) 1\\nB) 7\\nC) 8\\nD) 9\\nE) 12". With --conversation the model sees what was said before."""
    own = ("help", "max_new_tokens", "temperature", "conversation", "task", "row", "split", "seed")
    path, overrides, options = split_arguments(sys.argv[1:], own)
    if path is None or "help" in options:
        print(chat.__doc__)
        if path is None and "help" not in options:
            raise UserError("name a model")
        return
    _need_values(options, ("task", "row", "split"))
    temperature = _number(options, "temperature", 0.0)
    longest = int(_number(options, "max_new_tokens", 1, least=1)) if "max_new_tokens" in options else None
    from ratchet.inference.chat import browse, talk
    from ratchet.inference.policy import Policy, recipe_of
    from ratchet.runtime import quiet

    rows = bool({"task", "row", "split"} & options.keys())
    recipe_of(path, options.get("task"), overrides)  # what is wrong with it is said before PyTorch is loaded
    quiet()
    policy = Policy.load(path, options.get("task"), overrides)
    sampling = policy.sampling(1, temperature, longest, int(_number(options, "seed", 0)))
    if rows:
        browse(policy, options.get("split", "validation"), options.get("row"), sampling)
    else:
        talk(policy, sampling, "conversation" in options)


@command
def report() -> None:
    """Draw a page about a run (report.html, with report.md beside it), finished or still going on; with --compare, one about several."""
    parser = argparse.ArgumentParser(prog="report.py", description=report.__doc__)
    parser.add_argument("run", type=Path, help="the run's output_dir")
    parser.add_argument(
        "--compare",
        nargs="+",
        type=Path,
        default=[],
        metavar="RUN",
        help="other runs, drawn beside it in comparison.html",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE.html", help="where the page goes, in the place of the run's folder"
    )
    parser.add_argument(
        "--loss-slice", action="store_true", help="first measure the loss around the saved model (loads it)"
    )
    given = parser.parse_args()
    if given.output is not None and given.output.suffix != ".html":
        raise UserError(f"--output takes the name of a page, as in --output page.html; it is {given.output}")
    from ratchet.reporting.page.write import compare, write

    if given.loss_slice:
        from ratchet.diagnostics.loss_slice import measure

        measure(given.run)
    page = compare([given.run, *given.compare], given.output) if given.compare else write(given.run, given.output)
    print(f"written to {page}")


@command
def checkpoints() -> int:
    """List a run's checkpoints, check that every file is what was saved (exit code 1 if one is not), or delete old ones."""
    parser = argparse.ArgumentParser(prog="checkpoints.py", description=checkpoints.__doc__)
    parser.add_argument("what", choices=("list", "verify", "prune"))
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="the run's output_dir")
    parser.add_argument(
        "--keep",
        type=int,
        default=1,
        metavar="N",
        help="prune: the newest N stay (1), and always the best and the newest whole one",
    )
    parser.add_argument(
        "--keep-every", type=int, metavar="STEPS", help="prune: those whose step is a multiple of it stay too"
    )
    given = parser.parse_args()
    if given.keep < 1 or (given.keep_every is not None and given.keep_every < 1):
        raise UserError("--keep and --keep-every take numbers from 1 on")
    from ratchet.checkpoints import manage as page

    if given.what == "list":
        print(page.table(given.run))
    elif given.what == "verify":
        text, whole = page.verify(given.run)
        print(text)
        return int(not whole)
    else:
        print(page.prune(given.run, given.keep, given.keep_every))
    return 0


@command
def results() -> None:
    """Every evaluated checkpoint of a project in one table, with n, interval, the commonest answer's score, and the command."""
    parser = argparse.ArgumentParser(prog="results.py", description=results.__doc__)
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        default=[Path("outputs")],
        help="runs, or folders of runs and evaluations (outputs)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write them as JSON too")
    given = parser.parse_args()
    from ratchet.evaluation.results import as_dicts, table
    from ratchet.evaluation.results import results as measured
    from ratchet.files import write_json

    found = measured(given.folders)
    print(table(found))
    if given.json:
        write_json(given.json, as_dicts(found))


@command
def push() -> None:
    """Publish a run on the Hub: its checkpoints as revisions, the trained model on main. Nothing but the model, its card, recipe and results goes there."""
    parser = argparse.ArgumentParser(prog="push.py", description=push.__doc__)
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="the run's output_dir")
    parser.add_argument("--repo", metavar="OWNER/NAME", help="in the place of the recipe's hub_model_id")
    parser.add_argument(
        "--public",
        action="store_true",
        help="a new repository is public; without it it is what hub_private_repo says, else private",
    )
    parser.add_argument("--completions", action="store_true", help="also what the model wrote")
    parser.add_argument("--dry-run", action="store_true", help="print what would be pushed")
    given = parser.parse_args()
    from ratchet.hub.push import publish

    for line in publish(given.run, given.repo, False if given.public else None, given.completions, given.dry_run):
        print(line, flush=True)


@command
def torture() -> int:
    """Hurt real training runs in every way that is known here, let them go on, and compare them with one that was left alone;
    exit code 1 if a number differs. Needs a CPU, and root for the full disk."""
    parser = argparse.ArgumentParser(prog="torture.py", description=torture.__doc__)
    parser.add_argument(
        "folder", type=Path, help="an empty folder, where the runs are made; those that went wrong stay there"
    )
    parser.add_argument("--kills", type=int, default=50, help="rounds of SIGKILL at a random moment (50)")
    parser.add_argument("--rounds", type=int, default=20, help="rounds of every other fault (20)")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], choices=(1, 2))
    parser.add_argument("--faults", nargs="+", default=[], metavar="NAME", help="only these")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.folder.exists() and any(given.folder.iterdir()):
        raise UserError(f"{given.folder} is not empty; name another")
    from ratchet.torture.rounds import run

    root = Path(sys.argv[0]).resolve().parents[1]
    return int(
        not run(root, given.folder.resolve(), given.kills, given.rounds, given.processes, given.faults, given.seed)
    )


@command
def install_tiny() -> None:
    """Usage: install_tiny.py FOLDER: put a trained tiny model into the package."""
    path, overrides, options = split_arguments(sys.argv[1:], ("help",))
    if path is None or overrides or options:
        print(install_tiny.__doc__)
        return
    from ratchet.evaluation.install_tiny import install

    install(Path(path))


def _need_values(options: dict[str, str], names: Sequence[str]) -> None:
    if without := [name for name in names if options.get(name) == "true"]:
        raise UserError(f"--{without[0].replace('_', '-')} needs a value")


def _number(options: dict[str, str], key: str, default: float, least: int = 0) -> float:
    try:
        value = float(options.get(key, default))
    except ValueError:
        value = -1.0
    if not least <= value < float("inf"):
        raise UserError(f"--{key} takes a number{f' from {least} on' if least else ''}, not {options[key]}")
    return value


def _path(options: dict[str, str], key: str) -> Path | None:
    return Path(options[key]) if key in options else None
