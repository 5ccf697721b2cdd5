"""What a finished run has still to do when its result is written, should its process end right then.

A file in the output folder says so while it lasts. Needs no heavy library: a run that has finished starts none.
"""

from pathlib import Path

from ratchet.checkpoints.store import checkpoints, remove
from ratchet.files import write_text
from ratchet.program import typed
from ratchet.recipe import Recipe
from ratchet.reporting.page.write import write
from ratchet.runtime import attempt

LEFT = ".left_to_do"


def note_what_is_left(folder: Path) -> None:
    """To be called before ``result.json`` is written."""
    write_text(folder / LEFT, "report, checkpoints and uploads\n")


def nothing_is_left(folder: Path) -> None:
    """To be called when all is done."""
    (folder / LEFT).unlink(missing_ok=True)


def do_what_is_left(recipe: Recipe) -> None:
    """Do, or name, what a run that ended right after its ``result.json`` had still to do."""
    folder = recipe.output_dir
    if not (folder / LEFT).exists():
        return
    print(f"{folder}: the run had ended before all was done; the rest is done now", flush=True)
    page = attempt("the report", lambda: write(folder)) if recipe.report.mode == "on" else None
    if page is not None:
        print(f"report: {page}")
    if recipe.get("save_strategy") == "no":  # those that are there were made by stops
        for checkpoint in checkpoints(folder):
            remove(checkpoint)
    if recipe.get("push_to_hub"):
        print(f"what is not on the Hub yet is pushed by\n  {typed('push', str(folder))}")
    nothing_is_left(folder)
