"""Slurm: a job and a script for each of its nodes, rendered here; nothing reads YAML in a shell.

The job gets a signal before its time is up (``--signal``) and passes it on to the training processes themselves,
which finish their step, save it and leave; then the job requeues itself and resumes exactly. A job that is preempted
does the same. ``header`` and ``sbatch`` are also what evaluations of saved checkpoints are submitted with.
"""

import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ratchet.errors import Stopped, UserError
from ratchet.files import write_text
from ratchet.launch.place import Place
from ratchet.launch.request import SERVE_ENVIRONMENT, Launch, LaunchRequest

PORT = 29500  # torch's own; jobs that share a node get others after it


@dataclass(frozen=True)
class Options:
    """What a cluster is asked for."""

    time: str = "24:00:00"
    partition: str | None = None
    account: str | None = None
    gpus: int | None = None
    """GPUs of each node; as many as it has processes by default, 0 asks for none."""
    cpus: int | None = None
    """Cores of each node."""
    container: str | None = None
    """An image, for pyxis (srun --container-image)."""
    mounts: str | None = None
    """Folders that the container sees, as pyxis takes them."""
    venv: str | None = None
    """A virtual environment to activate on each node."""
    more: tuple[str, ...] = ()
    """Further options of sbatch, as --qos=high."""
    notice: int = 180
    """Seconds before the end at which the job is told."""
    seeds: str | None = None
    """An array over seeds, as 0-4 or 0,1,2."""
    inference_nodes: int = 0
    """Nodes for vLLM, beside those that train."""
    evaluate: bool = False
    """Whether the trained model is evaluated by a job that depends on this one."""


@dataclass(frozen=True)
class Files:
    """What is written and submitted."""

    folder: Path
    texts: dict[str, str]
    """File name -> text."""

    @property
    def job(self) -> Path:
        """The script that is submitted."""
        return self.folder / "job.sbatch"


def render(launch: Launch, options: Options) -> Files:
    """All files of a job.

    Raises:
        UserError: for options that do not go together.
    """
    check(launch, options)
    folder = launch.recipe.output_dir.absolute().with_name(f"{launch.name}.slurm")
    texts = {
        "recipe.yaml": launch.recipe.as_yaml(),
        "job.sbatch": _job(launch, options, folder),
        "node.sh": _node(launch, options, folder),
    }
    if options.inference_nodes:
        texts["vllm.sh"] = _vllm(launch, options)
    if options.evaluate:
        texts["evaluate.sbatch"] = _evaluation(launch, options, folder)
    return Files(folder, texts)


# Every node computes the same address and port; jobs that share a node get different ports.
_RENDEZVOUS = [
    'export OUTPUT="$output"',
    'mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")',
    'export MASTER_ADDR="${hosts[0]}"',
    f'export MASTER_PORT="$(({PORT} + SLURM_JOB_ID % 1000))"',
    "",
]
_NOTICE = [
    "# Told that the time is nearly up, or preempted: the training processes finish their step and save it; "
    "then the queue again.",
    "stopping=0",
    "training=",
    """trap 'stopping=1; [ -z "$training" ] || kill -USR1 "$training" 2> /dev/null || true' USR1 TERM""",
]
# Without a result the run is not finished: it is requeued, which a run that failed by itself is not.
_REQUEUE = [
    'if [ "$stopping" = 1 ] && [ ! -f "$output/result.json" ]; then',
    '    echo "stopped early: the step is saved; into the queue again"',
    '    scontrol requeue "$SLURM_JOB_ID"',
    f"    exit {Stopped.code}",
    "fi",
    'exit "$code"',
]
# A signal interrupts bash's wait, whose status is then the signal's.
_WAIT = [
    "wait_for() {",
    "    local again=0",
    "    while true; do",
    '        code=0; wait "$1" || code=$?',
    '        kill -0 "$1" 2>/dev/null || break',
    "    done",
    '    wait "$1" 2>/dev/null || again=$?',
    '    [ "$again" = 127 ] || code=$again',
    "}",
]


def check(launch: Launch, options: Options) -> None:
    """Raise a UserError for options that do not go together."""
    if launch.served and options.inference_nodes != 1:
        raise UserError(
            "vllm_mode: server needs --inference-nodes 1: a node for the server, with which TRL's one client speaks"
        )
    if options.inference_nodes and not launch.served:
        raise UserError("--inference-nodes is for use_vllm: true with vllm_mode: server")
    if options.seeds is not None and not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*(%\d+)?", options.seeds):
        raise UserError(f"--seeds takes what sbatch --array takes, as 0-4 or 0,1,7; it is {options.seeds}")
    if options.seeds and launch.served:
        raise UserError(
            "--seeds with vllm_mode: server: servers of several jobs would share a port; "
            "start the seeds one by one, or use colocate"
        )
    if not re.fullmatch(r"(\d+-)?\d+(:\d+){0,2}", options.time):
        raise UserError(f"--time takes what sbatch takes, as 24:00:00 or 1-00:00:00; it is {options.time}")


def header(directives: Sequence[str], comment: str | None = None) -> list[str]:
    """The first lines of every script for sbatch."""
    lines = ["#!/bin/bash", *(f"#SBATCH {directive}" for directive in directives)]
    return [*lines, *([comment] if comment else []), "set -euo pipefail"]


def _directives(launch: Launch, options: Options, nodes: int, gpus: int, name: str, log: Path) -> list[str]:
    lines = [f"--job-name={name}", f"--nodes={nodes}", "--ntasks-per-node=1", f"--time={options.time}"]
    lines += [f"--output={log}", "--open-mode=append"]
    if gpus and not launch.recipe.get("use_cpu"):
        lines.append(f"--gpus-per-node={gpus}")
    wanted = {"cpus-per-task": options.cpus, "partition": options.partition, "account": options.account}
    lines += [f"--{key}={value}" for key, value in wanted.items() if value]
    return [*lines, *options.more]


def _gpus(launch: Launch, options: Options) -> int:
    """GPUs of each node."""
    return launch.placement.per_machine if options.gpus is None else options.gpus


def _job(launch: Launch, options: Options, folder: Path) -> str:
    nodes = launch.placement.machines + options.inference_nodes
    log = folder / ("%x-%A_%a.log" if options.seeds else "%x-%j.log")
    directives = _directives(launch, options, nodes, _gpus(launch, options), launch.name, log)
    directives += [f"--signal=B:USR1@{options.notice}", "--requeue"]
    directives += [f"--array={options.seeds}"] if options.seeds else []
    container = [f"--container-image={options.container}"] if options.container else []
    container += [f"--container-mounts={options.mounts}"] if options.mounts else []
    lines = header(directives, "# Rendered by ratchet launch --on slurm.")
    lines += [f"cd {shlex.quote(str(Path.cwd()))}", f"folder={shlex.quote(str(folder))}"]
    lines += [f"output={shlex.quote(str(launch.recipe.output_dir))}"]
    if options.seeds:
        lines += ['SEED="$SLURM_ARRAY_TASK_ID"', 'output="$output-seed$SEED"', "export SEED"]
    lines += [*_RENDEZVOUS, *_NOTICE, *_WAIT, *_steps(launch, options, container), 'wait_for "$training"']
    lines += ['kill "$server" 2>/dev/null || true'] if options.inference_nodes else []
    return "\n".join([*lines, *_REQUEUE, ""])


def _steps(launch: Launch, options: Options, container: list[str]) -> list[str]:
    """The nodes that train, and the one that serves after them."""
    train = ["srun", "--ntasks-per-node=1", "--kill-on-bad-exit=1", *container]
    if not options.inference_nodes:
        return [f'{shlex.join(train)} bash "$folder/node.sh" &', "training=$!"]
    count = launch.placement.machines
    train += [f"--nodes={count}", f"--ntasks={count}", "--relative=0", "--exact"]
    serve = ["srun", "--nodes=1", "--ntasks=1", f"--relative={count}", "--exact", *container]
    return [
        f'export VLLM_HOST="${{hosts[{count}]}}"',
        f'{shlex.join(serve)} bash "$folder/vllm.sh" >> "$folder/vllm.log" 2>&1 &',
        "server=$!",
        f'{shlex.join(train)} bash "$folder/node.sh" &',
        "training=$!",
    ]


def _environment(options: Options) -> list[str]:
    return [f"source {shlex.quote(f'{options.venv}/bin/activate')}"] if options.venv else []


def _node(launch: Launch, options: Options, folder: Path) -> str:
    ranks = ["--num_machines", str(launch.placement.machines), "--machine_rank", "$SLURM_NODEID"]
    ranks += ["--main_process_ip", "$MASTER_ADDR", "--main_process_port", "$MASTER_PORT"]
    more = ["--output_dir", "$OUTPUT"]
    more += ["--seed", "$SEED"] if options.seeds else []
    more += ["--vllm_server_host", "$VLLM_HOST"] if options.inference_nodes else []
    several = ranks if launch.placement.machines > 1 else []
    words = launch.accelerate(str(folder / "recipe.yaml"), *several, more=more)
    line = " ".join(f'"{word}"' if word.startswith("$") else shlex.quote(word) for word in words)
    lines = [
        "#!/bin/bash",
        "# One node: accelerate launch with this node's rank. A signal goes to the training processes themselves, "
        "since a launcher would give",
        "# them 30 seconds and no more.",
        "set -euo pipefail",
        *_environment(options),
        f"{line} &",
        "launcher=$!",
        """trap 'pkill -USR1 -f -P "$launcher" "scripts/[a-z_]+[.]py" || true' USR1 TERM""",
        *_WAIT,
        'wait_for "$launcher"',
        'exit "$code"',
        "",
    ]
    return "\n".join(lines)


def _vllm(launch: Launch, options: Options) -> str:
    serve = [*launch.serve(max(1, _gpus(launch, options))), "--host", "0.0.0.0"]
    lines = ["#!/bin/bash", "set -euo pipefail", *_environment(options)]
    lines += [f"export {name}={value}" for name, value in SERVE_ENVIRONMENT.items()]
    return "\n".join([*lines, f"exec {shlex.join(serve)}", ""])


def _evaluation(launch: Launch, options: Options, folder: Path) -> str:
    log = folder / ("evaluate-%A_%a.log" if options.seeds else "evaluate-%j.log")
    gpus = 1 if _gpus(launch, options) else 0  # an evaluation is one process
    directives = _directives(launch, options, 1, gpus, f"{launch.name}-evaluate", log)
    directives += [f"--array={options.seeds}"] if options.seeds else []
    seed = "-seed$SLURM_ARRAY_TASK_ID" if options.seeds else ""
    lines = [*header(directives), f"cd {shlex.quote(str(Path.cwd()))}", *_environment(options)]
    lines += [f'output="{launch.recipe.output_dir}{seed}"']
    lines += [
        'python -m ratchet evaluate "$output/recipe.yaml" --model "$output" --split test '
        '--output "$output/evaluation-test.json"'
    ]
    return "\n".join([*lines, ""])


def submit(files: Files) -> list[str]:
    """Write the files and hand them to sbatch; returns what to tell the user.

    Raises:
        UserError: where there is no sbatch, or it refuses.
    """
    if shutil.which("sbatch") is None:
        raise UserError(
            "there is no sbatch here, so no Slurm; --dry-run prints the files, which can be carried to a login node"
        )
    for name, text in files.texts.items():
        write_text(files.folder / name, text)
    number = _number(files.job)
    lines = [
        f"job {number} is in the queue ({files.job}); its log is in {files.folder}",
        f"  squeue --job {number}",
        f"  scancel {number}",
    ]
    if "evaluate.sbatch" in files.texts:
        kind = "aftercorr" if "--array" in files.texts["evaluate.sbatch"] else "afterok"
        after = _number(files.folder / "evaluate.sbatch", f"--dependency={kind}:{number}")
        lines.append(f"job {after} evaluates the trained model when it is finished")
    return lines


def sbatch(script: Path, *options: str) -> str:
    """Submit a script; what sbatch says.

    Raises:
        UserError: where there is no sbatch, or it refuses.
    """
    if shutil.which("sbatch") is None:
        raise UserError("there is no sbatch here, so no Slurm")
    done = subprocess.run(["sbatch", *options, str(script)], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"sbatch refuses {script}: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()


def _number(script: Path, *options: str) -> str:
    """Submit a script; its job's number."""
    said = sbatch(script, "--parsable", *options)
    number = said.split(";")[0]
    if not number.isdigit():
        raise UserError(f"sbatch refuses {script}: {said}")
    return number


class Slurm(Place[Options]):
    """A cluster with Slurm, from one of its login nodes."""

    name = "slurm"
    takes = (
        *("time", "partition", "account", "gpus_per_node", "cpus_per_node", "container", "mounts", "venv", "sbatch"),
        *("notice", "seeds", "inference_nodes", "evaluate"),
    )
    flags = frozenset({"evaluate"})

    def read(self, request: LaunchRequest, environ: Mapping[str, str]) -> Options:
        """The options, each with its default where it is not given."""
        return Options(
            time=request.text("time") or Options.time,
            partition=request.text("partition"),
            account=request.text("account"),
            gpus=request.number("gpus_per_node", None),
            cpus=request.number("cpus_per_node", None, 1),
            container=request.text("container"),
            mounts=request.text("mounts"),
            venv=request.text("venv"),
            more=tuple((request.text("sbatch") or "").split()),
            notice=request.number("notice", Options.notice, 1),
            seeds=request.text("seeds"),
            inference_nodes=request.number("inference_nodes", 0),
            evaluate=request.given("evaluate"),
        )

    def check(self, launch: Launch, options: Options) -> None:
        """Options that do not go together are refused."""
        check(launch, options)

    def render(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> str:
        """All files, and the command that submits them."""
        files = render(launch, options)
        texts = [f"# {files.folder / name}\n{text}" for name, text in files.texts.items()]
        return "\n".join(texts) + f"sbatch {files.job}"

    def start(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> int:
        """Submit."""
        print("\n".join(submit(render(launch, options))))
        return 0
