"""The verbs that look at runs, or handle what they left: watch, report, checkpoints, results, push."""

import shutil
from pathlib import Path

from ratchet.cli.verb import Arguments
from ratchet.errors import UserError


def watch(arguments: Arguments) -> None:
    """A run in a terminal."""
    if arguments["every"] <= 0:
        raise UserError("--every takes seconds above 0, --tail a number from 0 on")
    from ratchet.reporting.terminal.follow import follow
    from ratchet.reporting.terminal.follow import watch as draw

    run, every = arguments["run"], arguments["every"]
    if arguments["lines"]:
        follow(run, every, arguments["wait"])
    else:
        draw(run, every, arguments["log"], arguments["tail"], arguments["once"])


def report(arguments: Arguments) -> None:
    """A page about a run, or about several."""
    run, output = arguments["run"], arguments["output"]
    if output is not None and output.suffix != ".html":
        raise UserError(f"--output takes the name of a page, as in --output page.html; it is {output}")
    from ratchet.reporting.page.write import compare, write

    if arguments["loss_slice"]:
        from ratchet.diagnostics.loss_slice import measure  # loads torch

        measure(run)
    others = arguments["compare"]
    page = compare([run, *others], output) if others else write(run, output)
    print(f"written to {page}")


def checkpoints(arguments: Arguments) -> int:
    """List, verify or prune a run's checkpoints."""
    keep, every = arguments["keep"], arguments["keep_every"]
    if keep < 1 or (every is not None and every < 1):
        raise UserError("--keep and --keep-every take numbers from 1 on")
    from ratchet.checkpoints import manage

    run = arguments["run"]
    if arguments["what"] == "list":
        print(manage.table(run))
    elif arguments["what"] == "verify":
        text, whole = manage.verify(run)
        print(text)
        return int(not whole)
    else:
        print(manage.prune(run, keep, every))
    return 0


def results(arguments: Arguments) -> None:
    """Every evaluated checkpoint in one table."""
    from ratchet.evaluation.results import as_dicts, table
    from ratchet.evaluation.results import results as measured
    from ratchet.files import write_json

    found = measured(arguments["folders"])
    print(table(found))
    if arguments["json"]:
        write_json(arguments["json"], as_dicts(found))


def push(arguments: Arguments) -> None:
    """Publish a run on the Hub."""
    from ratchet.hub.push import publish

    private = False if arguments["public"] else None  # None: as the recipe says
    dry_run = arguments["dry_run"]
    for line in publish(
        arguments["run"], arguments["repo"], private, arguments["completions"], dry_run, arguments["base"]
    ):
        print(line, flush=True)


def merge(arguments: Arguments) -> None:
    """Write a model with its adapter merged into it."""
    from ratchet.models import locate
    from ratchet.models.adapters import write_merged
    from ratchet.runtime import quiet

    quiet()
    path, folder = locate(arguments["model"]), arguments["output"]
    difference = write_merged(path, folder)
    for name in ("recipe.yaml", "README.md", "result.json"):
        if (Path(path) / name).is_file():
            shutil.copyfile(Path(path) / name, folder / name)
    print(f"written to {folder}; merged and beside its model, log-probabilities differ by {difference:.2g} at most")
