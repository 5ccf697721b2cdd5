"""A job and a script for each of its nodes, rendered here; nothing reads YAML in a shell.

The job gets a signal before its time is up (``--signal``) and passes it on to the training processes themselves,
which finish their step, save it and leave; then the job requeues itself and resumes exactly. A job that is preempted
does the same. ``header`` and ``sbatch`` are also what evaluations of saved checkpoints are submitted with.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ratchet.errors import STATUS_FILE, Stopped, UserError
from ratchet.launch.request import SERVE_ENVIRONMENT, Launch
from ratchet.models import served_copy
from ratchet.models.folder import locate_of
from ratchet.plan.placement import PORT
from ratchet.runtime import VLLM_ON_A_CPU

ENDING = "slurm"  # of the folder beside a run's own that holds its scripts and logs


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
    folder = launch.beside(ENDING).absolute()
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
_FORGET = [f'rm -f "${STATUS_FILE}" "${STATUS_FILE}".told-*']
# The launchers pass on neither exit code nor sentence. A run that was told to stop is requeued, which one that failed
# by itself is not. Of a preempted job only the nodes are told, and all of them, while after one that fails srun tells
# the others. Slurm would take a job that was cancelled back into the queue too, and one that was to
# end (--stop) may not be requeued.
_REQUEUE = [
    f'if [ -s "${STATUS_FILE}" ]; then',
    f'    code=$(head -n 1 "${STATUS_FILE}")',
    f'    tail -n +2 "${STATUS_FILE}" >&2',
    "fi",
    f'told=$({{ find "$folder" -name "${{{STATUS_FILE}##*/}}.told-*" || true; }} | wc -l)',
    '[ "$told" -lt "$nodes" ] || stopping=1',
    *_FORGET,
    'if [ "$stopping" = 1 ] && [ "$code" != 0 ]; then',
    '    shown="$(scontrol show job "$job" || true)"',
    '    if [[ $shown == *" JobState=RUNNING "* && $shown == *" Requeue=1 "* ]]; then',
    '        echo "stopped early; into the queue again"',
    '        scontrol requeue "$job"',
    "    else",
    '        echo "stopped early; the same command resumes"',
    "    fi",
    f"    exit {Stopped.code}",
    "fi",
    'exit "$code"',
]
# A folder that is not shared is said by name, instead of by bash. The node's own shell expands it.
_EXPANDED_THERE = "# shellcheck disable=SC2016"
_NODE = (
    '[ -f "$0" ] || { echo "$SLURMD_NODENAME does not see $0: '
    'output_dir must lie on a file system that all nodes see" >&2; exit 2; }; exec bash "$0"'
)
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
        # The number of an array's last task is also the array's own: requeued by it, all tasks would begin again.
        lines += ['job="${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"']
        lines += ['SEED="$SLURM_ARRAY_TASK_ID"', 'output="$output-seed$SEED"', "export SEED"]
    else:
        lines += ['job="$SLURM_JOB_ID"']
    lines += [f'export {STATUS_FILE}="$folder/status-$job"', *_FORGET]
    lines += [f"nodes={launch.placement.machines}"]
    lines += [*_RENDEZVOUS, *_NOTICE, *_WAIT, *_steps(launch, options, container), 'wait_for "$training"']
    lines += ['kill "$server" 2>/dev/null || true'] if options.inference_nodes else []
    return "\n".join([*lines, *_REQUEUE, ""])


def _steps(launch: Launch, options: Options, container: list[str]) -> list[str]:
    """The nodes that train, and the one that serves after them."""
    train = ["srun", "--ntasks-per-node=1", "--kill-on-bad-exit=1", *container]
    if not options.inference_nodes:
        return [_EXPANDED_THERE, f'{shlex.join([*train, "bash", "-c", _NODE])} "$folder/node.sh" &', "training=$!"]
    count = launch.placement.machines
    train += [f"--nodes={count}", f"--ntasks={count}", "--relative=0", "--exact"]
    serve = ["srun", "--nodes=1", "--ntasks=1", f"--relative={count}", "--exact", *container]
    return [
        f'export VLLM_HOST="${{hosts[{count}]}}"',
        f'{shlex.join(serve)} bash "$folder/vllm.sh" >> "$folder/vllm.log" 2>&1 &',
        "server=$!",
        _EXPANDED_THERE,
        f'{shlex.join([*train, "bash", "-c", _NODE])} "$folder/node.sh" &',
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
        "# them 30 seconds and no more. srun sends it to all processes: the launcher has to survive it. Before a "
        "process trains, nothing is lost",
        "# by ending it.",
        "set -euo pipefail",
        *_environment(options),
        "command -v pkill > /dev/null ||",
        '    { echo "there is no pkill on $SLURMD_NODENAME (procps), by which signals go" >&2; exit 2; }',
        f"(trap '' USR1; exec {line}) &",
        "launcher=$!",
        "told() {",
        f'    touch "${STATUS_FILE}.told-$SLURM_NODEID" || true',
        '    pkill -USR1 -f -P "$launcher" "scripts/[a-z_]+[.]py" || kill -TERM "$launcher" 2> /dev/null || true',
        "}",
        "trap told USR1 TERM",
        *_WAIT,
        'wait_for "$launcher"',
        'exit "$code"',
        "",
    ]
    return "\n".join(lines)


def _vllm(launch: Launch, options: Options) -> str:
    serve = [*launch.serve(max(1, _gpus(launch, options))), "--host", "0.0.0.0"]
    lines = ["#!/bin/bash", "set -euo pipefail", *_environment(options)]
    environment = dict(SERVE_ENVIRONMENT)
    if copy := launch.served_folder:
        environment |= VLLM_ON_A_CPU
        lines.append(served_copy.command(locate_of(launch.recipe.values), copy))
    lines += [f"export {name}={value}" for name, value in environment.items()]
    return "\n".join([*lines, f"exec {shlex.join(serve)}", ""])


def _evaluation(launch: Launch, options: Options, folder: Path) -> str:
    log = folder / ("evaluate-%A_%a.log" if options.seeds else "evaluate-%j.log")
    gpus = 1 if _gpus(launch, options) else 0  # an evaluation is one process
    directives = _directives(launch, options, 1, gpus, f"{launch.name}-evaluate", log)
    directives += ["--kill-on-invalid-dep=yes"]  # a run that failed is not waited for
    directives += [f"--array={options.seeds}"] if options.seeds else []
    seed = "-seed$SLURM_ARRAY_TASK_ID" if options.seeds else ""
    lines = [*header(directives), f"cd {shlex.quote(str(Path.cwd()))}", *_environment(options)]
    lines += [f'output="{launch.recipe.output_dir}{seed}"']
    lines += [
        'python -m ratchet evaluate "$output/recipe.yaml" --model "$output" --split test '
        '--output "$output/evaluation-test.json"'
    ]
    return "\n".join([*lines, ""])
