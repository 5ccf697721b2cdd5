"""Which recipe makes a folder: for what is named before it is there."""

from pathlib import Path

from ratchet.errors import UserError
from ratchet.recipe.load import load_recipe
from ratchet.recipe.recipe import Recipe

HERE = Path("recipes")
FETCHED = "outputs/smollm2-135m"
"""Where ``ratchet fetch smollm2`` puts the model."""


def maker_of(folder: str, beside: Recipe | None = None) -> Recipe | None:
    """The recipe whose output folder this is.

    Args:
        beside: a recipe whose own folder is searched, and which is not meant itself; else all below ``recipes/``.
    """
    own = beside.path.resolve() if beside else None
    paths = sorted(own.parent.glob("*.yaml")) if own else sorted(HERE.rglob("*.yaml"))
    for path in paths:
        if path == own:
            continue
        try:
            other = load_recipe(path, environ={}, to_train=False)
        except UserError:
            continue
        if str(other.output_dir) == folder and other.values.get("model_name_or_path") != folder:
            return other
    return None


def how_to_make(folder: str, beside: Recipe | None = None) -> str:
    """What makes a folder that is not there, to stand behind the sentence that says so; "" where that is not known."""
    if folder.rstrip("/") == FETCHED:
        return ". ratchet fetch smollm2 makes it"
    maker = maker_of(folder.rstrip("/"), beside)
    if maker is None:
        return ""
    path = maker.path.relative_to(Path.cwd()) if maker.path.is_relative_to(Path.cwd()) else maker.path
    return f". {path} makes it: ratchet {maker.method.script} {path}"


def check_model_is_made(recipe: Recipe) -> None:
    """Refuse a recipe that begins from another one's output where that one has not run yet.

    Raises:
        UserError: saying what to run first.
    """
    name = recipe.values.get("model_name_or_path")
    if name and not Path(name).expanduser().exists() and (how := how_to_make(name, recipe)):
        raise UserError(f"model_name_or_path: there is no folder {name}{how}")
