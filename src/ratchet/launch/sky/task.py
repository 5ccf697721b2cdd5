"""A run as a SkyPilot task: what machine it wants, what is installed there, and the script that trains."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ratchet.errors import STATUS_FILE, Stopped, UserError
from ratchet.launch.request import Launch
from ratchet.launch.sent import INSTALL, PASSED_ON, carried_paths, written
from ratchet.launch.sky.clouds import ACCELERATORS, Place, refuse
from ratchet.plan.placement import PORT
from ratchet.plan.plan import Options as PlanOptions
from ratchet.plan.plan import Plan, plan

PREFIX = "ratchet-"
ENVIRONMENT_GB, STEP_GB = 60, 50  # of what is installed, and of what disks are asked for in
IDLE_MINUTES = 10
OUTPUTS, DATA, CODE = "ratchet-outputs", "ratchet-data", "sky_workdir"  # in the home folder there
STORES = {"s3": "s3", "gs": "gcs", "r2": "r2"}
SETUP = "RATCHET_SETUP"  # ends the part of a script that installs
KILL_AFTER = 300  # seconds between the end of the time and the end of a run that does not save
BY_HAND = "--ends-by-hand accepts that"


@dataclass(frozen=True)
class Options:
    """What is asked for; the limits have no default on purpose."""

    places: tuple[Place, ...]
    max_price: float
    """USD an hour, all nodes together."""
    max_hours: float
    """From the launch on."""
    gpus: tuple[str, ...] = ()
    """Names as ``plan --gpu`` takes them; by default all on which the run fits."""
    spot: bool = False
    managed: bool = False
    """Whether SkyPilot's jobs controller looks after the run, and begins it again after a lost machine."""
    recoveries: int = 5
    """How often a run that stopped early is begun again."""
    output_bucket: str | None = None
    """``gs://NAME``, where outputs go; made where it is not there."""
    data_bucket: str | None = None
    """``gs://NAME``, whose files are the task's data."""
    ends_by_hand: bool = False
    """Whether a cloud may be used that does not end a machine by itself."""
    detach: bool = False


def check(launch: Launch, options: Options, environ: Mapping[str, str]) -> None:
    """Raise a UserError for what the clouds cannot do, secrets that are not set, and results that would be lost."""
    if launch.served:
        raise UserError("--on sky starts machines that all train: use vllm_mode: colocate")
    chosen = options.places
    if launch.placement.machines > 1:
        refuse(chosen, "several", f"{launch.placement.machines} nodes")
    if options.spot:
        refuse(chosen, "spot", "--spot")
    if options.output_bucket or options.data_bucket:
        refuse(chosen, "buckets", "a bucket")
    for name in ("output_bucket", "data_bucket"):
        if url := getattr(options, name):
            _bucket(url, f"--{name.replace('_', '-')}")
    if options.data_bucket and not hasattr(launch.recipe.task, "source"):
        raise UserError(f"--data-bucket: the task {launch.recipe.task.name} has no data.source")
    if (options.managed or options.spot) and not options.output_bucket:
        raise UserError(
            "a machine that is lost takes its disk with it: --managed and --spot need --output-bucket, from which the "
            "next one resumes"
        )
    forgotten = [place.infra for place in chosen if not place.cloud.autodown]
    if forgotten and not options.ends_by_hand:
        raise UserError(
            f"{', '.join(forgotten)}: nothing ends a machine there when this command is lost: it is billed until you "
            f"end it (sky down, or the cloud's console); {BY_HAND}"
        )
    secrets(launch, environ)
    carried_paths(launch)


def secrets(launch: Launch, environ: Mapping[str, str]) -> list[str]:
    """Names of the variables that the run gets there.

    Raises:
        UserError: for one that is needed and not set.
    """
    reports = launch.recipe.get("report_to") or ()
    reports = [reports] if isinstance(reports, str) else reports
    needed = {"HF_TOKEN": bool(launch.recipe.get("push_to_hub")), "WANDB_API_KEY": "wandb" in reports}
    missing = [name for name, wanted in needed.items() if wanted and not environ.get(name)]
    if missing:
        raise UserError(f"{', '.join(missing)} is not set, and the recipe needs it there; put it into .env")
    return [name for name in PASSED_ON if environ.get(name)]


def fitting(launch: Launch, options: Options) -> list[tuple[str, Plan]]:
    """The GPUs on which the run fits, with its plan on each.

    Raises:
        UserError: where it fits on none of those that were named.
    """
    if launch.recipe.get("use_cpu"):
        return []
    unknown = [name for name in options.gpus if name not in ACCELERATORS]
    if unknown:
        raise UserError(f"--gpu: there is no {unknown[0]}; choose from {', '.join(ACCELERATORS)}")
    placement = launch.placement
    found = []
    for name in options.gpus or ACCELERATORS:
        wanted = PlanOptions(placement.file, name, placement.machines, placement.processes)
        found.append((name, plan(launch.recipe.path, launch.overrides, wanted)))
    fits = [(name, one) for name, one in found if one.fits]
    if options.gpus and len(fits) < len(found):
        name, one = next((name, one) for name, one in found if not one.fits)
        remedies = "; ".join(one.remedies) or "take a larger one"
        raise UserError(f"--gpu {name}: the run does not fit on it; {remedies}")
    if not fits:
        raise UserError(f"the run fits on none of {', '.join(ACCELERATORS)}; ratchet plan says what would help")
    return fits


def task(launch: Launch, options: Options, environ: Mapping[str, str], deadline: float) -> str:
    """The task's YAML.

    Args:
        deadline: seconds since 1970 at which the run ends, however often it is begun again.
    """
    nodes = launch.placement.machines
    resources = _resources(launch, options)
    # SkyPilot's limit is each node's.
    resources["max_hourly_cost"] = math.floor(100 * options.max_price / nodes) / 100
    if options.managed:
        resources["job_recovery"] = {"max_restarts_on_errors": 0, "recover_on_exit_codes": [Stopped.code]}
    found: dict[str, Any] = {"name": PREFIX + launch.name, "resources": resources, "num_nodes": nodes}
    found["workdir"] = str(code_folder(launch).absolute())
    if names := secrets(launch, environ):
        found["secrets"] = dict.fromkeys(names)
    if mounts := _mounts(launch, options):
        found["file_mounts"] = mounts
    found["setup"] = "\n".join(
        [*_left(deadline), f"timeout --kill-after=60 \"$left\" bash -e <<'{SETUP}'", *INSTALL, SETUP, ""]
    )
    found["run"] = run_script(launch, options, deadline)
    return yaml.dump(found, Dumper=_Dumper, sort_keys=False, width=1000)


def code_folder(launch: Launch) -> Path:
    """A copy of what git knows: SkyPilot would take along whatever .gitignore does not name."""
    return launch.beside("sky") / "code"


def _left(deadline: float) -> list[str]:
    """Lines that find the seconds until the deadline, and end where there are none."""
    return [
        f"ends={int(deadline)}  # seconds since 1970",
        "left=$((ends - $(date +%s)))",
        'if [ "$left" -le 0 ]; then',
        '    echo "the time is up (--max-hours)"',
        "    exit 1",
        "fi",
    ]


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as they are read."""


def _as_block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _as_block)


def _resources(launch: Launch, options: Options) -> dict[str, Any]:
    """Any of the places with any of the GPUs; SkyPilot takes the cheapest."""
    per_node = launch.placement.per_machine
    fits = fitting(launch, options)
    kinds = [{"accelerators": f"{ACCELERATORS[name]}:{per_node}"} for name, _ in fits] or [{"cpus": "2+"}]
    each = [{"infra": place.infra, **kind, **_ending(place, options)} for place in options.places for kind in kinds]
    return {"any_of": each, "disk_size": _disk([one for _, one in fits])}


def _ending(place: Place, options: Options) -> dict[str, Any]:
    """Whether a machine may be taken away, and when it ends itself; the jobs controller ends its own."""
    found: dict[str, Any] = {"use_spot": True} if options.spot else {}
    if place.cloud.autodown and not options.managed:
        found["autostop"] = {"idle_minutes": IDLE_MINUTES, "down": True}
    return found


def _disk(plans: Sequence[Plan]) -> int:
    """GB of a node's disk: what is installed, fetched and written, rounded up."""
    needed = max((one.download + sum(one.disk.values()) for one in plans), default=0) / 1e9 + ENVIRONMENT_GB
    return int(-(-needed // STEP_GB) * STEP_GB)


def _bucket(url: str, option: str) -> tuple[str, str]:
    """Name and store of a bucket."""
    scheme, _, name = url.partition("://")
    if scheme not in STORES or not name or "/" in name.rstrip("/"):
        kinds = ", ".join(f"{scheme}://NAME" for scheme in STORES)
        raise UserError(f"{option} takes {kinds}; it is {url}")
    return name.rstrip("/"), STORES[scheme]


def _mounts(launch: Launch, options: Options) -> dict[str, Any]:
    """Buckets, and data and models that lie here."""
    mounts: dict[str, Any] = {}
    if options.output_bucket:
        name, store = _bucket(options.output_bucket, "--output-bucket")
        mounts[f"~/{OUTPUTS}"] = {"name": name, "store": store, "mode": "MOUNT_CACHED"}
    if options.data_bucket:
        mounts[f"~/{DATA}"] = {"source": options.data_bucket, "mode": "COPY"}
    for path in carried_paths(launch):
        mounts[f"~/{CODE}/{path}"] = str((launch.root / path).resolve())
    return mounts


def run_script(launch: Launch, options: Options, deadline: float) -> str:
    """What each node does: train until the deadline, and say with its exit code whether the run is to go on.

    Under ``accelerate launch`` every code but 0 becomes 1, so Ratchet's own is read from the file that it leaves.
    """
    output = (
        f'"$HOME/{OUTPUTS}/{launch.name}"' if options.output_bucket else shlex.quote(str(launch.recipe.output_dir))
    )
    nodes = launch.placement.machines
    ranks = [f"--num_machines {nodes}", '--machine_rank "$SKYPILOT_NODE_RANK"']
    ranks += ['--main_process_ip "$(head -n1 <<< "$SKYPILOT_NODE_IPS")"', f"--main_process_port {PORT}"]
    accelerate = launch.accelerate_elsewhere("@")
    before, after = accelerate[: accelerate.index("@")], accelerate[accelerate.index("@") + 1 :]
    if nodes > 1:
        words = [shlex.join(before), *ranks, launch.script, shlex.join(after)]
    else:  # which lets a step be finished for as long as the recipe says, and ends with the run's own code
        words = ["python -m ratchet launch", after[0], "--on local", shlex.join(before[2:]), shlex.join(after[1:])]
    words += ["--output_dir", '"$output"']
    words += ["--data.source", f'"$HOME/{DATA}"'] if options.data_bucket else []
    lines = [
        f"output={output}",
        *_left(deadline),
        'export PATH="$PWD/.venv/bin:$PATH"',
        *written(launch),
        f'export {STATUS_FILE}="$PWD/status"',
        f'rm -f "${STATUS_FILE}"',
        "code=0",
        f'timeout --signal=TERM --kill-after={KILL_AFTER} "$left" {" ".join(filter(None, words))} || code=$?',
        '[ "$code" != 0 ] || exit 0',
        'if [ "$(date +%s)" -ge "$ends" ]; then',
        '    echo "the time is up (--max-hours); what is saved stays in $output"',
        "    exit 1",
        "fi",
        f'[ ! -s "${STATUS_FILE}" ] || code=$(head -n1 "${STATUS_FILE}")',
    ]
    if options.managed:
        lines += [
            f'if [ "$code" = {Stopped.code} ]; then',
            '    mkdir -p "$output.recoveries"',
            '    touch "$output.recoveries/$(date +%s%N)"',
            f'    if [ "$(find "$output.recoveries" -type f | wc -l)" -gt {options.recoveries} ]; then',
            f'        echo "stopped early for the last of {options.recoveries} times (--recoveries)"',
            "        exit 1",
            "    fi",
            "fi",
        ]
    return "\n".join([*lines, 'exit "$code"', ""])


def command(launch: Launch, options: Options, environ: Mapping[str, str], path: Path) -> list[str]:
    """What starts the task."""
    name = PREFIX + launch.name
    words = ["sky", "jobs", "launch", "--name", name] if options.managed else ["sky", "launch", "--cluster", name]
    words += ["--yes", "--detach-run"]
    for secret in secrets(launch, environ):
        words += ["--secret", secret]
    return [*words, str(path)]
