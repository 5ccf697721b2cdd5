"""Here: ``accelerate launch`` on the GPUs that are present, and a vLLM server beside it where the recipe wants one."""

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ratchet.errors import UserError
from ratchet.launch.place import Place
from ratchet.launch.request import SERVE_ENVIRONMENT, Launch, LaunchRequest, launch_of
from ratchet.launch.supervise import Commands, run
from ratchet.models import served_copy
from ratchet.models.folder import locate_of
from ratchet.plan.plan import launch_line
from ratchet.program import typed
from ratchet.runtime import VLLM_ON_A_CPU, nvidia_smi


@dataclass(frozen=True)
class Options:
    """Which GPUs there are, which do what, and how long a server may take."""

    here: tuple[int, ...] = ()
    trainer_gpus: tuple[int, ...] = ()
    inference_gpus: tuple[int, ...] = ()
    server_wait: float = 900.0
    """Seconds in which the server has to be up."""
    detach: bool = False
    """Whether the run goes on without this terminal."""


@dataclass(frozen=True)
class Division:
    """Which GPUs do what; empty lists leave the choice to CUDA_VISIBLE_DEVICES as it is."""

    trainer: tuple[int, ...] = ()
    inference: tuple[int, ...] = ()


def gpus_here(environ: Mapping[str, str]) -> list[int]:
    """The indices of the GPUs that a process started here would see."""
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [int(word) for word in visible.split(",") if word.strip().isdigit()]
    return [int(row[0]) for row in nvidia_smi("index")]


def numbers(text: str, option: str) -> tuple[int, ...]:
    """
    >>> numbers("0-2,5", "gpus")
    (0, 1, 2, 5)
    """
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdigit() or not (last or first).isdigit() or int(last or first) < int(first):
            raise UserError(f"--{option} takes numbers and ranges, as in 0-5 or 0,1,6; it is {text}")
        found += range(int(first), int(last or first) + 1)
    if len(set(found)) < len(found):
        raise UserError(f"--{option} names a GPU twice: {text}")
    return tuple(found)


def choose(recipe_uses_cpu: bool, header: str | None, here: int, root: Path) -> tuple[str, int]:
    """The accelerate configuration and the number of processes for what is here.

    Raises:
        UserError: where the recipe needs a GPU and there is none.
    """
    folder = root / "accelerate_configs"
    if recipe_uses_cpu:
        return str(folder / "cpu.yaml"), 1
    if here == 0:
        raise UserError(
            "there is no GPU here, and the recipe does not say use_cpu: true; ratchet doctor shows what is here"
        )
    if here == 1:
        return str(folder / "single_gpu.yaml"), 1
    # A header's configuration of one GPU, or of several machines, does not fit what is here.
    fits = header and "single" not in header and "node" not in header
    return str(folder / (Path(header).name if fits else "zero2.yaml")), here


def divide(launch: Launch, here: Sequence[int], trainer: tuple[int, ...], inference: tuple[int, ...]) -> Division:
    """Split the GPUs between trainer and server: as asked, else the last quarter (at least one) trains.

    Raises:
        UserError: for GPUs that are not here, or that both want.
    """
    if not launch.served or launch.served_folder:
        if inference:
            reason = "on a CPU it needs none" if launch.served_folder else "this recipe starts no server"
            raise UserError(f"--inference-gpus is for use_vllm: true with vllm_mode: server; {reason}")
        return Division(trainer)
    if both := sorted(set(trainer) & set(inference)):
        raise UserError(
            f"GPU {both[0]} cannot be the trainer's and the server's at once: NCCL needs one process per GPU"
        )
    if missing := sorted(set(trainer + inference) - set(here)):
        raise UserError(f"GPU {missing[0]} is not here; there are {', '.join(map(str, here)) or 'none'}")
    if not trainer and not inference:
        if len(here) < 2:
            raise UserError(
                f"vllm_mode: server needs a GPU for the server and one for the trainer; here are {len(here)}. "
                "vllm_mode: colocate shares one"
            )
        count = max(1, len(here) // 4)
        return Division(tuple(here[-count:]), tuple(here[:-count]))
    rest = [gpu for gpu in here if gpu not in trainer + inference]
    return Division(trainer or tuple(rest), inference or tuple(rest))


def commands(launch: Launch, division: Division) -> Commands:
    """The commands of a run here."""
    train_environment = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, division.trainer))} if division.trainer else {}
    more = [word for key, value in launch.overrides for word in (f"--{key}", value)]
    if not launch.served:
        return Commands(launch.accelerate(str(launch.recipe.path), more=more), train_environment)
    log = Path(launch.recipe.faults.server_log or launch.beside("vllm.log"))
    more += [] if launch.recipe.faults.server_log else ["--faults.server_log", str(log)]
    gpus = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, division.inference))}
    serve_environment = VLLM_ON_A_CPU if launch.served_folder else gpus
    return Commands(
        train=launch.accelerate(str(launch.recipe.path), more=more),
        train_environment=train_environment,
        serve=launch.serve(max(1, len(division.inference))),
        serve_environment={**SERVE_ENVIRONMENT, **serve_environment},
        log=log,
        health=f"{launch.recipe.server_url.replace('0.0.0.0', '127.0.0.1')}/health",
    )


def _detached(launch: Launch) -> int:
    """The same command in a session of its own, which no terminal ends."""
    log = launch.beside("log")
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [word for word in sys.argv[1:] if word != "--detach"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ratchet", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    print(f"process {process.pid} trains; it goes on when this terminal is closed")
    print(f"  follow:  tail -f {shlex.quote(str(log))}")
    print(f"  watch:   {typed('watch', str(launch.recipe.output_dir))}")
    print(f"  stop:    kill {process.pid}    # finishes its step and saves; the same command resumes")
    return 0


class Local(Place[Options]):
    """This machine."""

    name = "local"
    takes = ("inference_gpus", "trainer_gpus", "server_wait", "detach")
    flags = frozenset({"detach"})

    def read(self, request: LaunchRequest, environ: Mapping[str, str]) -> Options:
        """The GPUs that were named."""
        named = {}
        for name in ("trainer_gpus", "inference_gpus"):
            if request.given(name):
                named[name] = numbers(request.options[name], name.replace("_", "-"))
        wait = request.number("server_wait", Options.server_wait)
        return Options(tuple(gpus_here(environ)), **named, server_wait=wait, detach=request.given("detach"))

    def launch(self, request: LaunchRequest, options: Options, environ: Mapping[str, str]) -> Launch:
        """On the GPUs that are here, unless the command line names a configuration and a number."""
        given = request.text("config_file")
        # Read once for what decides the processes; checked once these are known.
        first = launch_of(request.recipe, request.overrides, given, 1, 1, environ, check=False)
        count = len(self._division(first, options).trainer) or len(options.here)
        on_cpu = bool(first.recipe.get("use_cpu"))
        if given is None:
            header = str(launch_line(Path(request.recipe)))
            config, processes = choose(on_cpu, header, count, first.root)
            return request.launch(environ, config, processes)
        return request.launch(environ, processes=None if on_cpu else count or None)

    def check(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> None:
        """This place is one machine."""
        placement = launch.placement
        if placement.machines > 1:
            raise UserError(
                f"{placement.file} is for {placement.machines} machines; "
                "--on slurm starts them, docs/slurm.md shows the command for each"
            )

    def render(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> str:
        """The commands, for a shell."""
        lines = [self._commands(launch, options).text()]
        if copy := launch.served_folder:
            lines.insert(0, served_copy.command(locate_of(launch.recipe.values), copy))
        return "\n".join(lines)

    def start(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> int:
        """Train, with a server beside it where one is needed."""
        what = self._commands(launch, options)
        if options.detach:
            return _detached(launch)
        if launch.served_folder:
            served_copy.make(Path(locate_of(launch.recipe.values)), launch.served_folder)
        print(f"training: {what.training()}" if what.serve else what.text(), flush=True)
        return run(what, environ, options.server_wait, launch.recipe.checkpointing.grace)

    def _division(self, launch: Launch, options: Options) -> Division:
        return divide(launch, options.here, options.trainer_gpus, options.inference_gpus)

    def _commands(self, launch: Launch, options: Options) -> Commands:
        division = self._division(launch, options)
        what = commands(launch, division)
        given = len(division.inference)
        used = launch.parallel(max(1, given)) if launch.served else 0
        if used < given:
            text = f"the model's heads can be split over {used} of the server's {given} GPUs; the others stay idle"
            print(f"warning: {text}", file=sys.stderr)
        return what
