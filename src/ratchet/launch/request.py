"""What is launched, wherever it is: recipe, accelerate configuration, processes, and perhaps a vLLM server."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.models.folder import TINY, locate, on_hub
from ratchet.plan.checks import errors
from ratchet.plan.lengths import rows_of
from ratchet.plan.placement import Placement, read_placement
from ratchet.plan.plan import launch_line, placed
from ratchet.plan.shape import Shape, shape_of
from ratchet.recipe import Recipe
from ratchet.recipe.precision import compute_dtype

SECRETS = ("HF_TOKEN", "WANDB_API_KEY", "LAMBDA_API_KEY", "OPENAI_API_KEY")
# vLLM as TRL 1.16 speaks with it (its notice in trl/scripts/vllm_serve.py): weights come over NCCL, and
# log-probabilities are those of the distribution that was sampled from.
SERVE_ENVIRONMENT = {"VLLM_SERVER_DEV_MODE": "1"}
SERVE_OPTIONS = ("--logprobs-mode", "processed_logprobs", "--max-logprobs", "-1")
SERVE_ON_GPUS = ("--weight-transfer-config", '{"backend":"nccl"}')
SERVE_ON_A_CPU = ("--enforce-eager",)  # compiling takes longer than what it would save


@dataclass(frozen=True)
class Launch:
    """One run, before it is rendered for a place."""

    recipe: Recipe
    overrides: tuple[tuple[str, str], ...]
    placement: Placement
    root: Path
    """The repository."""
    extra: tuple[str, ...] = ()
    """Options of the script itself, as --resume latest."""

    @property
    def name(self) -> str:
        """Run name; also the job's and the instance's name."""
        return self.recipe.output_dir.name

    @property
    def script(self) -> str:
        """Path in the repository of the script that runs the recipe."""
        return f"scripts/{self.recipe.method.script}.py"

    def here(self, path: str) -> str:
        """A path of the repository as it is written in this folder, to which a recipe's own paths are relative."""
        return path if Path.cwd().resolve() == self.root.resolve() else str(self.root / path)

    def beside(self, ending: str) -> Path:
        """A path beside the run's folder, with its name and an ending."""
        return self.recipe.output_dir.with_name(f"{self.name}.{ending}")

    @property
    def served(self) -> bool:
        """Whether a vLLM server has to be there."""
        return self.recipe.served

    def accelerate(self, recipe: str, *options: str, more: Sequence[str] = ()) -> list[str]:
        """``accelerate launch`` in this folder; ``options`` are accelerate's, ``more`` the script's."""
        return self._accelerate(self.placement.file, *options, self.here(self.script), recipe, *self.extra, *more)

    def accelerate_elsewhere(self, *script: str) -> list[str]:
        """The same on another machine, whose folder holds recipe.yaml and accelerate.yaml."""
        return self._accelerate("accelerate.yaml", *script, "recipe.yaml", *self.extra)

    def _accelerate(self, config_file: str, *words: str) -> list[str]:
        return [
            "accelerate",
            "launch",
            "--config_file",
            config_file,
            "--num_processes",
            str(self.placement.processes),
            *words,
        ]

    def accelerate_yaml(self) -> str:
        """The accelerate configuration's text, to be carried elsewhere."""
        return Path(self.placement.file).read_text(encoding="utf-8")

    def parallel(self, gpus: int) -> int:
        """Over how many of the server's GPUs the model is split: the recipe's number, or the most that fit its heads.

        Raises:
            UserError: where the recipe's number does not divide the GPUs.
        """
        wanted = self.recipe.values.get("vllm_tensor_parallel_size")
        if wanted is not None:
            if gpus % wanted:
                raise UserError(f"vllm_tensor_parallel_size: {wanted} does not divide the {gpus} GPUs of the server")
            return wanted
        try:
            shape = shape_of(self.recipe)
        except UserError:  # of a kind that plan does not know
            return gpus
        return max(count for count in range(1, gpus + 1) if _divides_heads(shape, count))

    def _served_model(self) -> list[str]:
        """The model as vLLM finds it: the embedded one by its folder, one of the Hub at the recipe's revision."""
        name = str(self.recipe.values.get("model_name_or_path"))
        found = on_hub(name, self.recipe.values.get("model_revision"))
        if found is None:
            return [locate(name) if name == TINY else name]
        repository, revision = found
        return [repository, "--revision", revision] if revision else [repository]

    @property
    def served_folder(self) -> Path | None:
        """On a CPU the copy of the model that is served (``models.served_copy``)."""
        on_cpu = self.served and self.recipe.get("use_cpu")
        return self.beside("served").absolute() if on_cpu else None

    def serve(self, gpus: int) -> list[str]:
        """``vllm serve`` on so many GPUs; on a CPU, of the copy that has to be there."""
        get, copy = self.recipe.get, self.served_folder
        words = ["vllm", "serve", *([str(copy)] if copy else self._served_model())]
        words += ["--port", str(get("vllm_server_port"))]
        words += ["--tensor-parallel-size", str(self.parallel(gpus))]
        words += ["--dtype", compute_dtype(self.recipe)]
        words += ["--gpu-memory-utilization", "0.9"]
        if get("vllm_max_model_length"):
            words += ["--max-model-len", str(get("vllm_max_model_length"))]
        return [*words, *SERVE_OPTIONS, *(SERVE_ON_A_CPU if copy else SERVE_ON_GPUS)]


def _divides_heads(shape: Shape, count: int) -> bool:
    """vLLM splits query heads evenly; key heads it splits, or repeats where there are fewer than GPUs."""
    keys_fit = shape.kv_heads % count == 0 or count % shape.kv_heads == 0
    return shape.heads % count == 0 and keys_fit


@dataclass(frozen=True)
class LaunchRequest:
    """The command line of one launch, sorted."""

    recipe: str | None
    overrides: Sequence[tuple[str, str]]
    options: Mapping[str, str]

    def given(self, name: str) -> bool:
        """Whether an option was typed."""
        return name in self.options

    def text(self, name: str) -> str | None:
        """An option's value."""
        return self.options.get(name)

    def number(self, name: str, default: Any, least: float = 0) -> Any:
        """An option that is a number, of its default's type.

        Raises:
            UserError: where it is none, or too small.
        """
        if name not in self.options:
            return default
        kind = type(default) if default is not None else int
        try:
            value = kind(self.options[name])
        except ValueError:
            value = None
        if value is None or not least <= value < float("inf"):
            raise UserError(f"--{name.replace('_', '-')} takes a number from {least:g} on, not {self.options[name]}")
        return value

    def require(self, **meanings: str) -> None:
        """Raise a UserError with all the options that are missing, which have no default on purpose."""
        missing = [
            f"--{name.replace('_', '-')} is required: {meaning}"
            for name, meaning in meanings.items()
            if name not in self.options
        ]
        if missing:
            raise UserError("\n".join(missing))

    @property
    def dry_run(self) -> bool:
        """Whether nothing is to be started."""
        return self.options.get("dry_run") == "true"

    def launch(
        self, environ: Mapping[str, str], config_file: str | None = None, processes: int | None = None
    ) -> Launch:
        """The launch that was asked for, with a place's own configuration and processes where none were given."""
        launch = launch_of(
            self.recipe,
            self.overrides,
            self.text("config_file") or config_file,
            self.number("num_processes", None, 1) or processes,
            self.number("nodes", None, 1),
            environ,
        )
        extra = ["--resume", self.options["resume"]] if self.given("resume") else []
        extra += ["--resume-anyway"] if self.given("resume_anyway") else []
        return replace(launch, extra=tuple(extra))


def launch_of(
    path: str | Path,
    overrides: Sequence[tuple[str, str]],
    config_file: str | None,
    processes: int | None,
    nodes: int | None,
    environ: Mapping[str, str] | None = None,
    check: bool = True,
) -> Launch:
    """Check everything that can be known here, before anything is started or paid for.

    Raises:
        UserError: with what is wrong.
    """
    environ = os.environ if environ is None else environ
    placement = read_placement(config_file or launch_line(Path(path))).sized(processes, nodes)
    recipe = placed(path, overrides, placement, environ)
    wrong = list(errors(recipe, placement, rows_of(recipe))) if check else []
    if wrong:
        raise UserError(
            "\n".join([f"{path}: this would not run on {placement.file} with {placement.processes} processes", *wrong])
        )
    return Launch(recipe, tuple(overrides), placement, repository(placement))


def repository(placement: Placement) -> Path:
    """The folder that holds scripts/ and recipes/: the one above the accelerate configuration, else this one.

    Raises:
        UserError: where neither has them.
    """
    for folder in (Path(placement.file).resolve().parent.parent, Path.cwd()):
        if (folder / "scripts" / "grpo.py").is_file():
            return folder
    raise UserError("scripts/grpo.py is not here: type this in the folder of the repository")


def program_of(name: str, environ: Mapping[str, str]) -> str | None:
    """A command of this Python's own environment, else of the path; None where there is none."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.is_file() else shutil.which(name, path=environ.get("PATH"))


def masked(text: str, environ: Mapping[str, str]) -> str:
    """A text in which the value of every variable that may be a secret is hidden."""
    for name, value in environ.items():
        secret = name in SECRETS or name.endswith(("_TOKEN", "_KEY", "_SECRET", "_PASSWORD"))
        if secret and len(value) >= 6:
            text = text.replace(value, f"<{name}>")
    return text


def dotenv(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, with what a .env file says where the environment says nothing.

    Raises:
        UserError: for a line that is no NAME=value.
    """
    found = dict(environ)
    path = folder / ".env"
    if not path.is_file():
        return found
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        line = line.strip().removeprefix("export ")
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip().isidentifier():
            raise UserError(f"{path}:{number}: write NAME=value")
        try:
            words = shlex.split(value, comments=True)
        except ValueError as error:
            raise UserError(f"{path}:{number}: {name.strip()}: {error}") from None
        if words and not found.get(name.strip()):
            found[name.strip()] = words[0]
    return found
