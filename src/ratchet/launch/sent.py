"""What a rented machine is sent: the repository, data and models that lie here, what an earlier one left, a script.

The machine keeps everything under ``HOME``: the repository in ``code``, the script's output in ``run.log``, its exit
status in ``exit``, and a folder ``started`` once it runs.
"""

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ratchet.errors import UserError
from ratchet.files import with_imports
from ratchet.launch.request import Launch
from ratchet.recipe import Recipe

PASSED_ON = ("HF_TOKEN", "WANDB_API_KEY", "WANDB_PROJECT", "WANDB_ENTITY")
"""Variables that a run elsewhere gets, where they are set here."""
CODE, HOME = "~/ratchet/code", "~/ratchet"
# What a repository is known to hold, where git cannot be asked.
KNOWN = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "src", "scripts", "recipes", "accelerate_configs")
# Into the folder .venv of the repository; what an earlier start has installed stays.
INSTALL = (
    "if [ ! -x .venv/bin/accelerate ]; then",
    "    if command -v python3.11 > /dev/null; then python3.11 -m venv .venv",
    "    else curl -LsSf https://astral.sh/uv/install.sh | sh && ~/.local/bin/uv venv --seed --python 3.11 .venv; fi",
    '    .venv/bin/pip install --quiet -e ".[deepspeed,vllm,tracking]"',
    "fi",
)
END = "RATCHET_RECIPE"  # of a file that a shell writes


def written(launch: Launch) -> list[str]:
    """Lines of a shell script that write recipe.yaml and accelerate.yaml, which no repository holds."""
    return [
        f"cat > recipe.yaml <<'{END}'",
        f"{sent_recipe(launch)}{END}",
        f"cat > accelerate.yaml <<'{END}'",
        f"{launch.accelerate_yaml().rstrip()}\n{END}",
    ]


def secrets_file(name: str) -> str:
    """The file there, in memory, that holds the run's secrets."""
    return f"/dev/shm/ratchet-{name}/env"


def run_script(launch: Launch, outputs: str | None) -> str:
    """The run on the instance: install, train, leave the exit status."""
    words = launch.accelerate_elsewhere(launch.script)
    link = (
        [f"mkdir -p {shlex.quote(outputs)}", f"[ -e outputs ] || ln -s {shlex.quote(outputs)} outputs"]
        if outputs
        else []
    )
    return "\n".join(
        [
            "#!/bin/bash",
            "# Started once by ratchet launch; its output is run.log, its exit status goes to the file exit.",
            f"cd {CODE}",
            f"set -a; . {secrets_file(launch.name)}; set +a",
            *link,
            "train() {",
            "    set -e",
            *(f"    {line}" for line in INSTALL),
            '    export PATH="$PWD/.venv/bin:$PATH"',
            f"    {shlex.join(words)}",
            "}",
            "(train)",
            "echo $? > ../exit.part && mv ../exit.part ../exit",
            "",
        ]
    )


def tracked(root: Path) -> list[Path]:
    """The repository's files that git knows; without git, what it is known to hold."""
    files = _of_git(root) or [file for name in KNOWN for file in _below(root / name)]
    return [file for file in files if file.is_file() and "__pycache__" not in file.parts]


def _of_git(root: Path) -> list[Path]:
    try:
        done = subprocess.run(["git", "-C", str(root), "ls-files", "-z"], capture_output=True, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [root / name for name in done.stdout.decode().split("\0") if name]


def _below(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*"))


def earlier_outputs(launch: Launch) -> list[Path]:
    """Files of the run's folder here, as an earlier machine left them."""
    folder = Path.cwd() / launch.recipe.output_dir
    return [file for file in sorted(folder.rglob("*")) if file.is_file()] if folder.is_dir() else []


def carried_paths(launch: Launch) -> list[Path]:
    """Files and folders here that the recipe names, relative to the repository: data, models, code of one's own.

    Raises:
        UserError: where one lies outside the repository, or outputs would go to a place of this machine.
    """
    root = launch.root.resolve()
    if launch.recipe.output_dir.is_absolute():
        raise UserError(
            f"output_dir: {launch.recipe.output_dir} is a folder of this machine; write one relative to this folder, "
            f"as outputs/{launch.name}"
        )
    found = []
    for key, path in local_paths(launch.recipe):
        if not path.resolve().is_relative_to(root):
            raise UserError(
                f"{key}: {path} lies outside the repository, so it cannot be sent along; "
                f"put it into {launch.root}, or on the Hub"
            )
        found.append(path.resolve().relative_to(root))
    return [*dict.fromkeys(found)]


def local_paths(recipe: Recipe) -> Iterator[tuple[str, Path]]:
    """What a recipe names on this machine, each with its key; of Python files also what they import from beside."""
    for one in recipe.each_task().values():
        for key in one.task.paths:
            given = getattr(one.task, key, None)
            for name in given if isinstance(given, list) else [given]:
                path = Path(str(name or "")).expanduser()
                if name and path.exists():  # the files of functions are the recipe's own
                    yield f"data.{key}", path
    for own in recipe.own_files:
        yield from (("its own code", path) for path in with_imports(own) if path.exists())
    model = Path(str(recipe.values.get("model_name_or_path") or "")).expanduser()
    if recipe.values.get("model_name_or_path") and model.is_dir():
        yield "model_name_or_path", model
    if recipe.distillation is not None and Path(recipe.distillation.teacher).expanduser().is_dir():
        yield "distillation.teacher", Path(recipe.distillation.teacher).expanduser()


def carried(launch: Launch) -> list[Path]:
    """Their files.

    Raises:
        UserError: as ``carried_paths``.
    """
    paths = [launch.root / path for path in carried_paths(launch)]
    files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    return [file for file in files if file.is_file()]


def sent_recipe(launch: Launch) -> str:
    """recipe.yaml as another machine gets it: what is named in the repository is named from there."""
    return launch.recipe.as_yaml(launch.root)
